"""Writes a clip store, which appears complete or not at all."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from ucf11lib import paths
from ucf11lib.data.store import COLUMNS, FORMAT, StoreInfo, sha256
from ucf11lib.errors import UserError


@dataclass
class StoreWriter:
    """Appends the sequences of clips to a store in preparation; obtained from `create`."""

    classes: Sequence[str]
    window: int
    stride: int
    size: int
    file: BinaryIO
    columns: dict[str, Sequence] = field(default_factory=dict)  # of the index, beside `add`'s
    left_out: list[dict] = field(default_factory=list)
    frames_read: int = 0

    def __post_init__(self) -> None:
        self.rows: list[list] = []
        self.digest = hashlib.sha256()
        self.write_header()

    def write_header(self) -> None:
        """Write the .npy header; numpy pads it so that the final count fits into the first."""
        shape = (len(self.rows), self.window, self.size, self.size, 3)
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
        first_frame: int = 0,
        frames_read: int | None = None,
    ) -> None:
        """Append the sequences of one clip, uint8 (n, window, size, size, 3), RGB.

        Args:
            frames: the sequences.
            label: the clip's class, an index into `classes`.
            group: the clip's group.
            clip: the clip's name, unique in the store.
            first_frame: position in the clip of the first sequence's first frame.
            frames_read: frames of the clip; by default, as many as the sequences have.
        """
        data = memoryview(np.ascontiguousarray(frames)).cast("B")
        self.file.write(data)
        self.digest.update(data)
        self.frames_read += len(frames) * self.window if frames_read is None else frames_read
        starts = first_frame + self.stride * np.arange(len(frames))
        self.rows += [[label, self.classes[label], group, clip, start] for start in starts]

    def leave_out(
        self, clip: str, reason: str, *, frames_read: int = 0, damaged: bool = False
    ) -> None:
        """Record that `clip` is not in the store, and why."""
        self.frames_read += frames_read
        self.left_out.append({"clip": clip, "reason": reason, "damaged": damaged})


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

    The further arguments are those of `StoreInfo`; `stride` is `window` by default. Raises
    `UserError` if `path` exists or the block added no sequence.
    """
    path = Path(path)
    exists = f"{path}: exists already; choose another --store or delete it first"
    if path.exists():
        raise UserError(exists)
    try:
        with paths.atomic_dir(path) as folder:
            with (folder / "frames.npy").open("wb") as file:
                writer = StoreWriter(tuple(classes), window, stride or window, size, file)
                yield writer
                writer.write_header()
            _finish(folder, writer, source, origin)
    except FileExistsError:
        raise UserError(exists) from None


def _finish(folder: Path, writer: StoreWriter, source: str, origin: dict) -> None:
    """Write the index and `store.json`."""
    if not writer.rows:
        first = [f", the first: {item['clip']}: {item['reason']}" for item in writer.left_out[:1]]
        count = f"{len(writer.left_out)} clips left out{''.join(first)}"
        raise UserError(f"no sequence of {writer.window} frames; {count}")
    index = folder / "index.csv"
    table = pd.DataFrame(writer.rows, columns=COLUMNS).assign(**writer.columns)
    table.to_csv(index, index=False, lineterminator="\n")
    info = StoreInfo(
        format=FORMAT,
        source=source,
        classes=writer.classes,
        window=writer.window,
        stride=writer.stride,
        size=writer.size,
        sequences=len(writer.rows),
        frames_read=writer.frames_read,
        origin=origin,
        left_out=writer.left_out,
        sha256={"frames": writer.digest.hexdigest(), "index": sha256(index)},
    )
    (folder / "store.json").write_text(json.dumps(asdict(info), indent=1) + "\n")
