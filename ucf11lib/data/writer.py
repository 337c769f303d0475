"""Writes a clip store, which appears complete or not at all."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from ucf11lib import paths
from ucf11lib.data.store import COLUMNS, FORMAT, StoreInfo, sha256
from ucf11lib.errors import UserError


class StoreWriter:
    """Appends the sequences of clips to a store in preparation; obtained from `create`."""

    def __init__(self, folder: Path, info: StoreInfo) -> None:
        self.info = info  # what has been written so far
        self.groups: Sequence[str] | None = None  # one a sequence, in place of those of `add`
        self._folder = folder
        self._rows: list[tuple] = []
        self._digest = hashlib.sha256()
        self._file = (folder / "frames.npy").open("wb")
        self._write_header()

    def _write_header(self) -> None:
        """Write the .npy header; numpy pads it so that the final count fits into the first."""
        shape = (self.info.sequences, self.info.window, self.info.size, self.info.size, 3)
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
        frames_read: int | None = None,
    ) -> None:
        """Append the sequences of one clip: uint8 (n, window, size, size, 3), RGB.

        `first_frame` is the first sequence's place in the clip; `frames_read` are the clip's, by
        default as many as the sequences have.
        """
        info = self.info
        expected = (info.window, info.size, info.size, 3)
        if frames.dtype != np.uint8 or frames.shape[1:] != expected:
            raise ValueError(f"{clip}: frames {frames.dtype} {frames.shape}, expected {expected}")
        data = memoryview(np.ascontiguousarray(frames)).cast("B")
        self._file.write(data)
        self._digest.update(data)
        info.sequences += len(frames)
        info.frames_read += len(frames) * info.window if frames_read is None else frames_read
        starts = first_frame + np.arange(len(frames)) * info.stride
        self._rows += [(label, info.classes[label], group, clip, start) for start in starts]

    def leave_out(self, clip: str, reason: str, frames_read: int = 0, *, damaged=False) -> None:
        """Record that `clip` is not in the store, and why."""
        self.info.frames_read += frames_read
        self.info.left_out.append({"clip": clip, "reason": reason, "damaged": damaged})

    def finish(self) -> None:
        """Write the header's final count, the index and `store.json`; refuse an empty store."""
        left_out = self.info.left_out
        if not self._rows:
            first = [f", the first: {one['clip']}: {one['reason']}" for one in left_out[:1]]
            counts = f"no sequence of {self.info.window} frames; {len(left_out)} clips left out"
            raise UserError(counts + "".join(first))
        self._write_header()
        self.close()
        index = self._folder / "index.csv"
        table = pd.DataFrame(self._rows, columns=COLUMNS)
        if self.groups is not None:
            table["group"] = self.groups
        table.to_csv(index, index=False, lineterminator="\n")
        self.info.sha256 = {"frames": self._digest.hexdigest(), "index": sha256(index)}
        (self._folder / "store.json").write_text(json.dumps(asdict(self.info), indent=1) + "\n")

    def close(self) -> None:
        """Close the file, finished or not."""
        self._file.close()


@contextmanager
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

    The arguments are as in `StoreInfo`; the stride is the window by default.

    Raises:
        UserError: `path` exists, or the block added no sequence.
    """
    path = Path(path)
    cut = (window, stride or window, size)
    info = StoreInfo(FORMAT, source, tuple(classes), *cut, 0, 0, origin, [], {})
    exists = f"{path}: exists already; choose another --store or delete it first"
    if path.exists():
        raise UserError(exists)
    try:
        with paths.atomic_dir(path) as folder, closing(StoreWriter(folder, info)) as writer:
            yield writer
            writer.finish()
    except FileExistsError:
        raise UserError(exists) from None
