"""The course's form of UCF-11, two pickles of `(data, labels)`: into a clip store, and out of one.

`data` is uint8 (n, 30, 64, 64, 3), `labels` is 0..10. The files name no clips and no groups, but sequences of
one clip are neighbours in them, and so are clips of one group: `recover` estimates both.
"""

import contextlib
import pickle
import struct
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tqdm import tqdm

from ucf11lib.data import pickles
from ucf11lib.data.motions import MOTIONS
from ucf11lib.data.recover import Recovery
from ucf11lib.data.store import SIZE, WINDOW, ClipStore, StoreWriter, create
from ucf11lib.data.synthetic import COURSE_SEQUENCES
from ucf11lib.errors import UserError
from ucf11lib.paths import whole_file

PARTS = ("youtube_action_train_data_part1.pkl", "youtube_action_train_data_part2.pkl")
SHAPE = (WINDOW, SIZE, SIZE, 3)
CHUNK = 16  # sequences in memory at a time


@dataclass(frozen=True)
class _Part:
    """One of the files, opened: its labels in memory, its data not."""

    file: Path
    data: pickles.Array
    labels: np.ndarray

    @classmethod
    def of(cls, file: Path, opened: BinaryIO) -> "_Part":
        """Read what stands around the data, and check it."""
        try:
            content = pickles.read(opened)
        except pickles.Refused as error:
            raise UserError(f"{file}: not read ({error}); it must be a pickled (data, labels)") from None
        if not (isinstance(content, (tuple, list)) and len(content) == 2 and isinstance(content[0], pickles.Array)):
            raise UserError(f"{file}: holds {_shown(content)}; it must be a pickled (data, labels)")
        data, labels = content
        if data.shape[1:] != SHAPE:
            raise UserError(f"{file}: data is {data.dtype} {data.shape}, expected uint8 (n, {str(SHAPE)[1:]}")
        return cls(file, data, _labels(file, labels, len(data)))

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield the data as uint8, a chunk at a time; floats of 0..1 are taken for shares of 255.

        Raises:
            UserError: other values, or a file that is damaged.
        """
        floats = self.data.dtype.kind == "f"
        low, high = self._range() if floats else (0, 0)
        scale = 255 if high <= 1 else 1
        for chunk in self._read():
            if not floats:
                low, high = min(low, int(chunk.min())), max(high, int(chunk.max()))
            if not 0 <= low <= high <= 255:
                raise self._wrong_values(low, high)
            yield (np.rint(chunk.astype(np.float32) * scale) if floats else chunk).astype(np.uint8, copy=False)
        if len(self.data) and high <= 1 and not floats:
            raise self._wrong_values(low, high)

    def _range(self) -> tuple[float, float]:
        ranges = np.array([[chunk.min(), chunk.max()] for chunk in self._read()] or [[0, 0]], np.float64)
        return float(ranges[:, 0].min()), float(ranges[:, 1].max())

    def _read(self) -> Iterator[np.ndarray]:
        try:
            yield from self.data.chunks(CHUNK)
        except pickles.Refused as error:
            raise UserError(f"{self.file}: not read ({error}); it must be a pickled (data, labels)") from None

    def _wrong_values(self, low: float, high: float) -> UserError:
        found = f"{self.data.dtype} {low:g}..{high:g}"
        return UserError(f"{self.file}: data is {found}, expected grey levels 0..255, or 0..1 as floats")


def _labels(file: Path, found: object, n: int) -> np.ndarray:
    """Return labels that came as a list, an array, a column or one-hot rows: int64 (n,), 0..10."""
    plain = isinstance(found, (list, tuple)) and all(isinstance(label, (int, float, np.number)) for label in found)
    labels = np.array(found) if plain else found
    shape, hot = getattr(labels, "shape", None), (n, len(MOTIONS))
    if isinstance(labels, pickles.Array) and shape in ((n,), (n, 1), hot):
        labels = labels.load()
    if shape == hot and _is_one_hot(labels):
        labels, shape = labels.argmax(axis=1), (n,)
    if shape not in ((n,), (n, 1)):
        what = f"{labels.dtype} {shape}" if shape else _shown(found)
        raise UserError(f"{file}: labels are {what}, expected {n} whole numbers, or {n} one-hot rows")
    labels = labels.reshape(n)
    if wrong := sorted({label for label in labels.tolist() if label not in range(len(MOTIONS))}):
        raise UserError(f"{file}: labels {wrong[0]}..{wrong[-1]}, expected 0..{len(MOTIONS) - 1}")
    return labels.astype(np.int64)


def _is_one_hot(labels: np.ndarray) -> bool:
    return bool((np.isin(labels, (0, 1)).all(axis=1) & (labels.sum(axis=1) == 1)).all())


def _shown(value: object) -> str:
    kind = type(value).__name__
    return f"{kind} of {len(value)}" if isinstance(value, (list, tuple, pickles.Array)) else kind


def _in_order(parts: list[_Part]) -> list[_Part]:
    """Return the parts as the labels say, and check that they are the course's: sorted by class, in UCF-11's order.

    Raises:
        UserError: they are not.
    """
    parts = sorted(parts, key=lambda part: (*part.labels[[0, -1]], 0) if len(part.labels) else (len(MOTIONS), 0, 0))
    before = 0
    for part in parts:
        falls = np.flatnonzero(np.diff(part.labels, prepend=before) < 0)
        if len(falls):
            what = f"label {part.labels[falls[0]]} at sequence {falls[0]} comes after a higher one"
            raise UserError(f"{part.file}: {what}; the course's files are sorted by class, and clips cannot be told "
                            "in others")  # fmt: skip
        before = part.labels[-1] if len(part.labels) else before
    sizes = np.bincount(np.concatenate([part.labels for part in parts]), minlength=len(MOTIONS)).tolist()
    if sorted(sizes) == sorted(COURSE_SEQUENCES) and sizes != list(COURSE_SEQUENCES):
        label = next(label for label, size in enumerate(sizes) if size != COURSE_SEQUENCES[label])
        name = list(MOTIONS)[COURSE_SEQUENCES.index(sizes[label])]
        raise UserError(f"{parts[0].file}: label {label} has {sizes[label]} sequences, which is UCF-11's {name}: "
                        "the classes are in another order; number them as its folders are sorted")  # fmt: skip
    return parts


def prepare(path: Path | str, folder: Path | str) -> ClipStore:
    """Read the two parts in `folder` into a new store at `path` and open it; clips and groups are estimated.

    A part may be compressed (`.pkl.gz`). Never more than a chunk of it is in memory. The index has one more column,
    `confidence` of each clip boundary, 0.5..1.

    Raises:
        UserError: a part is missing, is not what it should be, or asks for anything but arrays; `path` exists.
    """
    files = [_find(Path(folder), name) for name in PARTS]
    origin = {"folder": str(Path(folder).absolute()), "groups": "estimated", "clips": "estimated"}
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(pickles.opened(file)) for file in files]
        parts = _in_order([_Part.of(file, stream) for file, stream in zip(files, opened, strict=True)])
        dates = [[file.stat().st_size, file.stat().st_mtime_ns] for file in files]
        writer = stack.enter_context(create(path, source="course", classes=list(MOTIONS), origin=origin, inputs=dates))
        _copy(parts, writer)
    store = ClipStore.open(path)
    print(f"warning: the course's files name no clips or groups; {len(set(store.clips))} clips and "
          f"{len(set(store.groups))} groups were estimated from the frames", file=sys.stderr)  # fmt: skip
    return store


def _find(folder: Path, name: str) -> Path:
    for file in (folder / name, folder / f"{name}.gz"):
        if file.is_file():
            return file
    raise UserError(f"{folder / name}: no such file; give --data the folder of {' and '.join(PARTS)}")


def _copy(parts: list[_Part], writer: StoreWriter) -> None:
    """Estimate clips and write sequences, a chunk of either at the same time."""
    recovery, total = Recovery(), sum(len(part.data) for part in parts)
    with ThreadPoolExecutor(1) as pool, tqdm(total=total, desc="reading", unit="sequence", disable=None) as bar:
        writing = None
        for part in parts:
            labels = iter(part.labels.tolist())
            for chunk in part.chunks():
                rows = [_row(recovery, frames, next(labels)) for frames in chunk]
                if writing:
                    writing.result()
                writing = pool.submit(_add, writer, chunk, rows, len(recovery.clips) - len(chunk))
                bar.update(len(chunk))
        if writing:
            writing.result()
    if recovery.clips:
        writer.set_column("group", [f"group{number:03d}" for number in recovery.groups()])
        writer.set_column("confidence", [round(value, 4) for value in recovery.confidence])


def _row(recovery: Recovery, frames: np.ndarray, label: int) -> dict:
    recovery.add(frames, label)
    clip, first_frame = f"clip{recovery.clips[-1]:04d}", WINDOW * recovery.position
    return {"label": label, "group": "", "clip": clip, "first_frame": first_frame}


def _add(writer: StoreWriter, chunk: np.ndarray, rows: list[dict], first: int) -> None:
    """Write what an interrupted try has not written; `first` sequences stand before the chunk."""
    for number, (frames, row) in enumerate(zip(chunk, rows, strict=True), start=first):
        if number >= len(writer.done):
            writer.add(frames[None], **row)


def _fragment(value: object) -> bytes:
    """Return how a pickle says `value`, to be put inside another, by names that old numpys know."""
    return pickle.dumps(value, 2)[2:-1].replace(b"numpy._core", b"numpy.core")


def _write_frames(file: BinaryIO, store: ClipStore, rows: np.ndarray) -> None:
    """Write a small array, then the state that makes it `frames[rows]`, with never more than a chunk in memory.

    Its bytes are latin1 text, as in pickle's own protocol 2: what Python 2 and a plain `pickle.load` both read.
    """

    def text(start: int) -> bytes:
        return store.take(rows[start : start + CHUNK]).tobytes().decode("latin1").encode()

    starts = range(0, len(rows), CHUNK)
    length = sum(len(text(start)) for start in tqdm(starts, desc="measuring", unit="chunk", disable=None))
    file.write(_fragment(np.zeros(1, np.uint8)) + pickle.MARK)
    file.write(b"".join(map(_fragment, (1, (len(rows), *SHAPE), np.dtype(np.uint8), False))))
    file.write(pickle.GLOBAL + b"_codecs\nencode\n" + pickle.BINUNICODE + struct.pack("<I", length))
    file.writelines(map(text, tqdm(starts, desc="writing", unit="chunk", disable=None)))
    file.write(_fragment("latin1") + pickle.TUPLE2 + pickle.REDUCE + pickle.TUPLE + pickle.BUILD)


def export(store: ClipStore, folder: Path | str) -> list[Path]:
    """Write `store` as the course's two files, sorted by class and cut in the middle; return their paths.

    Raises:
        UserError: a file exists, or the store's classes or sequences are not the course's.
    """
    files = [Path(folder, name) for name in PARTS]
    if there := [file for file in files if file.exists()]:
        raise UserError(f"{there[0]}: exists already; choose another folder or delete it first")
    classes, shape = store.info["classes"], store.frames.shape[1:]
    if shape != SHAPE or not MOTIONS.keys() >= set(classes):
        raise UserError(f"{store.path}: {shape} of {', '.join(classes)}; course files hold {SHAPE} of UCF-11's classes")
    labels = np.array([list(MOTIONS).index(name) for name in classes], "<i8")[store.labels]
    with whole_file(files[0]) as one, whole_file(files[1]) as two:
        for file, rows in zip((one, two), np.array_split(np.argsort(labels, kind="stable"), 2), strict=True):
            with file.open("wb") as opened:
                opened.write(pickle.PROTO + b"\x02")
                _write_frames(opened, store, rows)
                opened.write(_fragment(labels[rows]) + pickle.TUPLE2 + pickle.STOP)
    return files
