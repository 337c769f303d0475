"""Writes a clip store, which appears complete or not at all."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from ucf11lib import paths
from ucf11lib.data.store import COLUMNS, FORMAT, StoreInfo
from ucf11lib.errors import UserError
from ucf11lib.runs.parsing import check_utf8


@dataclass
class StoreWriter:
    """Appends the sequences of clips to a store in preparation; obtained from `create`."""

    info: StoreInfo
    file: BinaryIO
    rows: list[list] = field(default_factory=list)
    columns: dict[str, Sequence] = field(default_factory=dict)  # of the index, beside `add`'s
    frames_read: int = 0

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256()
        self.write_header()

    def write_header(self) -> None:
        """Write the .npy header; numpy pads it so that the final count fits into the first."""
        shape = (len(self.rows), self.info.window, self.info.size, self.info.size, 3)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        self.file.seek(0)
        np.lib.format.write_array_header_1_0(self.file, header)

    def add(
        self,
        frames: np.ndarray,
        *,
        label: int,
        group: str,
        clip: str,
        first_frames: Sequence[int] | np.ndarray | None = None,
        frames_read: int | None = None,
    ) -> None:
        """Append the sequences of one clip, uint8 (n, window, size, size, 3), RGB.

        `label` is an index into the classes, `clip` a name that is unique in the store,
        `first_frames` where in the clip each sequence begins, by default a stride apart, and
        `frames_read` the frames of the clip, by default as many as the sequences have.
        """
        data = np.ascontiguousarray(frames).data.cast("B")
        self.file.write(data)
        self.digest.update(data)
        read = len(frames) * self.info.window if frames_read is None else frames_read
        self.frames_read += read
        starts = self.info.stride * np.arange(len(frames)) if first_frames is None else first_frames
        self.rows += [[label, self.info.classes[label], group, clip, start] for start in starts]

    def leave_out(
        self, clip: str, reason: str, *, frames_read: int = 0, damaged: bool = False
    ) -> None:
        """Record that `clip` is not in the store, and why."""
        self.frames_read += frames_read
        self.info.left_out.append({"clip": clip, "reason": reason, "damaged": damaged})


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
    fps: float | None = None,
) -> Iterator[StoreWriter]:
    """Yield a writer; the store appears at `path` when the block ends without an error.

    The further arguments are those of `StoreInfo`; `stride` is `window` by default. Raises
    `UserError` if `path` exists or the block added no sequence.
    """
    path = Path(path)
    check_utf8(str(paths.resolved(path)), "choose another --store")
    exists = f"{path}: exists already; choose another --store or delete it first"
    if os.path.lexists(path):
        raise UserError(exists)
    cut = (window, stride or window, size)
    info = StoreInfo(FORMAT, source, tuple(classes), *cut, 0, 0, origin, [], {}, fps)
    try:
        with paths.atomic_dir(path) as folder:
            with (folder / "frames.npy").open("wb") as file:
                writer = StoreWriter(info, file)
                yield writer
                writer.write_header()
            _finish(folder, writer)
    except FileExistsError:
        if not path.exists():
            raise
        raise UserError(exists) from None


def _finish(folder: Path, writer: StoreWriter) -> None:
    """Write the index and `store.json`."""
    left_out = writer.info.left_out
    if not writer.rows:
        first = [f", the first: {item['clip']}: {item['reason']}" for item in left_out[:1]]
        count = f"{len(left_out)} clips left out{''.join(first)}"
        where = writer.info.origin.get("folder", writer.info.source)
        raise UserError(f"{where}: no sequence of {writer.info.window} frames; {count}")
    index = folder / "index.csv"
    table = pd.DataFrame(writer.rows, columns=COLUMNS).assign(**writer.columns)
    table.to_csv(index, index=False, lineterminator="\n")
    digests = {"frames": writer.digest.hexdigest(), "index": paths.sha256(index)}
    n, read = len(writer.rows), writer.frames_read
    info = replace(writer.info, sha256=digests, sequences=n, frames_read=read)
    (folder / "store.json").write_text(json.dumps(asdict(info), indent=1) + "\n")
