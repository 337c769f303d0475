"""Pickled arrays read as data: nothing that a pickle names is looked up or run, and no payload enters memory whole.

A pickle is a program for a small machine (PEP 307, PEP 3154, PEP 574; `pickletools` lists its instructions). Here the
machine has only the instructions that arrays, lists, tuples and numbers need, stand-ins for the functions that arrays
name, and in the place of each long run of bytes a note of where in the file it stands.
"""

import codecs
import contextlib
import gzip
import os
import pickle
import pickletools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

LONG = 1 << 16  # bytes; a longer payload stays in the file
BLOCK = 1 << 22  # bytes read at a time
GZIP = b"\x1f\x8b"
DTYPES = {code: np.dtype(code) for code in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")}
INSTRUCTIONS = (
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT",
    "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "GLOBAL",
    "STACK_GLOBAL", "INST", "REDUCE", "BUILD", "PERSID", "BINPERSID", "GET", "BINGET", "LONG_BINGET", "PUT",
    "BINPUT", "LONG_BINPUT", "MEMOIZE",
)  # fmt: skip


class Refused(Exception):  # noqa: N818 - it names what happened to the pickle
    """The pickle is damaged, or asks for something that no array needs; the message says what."""


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Make one kind of error of all that a damaged file comes to, but not of those of the disk."""
    try:
        yield
    except (Refused, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise
        raise Refused(repr(error)) from None


@dataclass(frozen=True)
class Payload:
    """Bytes left in the file: `length` of them at `start`; `text` if they are UTF-8 for what latin1 spells."""

    file: BinaryIO
    start: int
    length: int
    text: bool

    def blocks(self, size: int) -> Iterator[bytes]:
        """Yield the bytes, from `size` of the file at a time."""
        self.file.seek(self.start)
        decoder, left = codecs.getincrementaldecoder("utf-8")(), self.length
        while left:
            block = self.file.read(min(size, left))
            if not block:
                raise Refused("the file ends too soon")
            left -= len(block)
            yield decoder.decode(block).encode("latin1") if self.text else block


class Array:
    """A pickled array: its form, and its bytes or where they stand.

    Attributes:
        shape: as numpy's.
        dtype: one of `DTYPES`, in the byte order that the pickle says.
    """

    def __init__(
        self, data: bytes | Payload = b"", dtype: "_Dtype | None" = None, shape=(0,), order: str = "C"
    ) -> None:
        self._data, self.dtype, self._fortran = data, dtype.made if dtype else DTYPES["u1"], order == "F"
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        sizes = [*self.shape, self.dtype.itemsize]
        self._bytes = int(np.prod(sizes, dtype=object))
        text, length = (data.text, data.length) if isinstance(data, Payload) else (False, len(data))
        fits = self._bytes <= length <= 2 * self._bytes if text else length == self._bytes
        if not fits or any(type(size) is not int or size < 0 for size in sizes):
            raise Refused(f"an array of {self.shape} and {self.dtype} in {length} bytes")

    def __setstate__(self, state: tuple) -> None:
        """Take what numpy's own `__setstate__` takes: (version,) shape, dtype, fortran, bytes."""
        *_, shape, dtype, fortran, data = state
        self.__init__(_bytes(data), dtype, shape, "F" if fortran else "C")

    def __len__(self) -> int:
        return self.shape[0]

    def chunks(self, rows: int) -> Iterator[np.ndarray]:
        """Yield the array, `rows` at a time; one in Fortran's order is read whole for that, since its rows are not.

        Raises:
            Refused: the file does not hold what it promised.
        """
        if self._fortran and len(self.shape) > 1:
            whole = self.load()
            yield from (whole[start : start + rows] for start in range(0, len(self), rows))
            return
        size, kept = max(1, self._bytes // max(1, len(self)) * rows), b""
        for block in self._blocks(size):
            kept = kept + block if kept else block
            while len(kept) >= size:
                yield self._rows(kept[:size])
                kept = kept[size:]
        if kept:
            yield self._rows(kept)

    def load(self) -> np.ndarray:
        """Return the whole array; raises as `chunks` does."""
        flat = np.frombuffer(b"".join(self._blocks(BLOCK)), self.dtype)
        return flat.reshape(self.shape, order="F" if self._fortran else "C")

    def _rows(self, data: bytes) -> np.ndarray:
        return np.frombuffer(data, self.dtype).reshape(-1, *self.shape[1:])

    def _blocks(self, size: int) -> Iterator[bytes]:
        found = 0
        with _refusing():
            for block in self._data.blocks(size) if isinstance(self._data, Payload) else [self._data]:
                found += len(block)
                yield block
        if found != self._bytes:
            raise Refused(f"an array of {self.shape} and {self.dtype} in {found} bytes")


class _Dtype:
    """Stands in for numpy's own, which a pickle could alter for everybody."""

    def __init__(self, code: str, *_: object) -> None:
        self.made = DTYPES[code]

    def __setstate__(self, state: tuple) -> None:
        self.made = self.made.newbyteorder({"<": "<", ">": ">", "|": "|"}[state[1]])


def _bytes(value: bytes | str | Payload, *_: object) -> bytes | Payload:
    return value.encode("latin1") if isinstance(value, str) else value


# A pickle calls what it names; this is called instead.
STAND_INS = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: Array(),
    ("numpy.core.multiarray", "scalar"): lambda dtype, data: np.frombuffer(_bytes(data), dtype.made)[0],
    ("numpy.core.numeric", "_frombuffer"): Array,
    ("_codecs", "encode"): _bytes,
    ("__builtin__", "bytes"): lambda: b"",
}


class _Reader(pickle._Unpickler):  # Python's own machine in Python, as joblib uses it; the one in C cannot be changed
    def __init__(self, file: BinaryIO, size: int | None) -> None:
        super().__init__(file, encoding="latin1")
        self.file, self.size = file, size

    def find_class(self, module: str, name: str) -> object:
        key = module.replace("numpy._core", "numpy.core"), name
        if key not in STAND_INS:
            raise Refused(f"it names {module}.{name}, which no array needs")
        return STAND_INS[key]

    def persistent_load(self, pid: object) -> None:
        raise Refused(f"it asks for {pid!r}, which is not in the file")

    def load_frame(self) -> None:
        self.read(8)  # a frame is a hint to read ahead, and may be as long as the file

    def load_build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if not isinstance(made, (Array, _Dtype)):
            raise Refused(f"it sets the state of {type(made).__name__}")
        made.__setstate__(state)

    def run(self, kind: str, text: bool) -> None:
        """Push the bytes or text whose length comes next in the file, or a note of where they stand."""
        (length,) = struct.unpack(kind, self.read(struct.calcsize(kind)))
        start = self.file.tell()
        if length < 0 or (self.size is not None and start + length > self.size):
            raise Refused(f"a run of {length} bytes at byte {start}, where no so many are left")
        if length <= LONG:
            self.append(str(self.read(length), "utf-8") if text else self.read(length))
            return
        self.append(Payload(self.file, start, length, text))
        self.file.seek(start + length)
        if self.file.tell() != start + length:  # how a compressed file says that it ends
            raise Refused("the file ends too soon")


def _machine() -> dict:
    """Return the instructions that arrays need, each with what does it."""
    own = {
        "FRAME": _Reader.load_frame,
        "BUILD": _Reader.load_build,
        "BINSTRING": lambda self: self.run("<i", False),
        "BINBYTES": lambda self: self.run("<I", False),
        "BINBYTES8": lambda self: self.run("<Q", False),
        "BYTEARRAY8": lambda self: self.run("<Q", False),
        "BINUNICODE": lambda self: self.run("<I", True),
        "BINUNICODE8": lambda self: self.run("<Q", True),
    }
    names = {ord(code.code): code.name for code in pickletools.opcodes}
    machine = {key: _refusal(names.get(key, f"{key:#04x}")) for key in range(256)}
    for key, name in names.items():
        if name in INSTRUCTIONS:
            machine[key] = own.get(name, pickle._Unpickler.dispatch[key])
    return machine


def _refusal(name: str):
    def refuse(_: _Reader) -> None:
        raise Refused(f"it uses the instruction {name}, which no array needs")

    return refuse


_Reader.dispatch = _machine()


def opened(path: Path) -> BinaryIO:
    """Open a pickle, compressed or not, whatever its name says."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    return gzip.open(path, "rb") if packed else path.open("rb")


def read(file: BinaryIO) -> object:
    """Return what an opened pickle holds: numbers, text, tuples, lists, and an `Array` for each array.

    Raises:
        Refused: it is damaged, or asks for anything else.
    """
    size = None if isinstance(file, gzip.GzipFile) else os.fstat(file.fileno()).st_size
    with _refusing():
        return _Reader(file, size).load()
