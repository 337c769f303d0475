"""ClipStore: sequences on disk, memory-mapped, with the clip and the group that each was cut from.

A store is a folder:

    frames.npy   uint8 (N, window, size, size, 3), RGB; opened as a read-only memory map
    index.csv    one row a sequence: label, class, group, clip, first_frame; confidence where clips are estimated
    store.json   format, source, classes, window, stride, size, origin, checksums, clips left out and why

It appears whole or not at all, and records where it came from, so that no number is ever separated from its data.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ucf11lib import paths
from ucf11lib.errors import UserError

FORMAT = 1
WINDOW = 30  # frames a sequence
SIZE = 64  # pixels a side
COLUMNS = ["label", "class", "group", "clip", "first_frame"]
CHUNK = 1 << 24  # bytes hashed at a time


@dataclass(frozen=True)
class ClipStore:
    """An opened store. Frames are read on access; nothing of their size is held in memory.

    Attributes:
        path: the store's folder.
        frames: uint8 (N, window, size, size, 3), RGB, read-only memory map.
        index: one row a sequence, columns `label, class, group, clip, first_frame`.
        info: the contents of `store.json`.
    """

    path: Path
    frames: np.ndarray = field(repr=False)
    index: pd.DataFrame = field(repr=False)
    info: dict = field(repr=False)

    @classmethod
    def open(cls, path: Path | str) -> "ClipStore":
        """Open the store at `path`.

        Raises:
            UserError: no store there, a store of another format, or files that do not fit each other.
        """
        path = Path(path)
        try:
            info = json.loads((path / "store.json").read_text())
        except FileNotFoundError:
            raise UserError(f"{path}: not a clip store (no store.json); make one with "
                            "'python -m ucf11lib prepare'") from None  # fmt: skip
        except (ValueError, OSError) as error:
            raise UserError(f"{path}/store.json: unreadable ({error}); prepare the store again") from None
        if info.get("format") != FORMAT:
            raise UserError(f"{path}: store format {info.get('format')!r}, this version reads {FORMAT}; "
                            "delete it and prepare it again")  # fmt: skip
        try:
            frames = np.load(path / "frames.npy", mmap_mode="r")
            index = pd.read_csv(path / "index.csv", dtype={"group": str, "clip": str}, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: damaged ({error}); delete it and prepare it again") from None
        shape = (info["sequences"], info["window"], info["size"], info["size"], 3)
        if frames.shape != shape or len(index) != shape[0] or frames.dtype != np.uint8:
            raise UserError(f"{path}: damaged (frames {frames.shape} {frames.dtype}, index {len(index)} rows, "
                            f"expected {shape}); delete it and prepare it again")  # fmt: skip
        return cls(path, frames, index, info)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def source(self) -> str:
        """Where the sequences come from: `synthetic`, `course`, `ucf11` or `videos`."""
        return self.info["source"]

    @property
    def classes(self) -> tuple[str, ...]:
        """Display names in label order, such as "soccer juggling"."""
        return tuple(name.replace("_", " ") for name in self.info["classes"])

    @cached_property
    def labels(self) -> np.ndarray:
        """Class of each sequence: int64 (N,), 0..classes-1."""
        return self.index["label"].to_numpy(np.int64)

    @cached_property
    def groups(self) -> np.ndarray:
        """Group of each sequence: str (N,)."""
        return self.index["group"].to_numpy(str)

    @cached_property
    def clips(self) -> np.ndarray:
        """Clip of each sequence: str (N,)."""
        return self.index["clip"].to_numpy(str)

    @property
    def kind(self) -> str:
        """What stands beside every number from this store: "synthetic data", or which real video."""
        if self.source == "synthetic":
            return "synthetic data"
        estimated = ", groups estimated" if self.info["origin"].get("groups") == "estimated" else ""
        return f"real video ({self.source}: {Path(self.info['origin']['folder']).name}{estimated})"

    def verify(self) -> None:
        """Compare both files with their recorded checksums.

        Raises:
            UserError: a file differs from what was written.
        """
        payload = self.frames.reshape(-1).view(np.ndarray)
        found = {"frames": _sha256_array(payload), "index": _sha256_file(self.path / "index.csv")}
        for name, digest in found.items():
            if digest != self.info["sha256"][name]:
                raise UserError(f"{self.path}: the {name} differ from their checksum; delete the store and "
                                "prepare it again")  # fmt: skip

    def describe(self) -> pd.DataFrame:
        """Return sequences, clips and groups of each class, with a last row of totals."""
        grouped = self.index.groupby("label")
        table = pd.DataFrame(
            {
                "class": list(self.classes),
                "sequences": grouped.size().reindex(range(len(self.classes)), fill_value=0),
                "clips": grouped["clip"].nunique().reindex(range(len(self.classes)), fill_value=0),
                "groups": grouped["group"].nunique().reindex(range(len(self.classes)), fill_value=0),
            }
        )
        totals = ["all", len(self), self.index["clip"].nunique(), self.index["group"].nunique()]
        return pd.concat([table, pd.DataFrame([totals], columns=table.columns)], ignore_index=True)

    def summary(self) -> str:
        """Return one line: what the store holds, where from, and what was left out."""
        info = self.info
        left_out = info["left_out"]
        tail = f"; {len(left_out)} clips left out" if left_out else ""
        return (
            f"{info['source']}: {len(self)} sequences of {info['window']}x{info['size']}x{info['size']}x3 from "
            f"{info['frames_read']} frames, {self.index['clip'].nunique()} clips, "
            f"{self.index['group'].nunique()} groups, {len(self.classes)} classes{tail}"
        )


@dataclass
class StoreWriter:
    """Appends sequences to a store under construction; made by `create`."""

    folder: Path
    classes: Sequence[str]
    window: int
    size: int
    rows: list[list] = field(default_factory=list)
    left_out: list[dict] = field(default_factory=list)
    columns: dict[str, Sequence] = field(default_factory=dict)
    frames_read: int = 0

    def __post_init__(self) -> None:
        self._file = open(self.folder / "frames.npy", "wb")  # noqa: SIM115 - closed by finish() or by create()
        self._digest = hashlib.sha256()
        self._write_header()

    def _write_header(self) -> None:
        """Write the .npy header; numpy pads it so that the final count fits in place of the first."""
        shape = (len(self.rows), self.window, self.size, self.size, 3)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)

    def add(
        self, frames: np.ndarray, *, label: int, group: str, clip: str, first_frame: int = 0, stride: int | None = None
    ) -> None:
        """Append the sequences of one clip.

        Args:
            frames: uint8 (n, window, size, size, 3), RGB.
            label: the clip's class, an index into `classes`.
            group: the clip's group.
            clip: the clip's name, unique in the store.
            first_frame: position in the clip of the first sequence's first frame.
            stride: frames from one sequence's start to the next's; the window by default.
        """
        expected = (self.window, self.size, self.size, 3)
        if frames.dtype != np.uint8 or frames.shape[1:] != expected:
            raise ValueError(f"{clip}: frames {frames.dtype} {frames.shape}, expected uint8 (n, {expected})")
        data = memoryview(np.ascontiguousarray(frames)).cast("B")
        self._file.write(data)
        self._digest.update(data)
        step = stride or self.window
        for i in range(len(frames)):
            self.rows.append([label, self.classes[label], group, clip, first_frame + i * step])

    def leave_out(self, clip: str, reason: str) -> None:
        """Record that `clip` is not in the store, and why."""
        self.left_out.append({"clip": clip, "reason": reason})

    def set_column(self, name: str, values: Sequence) -> None:
        """Give the index a column, or other values than `add` got: one a sequence."""
        self.columns[name] = values

    def finish(self, **info) -> None:
        """Write the header's final count, the index and `store.json`."""
        self._file.seek(0)
        self._write_header()
        self._file.close()
        index = self.folder / "index.csv"
        table = pd.DataFrame(self.rows, columns=COLUMNS).assign(**self.columns)
        table.to_csv(index, index=False, lineterminator="\n")
        info |= {
            "format": FORMAT,
            "classes": list(self.classes),
            "window": self.window,
            "size": self.size,
            "sequences": len(self.rows),
            "frames_read": self.frames_read or len(self.rows) * self.window,
            "left_out": self.left_out,
            "sha256": {"frames": self._digest.hexdigest(), "index": _sha256_file(index)},
        }
        (self.folder / "store.json").write_text(json.dumps(info, indent=1) + "\n")

    def close(self) -> None:
        """Let go of the frames file, finished or not."""
        self._file.close()


@contextlib.contextmanager
def create(
    path: Path | str,
    *,
    source: str,
    classes: Sequence[str],
    origin: dict,
    window: int = WINDOW,
    stride: int | None = None,
    size: int = SIZE,
) -> Iterator[StoreWriter]:
    """Yield a writer; the store appears at `path` when the block ends without an error, and not otherwise.

    Args:
        path: the store's folder, which must not exist.
        source: `synthetic`, `course`, `ucf11` or `videos`.
        classes: folder names in label order, such as "soccer_juggling".
        origin: what is needed to make the same store again (parameters, folder, seed).
        window: frames a sequence.
        stride: frames from one sequence's start to the next's; `window` by default.
        size: pixels a side.

    Raises:
        UserError: `path` exists, or the block added no sequence.
    """
    path = Path(path)
    if path.exists():
        raise UserError(f"{path}: exists already; choose another --store or delete it first")
    with paths.whole_dir(path) as folder:
        writer = StoreWriter(folder, classes, window, size)
        try:
            yield writer
            if not writer.rows:
                raise UserError(f"no sequence of {window} frames found; {len(writer.left_out)} clips left out"
                                + (f", the first: {writer.left_out[0]}" if writer.left_out else ""))  # fmt: skip
            writer.finish(source=source, origin=origin, stride=stride or window)
        finally:
            writer.close()


def _sha256_array(flat: np.ndarray) -> str:
    digest = hashlib.sha256()
    for start in range(0, len(flat), CHUNK):
        digest.update(flat[start : start + CHUNK])
    return digest.hexdigest()


def _sha256_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
