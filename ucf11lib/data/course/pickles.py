"""Pickled arrays read as data: nothing that a pickle names is looked up or run.

A pickle is a program for a small machine (PEP 307). Python's own machine runs it, but every name
that it asks for is refused, except those of numpy arrays, which get the stand-ins below.
"""

import contextlib
import gzip
import pickle
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil

CODES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
BYTES_PER_FILE_BYTE = 4  # of memory, beside a quarter of a GiB; ten times that for a gzip


class Refused(Exception):  # noqa: N818 - it names what happened to the pickle
    """The pickle is damaged, or asks for something that no numeric array needs."""


class _Dtype:
    """Stands in for numpy's own, which a pickle could change for everybody."""

    def __init__(self, code: bytes | str, *_: object) -> None:
        if _bytes(code).decode() not in CODES:
            raise Refused("it holds an array that is not numeric")
        self.dtype = np.dtype(_bytes(code).decode())

    def __setstate__(self, state: tuple) -> None:
        if (order := _bytes(state[1])) in (b"<", b">"):
            self.dtype = self.dtype.newbyteorder("<" if order == b"<" else ">")


class _Array:
    """Stands in for numpy's own until its parts arrive."""

    array = None

    def __setstate__(self, state: tuple) -> None:
        *_, shape, dtype, fortran, data = state
        flat = np.frombuffer(_bytes(data), dtype.dtype)
        self.array = flat.reshape(shape, order="F" if fortran else "C")


def _from_buffer(data: bytes, dtype: _Dtype, shape: tuple, order: str) -> _Array:
    array = _Array()
    array.__setstate__((shape, dtype, order == "F", data))
    return array


def _scalar(dtype: _Dtype, data: bytes | str) -> int | float:
    return np.frombuffer(_bytes(data), dtype.dtype)[0].item()


def _bytes(text: bytes | str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise Refused("it uses an encoding that no array needs")
    return text.encode("latin1") if isinstance(text, str) else text


STAND_INS: dict[tuple[str, str], Callable] = {
    ("numpy", "ndarray"): tuple,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _bytes,
    ("__builtin__", "bytes"): lambda: b"",
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        stand_in = STAND_INS.get((module.replace("numpy._core", "numpy.core"), name))
        if stand_in is None:
            raise Refused(f"it names {module}.{name}"[:100] + ", which no array needs")
        return lambda *arguments: stand_in(*arguments)  # a pickle may change this one object


@contextlib.contextmanager
def _limited_memory(size: int) -> Iterator[None]:
    """Let this process have only `size` bytes more: small pickles exist that would need all."""
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = psutil.Process().memory_info().vms + size
    if before != resource.RLIM_INFINITY:
        limit = min(limit, before)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))


def read_pair(path: Path) -> tuple[np.ndarray, object]:
    """Return the array and the labels (array, list or tuple) of a pickled pair, `.gz` or not.

    Raises `Refused` if the file is damaged or is no such pair, `OSError` if it cannot be opened.
    """
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        size = path.stat().st_size * BYTES_PER_FILE_BYTE * (10 if packed else 1)
        try:
            with _limited_memory((1 << 28) + size), gzip.open(raw) if packed else raw as file:
                content = _Unpickler(file, encoding="bytes").load()
                if file.read(1):  # a gzip's checksum is compared at its end
                    raise Refused("more follows the first pickle in it")
        except Refused:
            raise
        except MemoryError:
            most = ((1 << 28) + size) >> 20
            problem = f"it takes more than {most} MiB of memory, which no such file needs"
            raise Refused(f"{problem}{', or unpack it' if packed else ''}") from None
        except Exception as error:  # a damaged pickle fails in any way; the error may hold its data
            raise Refused(f"it is damaged: {type(error).__name__}") from None
    if not isinstance(content, list | tuple) or len(content) != 2:
        raise Refused("it is no pair")
    data, labels = (one.array if isinstance(one, _Array) else one for one in content)
    if not isinstance(data, np.ndarray):
        raise Refused("its data is no array")
    return data, labels
