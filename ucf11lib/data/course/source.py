"""The course's form of UCF-11, two pickles of `(data, labels)`: into a clip store, and out of one.

`data` is uint8 (n, 30, 64, 64, 3), `labels` is 0..10. The files name no clips and no groups;
`recover` estimates both.
"""

import contextlib
import os
import pickle
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from tqdm import tqdm

from ucf11lib.data.course.pickles import Refused, read_pair
from ucf11lib.data.course.recover import Recovery
from ucf11lib.data.store import ClipStore
from ucf11lib.data.synthetic.motions import MOTIONS
from ucf11lib.data.synthetic.render import COURSE_SEQUENCES
from ucf11lib.data.writer import StoreWriter, create
from ucf11lib.errors import UserError
from ucf11lib.paths import atomic_file, sha256

PARTS = ("youtube_action_train_data_part1.pkl", "youtube_action_train_data_part2.pkl")
SHAPE = (30, 64, 64, 3)
CLASSES = list(MOTIONS)
MAX_NAMED = 9  # other files of the folder


def prepare(path: Path | str, folder: Path | str) -> ClipStore:
    """Read the two parts in `folder` into a new store at `path`; clips and groups are estimated.

    A part may be compressed (`.pkl.gz`); one is in memory at a time. Raises `UserError` if `path`
    exists, or if a part is missing, is not what it should be, or asks for anything but arrays.
    """
    parts = files(Path(folder))
    origin = {"folder": str(Path(folder).absolute()), "groups": "estimated", "clips": "estimated"}
    recovery = Recovery()
    with create(path, source="course", classes=CLASSES, origin=origin) as writer:
        others = [one for one in Path(folder).iterdir() if one.is_file() and one not in parts]
        names = sorted(os.fsencode(one.name) for one in others)
        unused = [name.decode(errors="backslashreplace") for name in names]
        unused[MAX_NAMED:] = [f"{len(unused) - MAX_NAMED} more"] if unused[MAX_NAMED:] else []
        writer.info.notes.extend({"file": one, "reason": "not one of the parts"} for one in unused)
        labels = np.zeros(0, int)
        for file in parts:
            labels = np.append(labels, _copy(file, labels.max(initial=0), recovery, writer))
        _check_class_order(parts[0], np.bincount(labels, minlength=len(CLASSES)).tolist())
        if len(labels):
            writer.columns["group"] = [f"group{number:03d}" for number in recovery.groups()]
    store = ClipStore.open(path)
    counts = f"{len(set(store.clips))} clips and {len(set(store.groups))} groups"
    warning = f"the course's files name no clips or groups; {counts} were estimated from the frames"
    print(f"warning: {warning}", file=sys.stderr)
    return store


def files(folder: Path) -> list[Path]:
    """Return the two parts in `folder`; raises a `UserError` if one is missing."""
    return [_part_file(folder, name) for name in PARTS]


def _part_file(folder: Path, name: str) -> Path:
    for file in (folder / name, folder / f"{name}.gz"):
        if file.is_file():
            return file
    parts = " and ".join(PARTS)
    what = "not an ordinary file" if os.path.lexists(folder / name) else "no such file"
    raise UserError(f"{folder / name}: {what}; give --data the folder of {parts}")


def _copy(file: Path, last_label: int, recovery: Recovery, writer: StoreWriter) -> np.ndarray:
    """Write a part's sequences with their estimated clips; return their labels."""
    try:
        data, labels = read_pair(file)
    except Refused as error:
        remedy = "it must be a pickled (data, labels)"
        raise UserError(f"{file}: not read ({error}); {remedy}") from None
    if data.shape[1:] != SHAPE:
        shape = str(SHAPE)[1:]
        raise UserError(f"{file}: data is {data.dtype} {data.shape}, expected uint8 (n, {shape}")
    scale = _scale(file, data)
    labels = _labels(file, labels, len(data))
    falls = np.flatnonzero(np.diff(labels, prepend=last_label) < 0)
    if len(falls):
        problem = f"label {labels[falls[0]]} at sequence {falls[0]} comes after a higher one"
        order = "the course's files are sorted by class, and clips cannot be told apart in others"
        raise UserError(f"{file}: {problem}; {order}")
    bar = tqdm(data, desc=file.name, unit="sequence", disable=None)
    for values, label in zip(bar, labels.tolist(), strict=True):
        if data.dtype.kind == "f":
            values = np.rint(values.astype(np.float32) * scale)
        frames = values.astype(np.uint8, copy=False)
        recovery.add(frames, label)
        clip = f"clip{recovery.clips[-1]:04d}"
        start = len(frames) * recovery.position
        writer.add(frames[None], label=label, group="", clip=clip, first_frames=[start])
    return labels


def _scale(file: Path, data: np.ndarray) -> int:
    """Return what makes the data grey levels: floats of 0..1 are shares of 255."""
    low, high = (float(data.min()), float(data.max())) if len(data) else (0.0, 255.0)
    shares = data.dtype.kind == "f" and high <= 1
    if not 0 <= low <= high <= 255 or (high <= 1 and not shares):
        expected = "grey levels 0..255, or 0..1 as floats"
        raise UserError(f"{file}: data is {data.dtype} {low:g}..{high:g}, expected {expected}")
    return 255 if shares else 1


def _labels(file: Path, labels: Any, n: int) -> np.ndarray:
    """Return labels given as a list, an array, a column or one-hot rows: int64 (n,), 0..10."""
    if isinstance(labels, list | tuple) and all(_is_row(one) for one in labels):
        with contextlib.suppress(ValueError):  # rows of several lengths
            labels = np.array(labels)
    shape = labels.shape if isinstance(labels, np.ndarray) else None
    if shape == (n, len(CLASSES)) and np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all():
        labels = labels.argmax(axis=1)
    elif shape not in ((n,), (n, 1)):
        what = f"an array of {shape}" if shape else type(labels).__name__
        raise UserError(f"{file}: labels are {what}, expected {n} integers or one-hot rows")
    values = labels.reshape(n).tolist()
    allowed = range(len(CLASSES))
    if wrong := [one for one in values if isinstance(one, bool) or one not in allowed]:
        label = wrong[0] if isinstance(wrong[0], float) else max(-(10**9), min(wrong[0], 10**9))
        raise UserError(f"{file}: label {label}, expected 0..{len(CLASSES) - 1}")
    return np.array(values, np.int64)


def _is_row(one: object) -> bool:
    """Return whether it is a number, or a list of numbers."""
    numbers = one if isinstance(one, list | tuple) else [one]
    return all(isinstance(number, int | float) for number in numbers)


def _check_class_order(file: Path, sizes: list[int]) -> None:
    """Raise a `UserError` if the classes have UCF-11's sizes in another order."""
    if sorted(sizes) != sorted(COURSE_SEQUENCES) or sizes == list(COURSE_SEQUENCES):
        return
    label = next(i for i, size in enumerate(sizes) if size != COURSE_SEQUENCES[i])
    name = CLASSES[COURSE_SEQUENCES.index(sizes[label])]
    problem = f"label {label} has {sizes[label]} sequences, which is UCF-11's {name}"
    remedy = "the classes are in another order; number them as its folders are sorted"
    raise UserError(f"{file}: {problem}: {remedy}")


class _OldNames:
    """A file for `pickle.dump` in which numpy's modules have names that numpy 1 knows, too."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def write(self, data: bytes) -> None:
        """Write names, which pickle writes apart from long data, or data."""
        names = len(data) < 4096
        self.file.write(bytes(data).replace(b"numpy._core", b"numpy.core") if names else data)


def export(store: ClipStore, folder: Path | str) -> list[Path]:
    """Write `store` as the course's two files, sorted by class and cut in the middle.

    Pickle copies a file's frames: memory is about five times half of the store. The pickles have
    protocol 2 and old names, which Python 2 and numpy 1 read. Raises `UserError` if a file exists,
    or the store's classes or sequences are not the course's.
    """
    files = [Path(folder, name) for name in PARTS]
    exists = "{}: exists already; give another folder or delete it first"
    if os.path.lexists(files[0]):
        raise UserError(exists.format(files[0]))
    classes = store.info.classes
    shape = store.frames.shape[1:]
    if shape != SHAPE or not set(CLASSES) >= set(classes):
        what = f"{shape} of {', '.join(classes)}"
        raise UserError(f"{store.path}: {what}; course files hold {SHAPE} of UCF-11's classes")
    store.verify()
    labels = np.array([CLASSES.index(name) for name in classes], "<i8")[store.labels]
    halves = np.array_split(np.argsort(labels, kind="stable"), 2)
    with atomic_file(files[0]) as first, atomic_file(files[1]) as second:
        bar = tqdm(halves, desc="writing", disable=None)
        for file, rows in zip((first, second), bar, strict=True):
            with file.open("wb") as opened:
                pickle.dump((store.take(rows), labels[rows]), _OldNames(opened), protocol=2)
        # The second part gets its name first: alone, it may be of a process that was killed then.
        other = os.path.lexists(files[1])
        if other and not (files[1].is_file() and sha256(files[1]) == sha256(second)):
            raise UserError(exists.format(files[1]))
    return files
