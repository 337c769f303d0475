"""The course's form of UCF-11, two pickles of `(data, labels)`: into a clip store, and out of one.

`data` is uint8 (n, 30, 64, 64, 3), `labels` is 0..10. The files name no clips and no groups, but sequences of
one clip are neighbours in them, and so are clips of one group: `recover` estimates both.
"""

import pickle
import struct
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tqdm import tqdm

from ucf11lib.data.motions import MOTIONS
from ucf11lib.data.recover import Recovery
from ucf11lib.data.store import SIZE, WINDOW, ClipStore, create
from ucf11lib.errors import UserError
from ucf11lib.paths import whole_file

PARTS = ("youtube_action_train_data_part1.pkl", "youtube_action_train_data_part2.pkl")
SHAPE = (WINDOW, SIZE, SIZE, 3)
CHUNK = 64  # sequences in memory at a time while writing
# Numbers only, and numpy's own objects, not copies as the pickle asks: those it could tamper with.
DTYPES = {code: np.dtype(code) for code in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")}


def _bytes(text: bytes | str, *_: str) -> bytes:
    return text.encode("latin1") if isinstance(text, str) else text


# A pickle calls what it names. Nothing that these files name is looked up: this stands in for it.
STAND_INS = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): lambda code, *flags: DTYPES[code],
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: np.empty(0, np.uint8),
    ("numpy.core.multiarray", "scalar"): lambda dtype, data: np.frombuffer(_bytes(data), dtype)[0],
    ("numpy.core.numeric", "_frombuffer"): lambda data, dtype, *form: np.reshape(np.frombuffer(data, dtype), *form),
    ("_codecs", "encode"): _bytes,
    ("__builtin__", "bytes"): lambda: b"",
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        key = module.replace("numpy._core", "numpy.core"), name
        if key not in STAND_INS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no array needs")
        return STAND_INS[key]


def _load(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return `data` and `labels` of one part, checked."""
    try:
        with file.open("rb") as opened:
            data, labels = map(np.asarray, _ArraysOnly(opened, encoding="latin1").load())
    except Exception as error:  # whatever a damaged pickle comes to
        raise UserError(f"{file}: not read ({error!r}); it must be a pickled (data, labels)") from None
    if data.dtype != np.uint8 or data.shape[1:] != SHAPE:
        raise UserError(f"{file}: data is {data.dtype} {data.shape}, expected uint8 (n, {str(SHAPE)[1:]}")
    if labels.shape != (len(data),) or labels.dtype.kind not in "iuf":
        raise UserError(f"{file}: labels are {labels.dtype} {labels.shape}, expected {len(data)} whole numbers")
    if wrong := sorted(set(labels.tolist()) - set(range(len(MOTIONS)))):
        raise UserError(f"{file}: labels {wrong[0]}..{wrong[-1]}, expected 0..{len(MOTIONS) - 1}")
    return data, labels


def prepare(path: Path | str, folder: Path | str) -> ClipStore:
    """Read the two parts in `folder` into a new store at `path` and open it; clips and groups are estimated.

    The index has one more column, `confidence` of each clip boundary, 0.5..1.

    Raises:
        UserError: a part is missing, is not what it should be, or names anything but arrays; `path` exists.
    """
    files = [Path(folder, name) for name in PARTS]
    if missing := [file for file in files if not file.is_file()]:
        raise UserError(f"{missing[0]}: no such file; give --data the folder of {' and '.join(PARTS)}")
    origin = {"folder": str(Path(folder).absolute()), "groups": "estimated", "clips": "estimated"}
    recovery = Recovery()
    with create(path, source="course", classes=list(MOTIONS), origin=origin) as writer:
        for part, file in enumerate(files, start=1):
            data, labels = _load(file)
            for i in tqdm(range(len(data)), desc=f"reading part {part}", unit="sequence", disable=None):
                recovery.add(data[i], int(labels[i]))
                clip = f"clip{recovery.clips[-1]:04d}"
                first_frame = WINDOW * recovery.position
                writer.add(data[i : i + 1], label=int(labels[i]), group="", clip=clip, first_frame=first_frame)
        if recovery.clips:
            writer.set_column("group", [f"group{number:03d}" for number in recovery.groups()])
            writer.set_column("confidence", [round(value, 4) for value in recovery.confidence])
    store = ClipStore.open(path)
    print(f"warning: the course's files name no clips or groups; {len(set(store.clips))} clips and "
          f"{len(set(store.groups))} groups were estimated from the frames", file=sys.stderr)  # fmt: skip
    return store


def _fragment(value: object) -> bytes:
    """Return how a pickle says `value`, to be put inside another, by names that old numpys know."""
    return pickle.dumps(value, 2)[2:-1].replace(b"numpy._core", b"numpy.core")


def _write_array(file: BinaryIO, array: np.ndarray, rows: np.ndarray) -> None:
    """Write a small array, then the state that makes it `array[rows]`, with never more than a chunk in memory.

    Its bytes are latin1 text, as in pickle's own protocol 2: what Python 2 and a plain `pickle.load` both read.
    """

    def text(start: int) -> bytes:
        return array[rows[start : start + CHUNK]].tobytes().decode("latin1").encode()

    starts = range(0, len(rows), CHUNK)
    length = sum(len(text(start)) for start in starts)
    file.write(_fragment(np.zeros(1, array.dtype)) + pickle.MARK)
    file.write(b"".join(map(_fragment, (1, (len(rows), *array.shape[1:]), array.dtype, False))))
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
                _write_array(opened, store.frames, rows)
                opened.write(_fragment(labels[rows]) + pickle.TUPLE2 + pickle.STOP)
    return files
