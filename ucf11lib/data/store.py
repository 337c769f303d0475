"""ClipStore: sequences on disk, memory-mapped, with the clip and the group that each was cut from.

A store is a folder:

    frames.npy   uint8 (N, window, size, size, 3), RGB; opened as a read-only memory map
    index.csv    one row a sequence: label, class, group, clip, first_frame; confidence where clips are estimated
    store.json   format, source, classes, window, stride, size, origin, checksums, clips left out and why

It appears whole or not at all, and records where it came from, so that no number is ever separated from its data.
While it is being made, the working folder beside it keeps a journal, by which a killed process's work is found again.
"""

import contextlib
import hashlib
import json
import os
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ucf11lib import paths
from ucf11lib.errors import RunFailed, UserError

FORMAT = 1
WINDOW = 30  # frames a sequence
SIZE = 64  # pixels a side
COLUMNS = ["label", "class", "group", "clip", "first_frame"]
CHUNK = 1 << 22  # bytes read at a time
JOURNAL = "journal.jsonl"


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

    @cached_property
    def _descriptor(self) -> int:
        descriptor = os.open(self.path / "frames.npy", os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        return descriptor

    @cached_property
    def _opened(self) -> os.stat_result:
        return os.fstat(self._descriptor)

    def check(self) -> None:
        """See that the frames are those that were there at the first reading; a file put in their place does no harm.

        Raises:
            RunFailed: they were written to, or cut short.
        """
        before, now = self._opened, os.fstat(self._descriptor)
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise RunFailed(f"{self.path}: frames.npy was changed while it was in use; prepare the store again")

    def expect(self, indices: np.ndarray) -> None:
        """Tell the system which sequences will be read soon, so that it fetches them side by side and meanwhile.

        Read one after the other from a file that is not in memory, each waits for the disk, and so does the training.
        """
        if hasattr(os, "posix_fadvise"):  # macOS has none
            size = int(np.prod(self.frames.shape[1:]))
            for i in indices:
                os.posix_fadvise(self._descriptor, self.frames.offset + int(i) * size, size, os.POSIX_FADV_WILLNEED)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Read sequences: uint8 (n, window, size, size, 3), in the order asked for.

        They are read, not mapped, so that a pass over the data does not count as the process's memory.

        Raises:
            RunFailed: the file cannot be read, or has become shorter since it was opened.
        """
        _ = self._opened
        out = np.empty((len(indices), *self.frames.shape[1:]), np.uint8)
        for place in np.argsort(indices, kind="stable"):
            start = self.frames.offset + int(indices[place]) * out[0].nbytes
            try:
                read = os.preadv(self._descriptor, [out[place]], start)
            except OSError as error:
                raise RunFailed(f"{self.path}: frames.npy cannot be read ({error.strerror}); see to the disk") from None
            if read != out[0].nbytes:
                raise RunFailed(f"{self.path}: frames.npy was cut short while it was read; prepare the store again")
        return out

    def channel_statistics(self, indices: np.ndarray, most: int = 512) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and deviation of each channel in grey levels, from at most `most` evenly spaced sequences."""
        chosen = indices[np.linspace(0, len(indices) - 1, min(most, len(indices))).astype(int)]
        total, squares, count = np.zeros(3), np.zeros(3), 0
        for i in chosen:
            pixels = self.take([i]).reshape(-1, 3).astype(np.float32)
            total += pixels.sum(axis=0, dtype=np.float64)
            squares += np.square(pixels).sum(axis=0, dtype=np.float64)
            count += len(pixels)
        mean = total / count
        return mean, np.sqrt(np.maximum(squares / count - mean**2, 1e-6))

    def verify(self) -> None:
        """Compare both files with their recorded checksums.

        Raises:
            UserError: a file differs from what was written.
        """
        found = {
            "frames": _sha256(self.path / "frames.npy", self.frames.offset),
            "index": _sha256(self.path / "index.csv"),
        }
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

    def left_out(self) -> pd.DataFrame:
        """Return the clips that are not in the store, one a row: clip, reason."""
        return pd.DataFrame(self.info["left_out"], columns=["clip", "reason"])

    def summary(self) -> str:
        """Return one line: what the store holds, where from, and what was left out."""
        info, left_out = self.info, self.info["left_out"]
        apart = f" every {info['stride']} frames" if info["stride"] != info["window"] else ""
        tail = f"; {len(left_out)} clips left out" if left_out else ""
        return (
            f"{info['source']}: {len(self)} sequences of {info['window']}x{info['size']}x{info['size']}x3{apart} "
            f"({self.frames.nbytes / 1e6:,.0f} MB) from {info['frames_read']} frames, "
            f"{self.index['clip'].nunique()} clips, {self.index['group'].nunique()} groups, "
            f"{len(self.classes)} classes{tail}"
        )


@dataclass
class StoreWriter:
    """Appends the sequences of clips to a store under construction; made by `create`.

    Attributes:
        done: clips that an interrupted try has added or left out already, in the order in which it came to them.
        left_out: clips that are not in the store: `clip`, `reason`, and whether it was `damaged`.
    """

    folder: Path
    classes: Sequence[str]
    window: int
    size: int
    done: list[str] = field(default_factory=list)
    left_out: list[dict] = field(default_factory=list)
    _rows: list[list] = field(default_factory=list)
    _columns: dict[str, Sequence] = field(default_factory=dict)
    _frames_read: int = 0

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()
        frames, journal = self.folder / "frames.npy", self.folder / JOURNAL
        begun = frames.exists() and journal.exists()
        self._file = open(frames, "r+b" if begun else "w+b")  # noqa: SIM115 - closed by close(), as is the journal
        self._write_header()
        lines, at = self._replay(journal) if begun else ([], self._file.tell())
        self._file.truncate(at)
        self._file.seek(at)
        self._journal = open(journal, "wb", buffering=0)  # noqa: SIM115
        self._journal.write(b"".join(lines))

    def _replay(self, journal: Path) -> tuple[list[bytes], int]:
        """Take over the journal's clips whose bytes are there; return its lines of them and where they end."""
        kept = []
        for line in journal.read_bytes().splitlines(keepends=True):
            at, digest = self._file.tell(), self._digest.copy()
            try:
                entry = json.loads(line)
                for _ in range(entry["sequences"]):
                    digest.update(self._file.read(self._row_bytes))
                if digest.hexdigest() != entry["digest"]:
                    raise ValueError
            except (ValueError, KeyError):  # the last line or the last bytes may be torn
                self._file.seek(at)
                break
            self._digest = digest
            self._enter(entry)
            self.done.append(entry["clip"])
            kept.append(line)
        return kept, self._file.tell()

    @property
    def _row_bytes(self) -> int:
        return self.window * self.size**2 * 3

    def _write_header(self) -> None:
        """Write the .npy header; numpy pads it so that the final count fits in place of the first."""
        shape = (len(self._rows), self.window, self.size, self.size, 3)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(self._file, header)

    def add(
        self,
        frames: np.ndarray,
        *,
        label: int,
        group: str,
        clip: str,
        first_frame: int = 0,
        stride: int | None = None,
        frames_read: int | None = None,
    ) -> None:
        """Append the sequences of one clip.

        Args:
            frames: uint8 (n, window, size, size, 3), RGB.
            label: the clip's class, an index into `classes`.
            group: the clip's group.
            clip: the clip's name, unique in the store.
            first_frame: position in the clip of the first sequence's first frame.
            stride: frames from one sequence's start to the next's; the window by default.
            frames_read: how many frames the clip has; by default, as many as the sequences.
        """
        expected = (self.window, self.size, self.size, 3)
        if frames.dtype != np.uint8 or frames.shape[1:] != expected:
            raise ValueError(f"{clip}: frames {frames.dtype} {frames.shape}, expected uint8 (n, {expected})")
        data = memoryview(np.ascontiguousarray(frames)).cast("B")
        self._file.write(data)
        self._digest.update(data)
        starts = [first_frame + i * (stride or self.window) for i in range(len(frames))]
        read = len(frames) * self.window if frames_read is None else frames_read
        self._record(clip, len(frames), read, label=label, group=group, starts=starts)

    def leave_out(self, clip: str, reason: str, *, frames_read: int = 0, damaged: bool = False) -> None:
        """Record that `clip` is not in the store, and why."""
        self._record(clip, 0, frames_read, left_out={"clip": clip, "reason": reason, "damaged": damaged})

    def _record(self, clip: str, sequences: int, frames_read: int, **more) -> None:
        self._file.flush()  # what the journal says is there
        entry = {"clip": clip, "sequences": sequences, "frames_read": frames_read, "digest": self._digest.hexdigest()}
        self._enter(entry | more)
        self._journal.write(json.dumps(entry | more).encode() + b"\n")

    def _enter(self, entry: dict) -> None:
        self._frames_read += entry["frames_read"]
        if "left_out" in entry:
            self.left_out.append(entry["left_out"])
            return
        label = entry["label"]
        head = [label, self.classes[label], entry["group"], entry["clip"]]
        self._rows += [[*head, start] for start in entry["starts"]]

    def set_column(self, name: str, values: Sequence) -> None:
        """Give the index a column, or other values than `add` got: one a sequence."""
        self._columns[name] = values

    def finish(self, **info) -> None:
        """Write the header's final count, the index and `store.json`.

        Raises:
            UserError: no sequence was added.
        """
        if not self._rows:
            first = f", the first: {self.left_out[0]['clip']}: {self.left_out[0]['reason']}" if self.left_out else ""
            raise UserError(f"no sequence of {self.window} frames found; {len(self.left_out)} clips left out{first}")
        self._write_header()
        self.close()
        index = self.folder / "index.csv"
        table = pd.DataFrame(self._rows, columns=COLUMNS).assign(**self._columns)
        table.to_csv(index, index=False, lineterminator="\n")
        info |= {
            "format": FORMAT,
            "classes": list(self.classes),
            "window": self.window,
            "size": self.size,
            "sequences": len(self._rows),
            "frames_read": self._frames_read,
            "left_out": self.left_out,
            "sha256": {"frames": self._digest.hexdigest(), "index": _sha256(index)},
        }
        (self.folder / "store.json").write_text(json.dumps(info, indent=1) + "\n")
        (self.folder / JOURNAL).unlink()

    def close(self) -> None:
        """Let go of the files, finished or not."""
        self._file.close()
        self._journal.close()


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
    inputs: object = None,
) -> Iterator[StoreWriter]:
    """Yield a writer; the store appears at `path` when the block ends without an error, and not otherwise.

    A process that is killed meanwhile leaves its work beside `path`, and the next one with the same arguments begins
    with it: `writer.done` lists the clips that need not be done again. Two processes take turns.

    Args:
        path: the store's folder, which must not exist.
        source: `synthetic`, `course`, `ucf11` or `videos`.
        classes: folder names in label order, such as "soccer_juggling".
        origin: what is needed to make the same store again (parameters, folder, seed).
        window: frames a sequence.
        stride: frames from one sequence's start to the next's; `window` by default.
        size: pixels a side.
        inputs: what else the store's bytes depend on, such as its files' sizes and dates; work that was begun with
            others is thrown away.

    Raises:
        UserError: `path` exists, or the block added no sequence.
    """
    path, stride = Path(path), stride or window
    plan = json.dumps([FORMAT, source, list(classes), origin, window, stride, size, inputs], sort_keys=True)
    if path.exists():
        raise UserError(f"{path}: exists already; choose another --store or delete it first")
    try:
        with paths.resumed_dir(path, plan) as folder:
            writer = StoreWriter(folder, classes, window, size)
            try:
                yield writer
                writer.finish(source=source, origin=origin, stride=stride)
            finally:
                writer.close()
    except FileExistsError:
        raise UserError(f"{path}: another process made it meanwhile; the same command uses it now") from None


def _sha256(path: Path, start: int = 0) -> str:
    with path.open("rb") as file:
        file.seek(start)
        return hashlib.file_digest(file, "sha256").hexdigest()
