"""Writes a clip store, which appears complete or not at all."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ucf11lib import paths
from ucf11lib.data.store import COLUMNS, FORMAT, StoreInfo, sha256
from ucf11lib.errors import UserError


@dataclass
class StoreWriter:
    """Appends the sequences of clips to a store in preparation; obtained from `create`."""

    folder: Path
    classes: Sequence[str]
    window: int
    size: int
    left_out: list[dict] = field(default_factory=list)
    frames_read: int = 0
    _rows: list[list] = field(default_factory=list)
    _columns: dict[str, Sequence] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()
        self._file = (self.folder / "frames.npy").open("wb")
        self._write_header()

    def _write_header(self) -> None:
        """Write the .npy header; numpy pads it so that the final count fits into the first."""
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
            frames_read: frames of the clip; by default, as many as the sequences have.
        """
        expected = (self.window, self.size, self.size, 3)
        if frames.dtype != np.uint8 or frames.shape[1:] != expected:
            raise ValueError(f"{clip}: frames {frames.dtype} {frames.shape}, expected {expected}")
        data = memoryview(np.ascontiguousarray(frames)).cast("B")
        self._file.write(data)
        self._digest.update(data)
        self.frames_read += len(frames) * self.window if frames_read is None else frames_read
        head = [label, self.classes[label], group, clip]
        starts = range(
            first_frame, first_frame + len(frames) * (stride or self.window), stride or self.window
        )
        self._rows += [[*head, start] for start in starts]

    def leave_out(
        self, clip: str, reason: str, *, frames_read: int = 0, damaged: bool = False
    ) -> None:
        """Record that `clip` is not in the store, and why."""
        self.frames_read += frames_read
        self.left_out.append({"clip": clip, "reason": reason, "damaged": damaged})

    def set_column(self, name: str, values: Sequence) -> None:
        """Give the index a column, or other values than `add` got: one a sequence."""
        self._columns[name] = values

    def finish(self, **info) -> None:
        """Write the header's final count, the index and `store.json`.

        Raises:
            UserError: no sequence was added.
        """
        if not self._rows:
            first = [f", the first: {one['clip']}: {one['reason']}" for one in self.left_out[:1]]
            raise UserError(f"no sequence of {self.window} frames; {len(self.left_out)} clips left "
                            f"out{''.join(first)}")  # fmt: skip
        self._write_header()
        self.close()
        index = self.folder / "index.csv"
        table = pd.DataFrame(self._rows, columns=COLUMNS).assign(**self._columns)
        table.to_csv(index, index=False, lineterminator="\n")
        record = StoreInfo(
            format=FORMAT,
            classes=tuple(self.classes),
            window=self.window,
            size=self.size,
            sequences=len(self._rows),
            frames_read=self.frames_read,
            left_out=self.left_out,
            sha256={"frames": self._digest.hexdigest(), "index": sha256(index)},
            **info,
        )
        text = json.dumps(asdict(record), indent=1)
        (self.folder / "store.json").write_text(text + "\n")

    def close(self) -> None:
        """Close the file, finished or not."""
        self._file.close()


@contextlib.contextmanager
def create(
    path: Path | str,
    *,
    source: str,
    classes: Sequence[str],
    origin: dict,
    window: int = 30,
    stride: int | None = None,
    size: int = 64,
) -> Iterator[StoreWriter]:
    """Yield a writer; the store appears at `path` when the block ends without an error.

    Args:
        path: the store's folder, which must not exist.
        source: `synthetic`, `course`, `ucf11` or `videos`.
        classes: folder names in label order, such as "soccer_juggling".
        origin: what is needed to prepare the same store again (parameters, folder, seed).
        window: frames a sequence.
        stride: frames from one sequence's start to the next's; `window` by default.
        size: pixels a side.

    Raises:
        UserError: `path` exists, or the block added no sequence.
    """
    path = Path(path)
    exists = f"{path}: exists already; choose another --store or delete it first"
    if path.exists():
        raise UserError(exists)
    try:
        with paths.atomic_dir(path) as folder:
            writer = StoreWriter(folder, classes, window, size)
            with contextlib.closing(writer):
                yield writer
                writer.finish(source=source, origin=origin, stride=stride or window)
    except FileExistsError:
        raise UserError(exists) from None
