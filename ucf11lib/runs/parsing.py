"""The one way in which data from outside this process becomes typed values.

Files may be of another version, written by hand, or by a stranger. msgspec reads them into
dataclasses; what does not fit is a `UserError` of one line: the file, the field and the remedy.
"""

import contextlib
import errno
import re
import reprlib
import typing
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import pandas as pd

from ucf11lib.errors import FAILED, RunFailed, UserError

T = TypeVar("T")
MAX_BYTES = 64 << 20  # no JSON file of ours is larger
MAX_TABLE_BYTES = 256 << 20  # a table in memory is some ten times its file
# msgspec's words about a parameter, and ours.
WORDS = {"Expected": "give", "int": "a whole number", "float": "a number"}
WORDS |= {"bool": "true or false", " | null": " or none"}
MAX_HEADER = 10_000  # characters of a table's first line


def read_json(path: Path, kind: type[T], remedy: str) -> T:
    """Return the contents of a JSON file as `kind`: a dataclass, TypedDict or plain type.

    Keys that it does not name are ignored. Raises `UserError` for no ordinary file, no JSON, or a
    field of another type; it ends in `remedy`.
    """
    try:
        if not path.is_file():
            what = "not an ordinary file" if path.exists() else "no such file"
            raise UserError(f"{path}: {what}; {remedy}")
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES >> 20} MiB; {remedy}")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError, RecursionError) as error:
        _check_refusal(error, path)
        raise UserError(f"{path}: unreadable ({_message(error)}); {_help(error, remedy)}") from None


@contextlib.contextmanager
def damage_in_one_line(path: Path, remedy: str, most: int | None = None) -> Iterator[Path]:
    """Yield a file to read; what a damaged one raises becomes a `UserError`.

    So does a file of more than `most` bytes, and what is no ordinary file: a pipe never ends. What
    the system refuses, as for lack of memory, is no damage: its `OSError` names the file.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("not an ordinary file")
        if most and path.stat().st_size > most:
            raise ValueError(f"larger than {most} bytes")
        yield path
    except (UserError, RunFailed):
        raise
    except Exception as error:  # it may hold anything, and fails in any way
        _check_refusal(error, path)
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: damaged ({reason}); {_help(error, remedy)}") from None


def _check_refusal(error: Exception, path: Path) -> None:
    """Raise an error of the system that says nothing about the file: EIO alone is damage."""
    if isinstance(error, OSError) and error.errno in FAILED and error.errno != errno.EIO:
        raise OSError(error.errno, error.strerror, str(path)) from None


def read_table(
    path: Path, columns: Sequence[str], remedy: str, texts: Sequence[str] = ()
) -> pd.DataFrame:
    """Return a CSV file as a table, of which the columns `texts` are not converted.

    Raises a `UserError` if it has no such `columns`, or is damaged.
    """
    with damage_in_one_line(path, remedy, MAX_TABLE_BYTES):
        with path.open(newline="\n") as file:
            header = file.readline(MAX_HEADER).rstrip("\n").split(",")
        if header[-1].endswith("\r"):
            raise ValueError("its lines end in CR LF, as some editors write them")
        if missing := [name for name in columns if name not in header]:
            raise ValueError(f"no column {missing[0]!r}")
        options: dict[str, Any] = {"keep_default_na": False, "na_values": {}} if texts else {}
        options["lineterminator"] = "\n"  # a name may hold the other one
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of rows that are too long
            return pd.read_csv(path, dtype=dict.fromkeys(texts, str), index_col=False, **options)


def read_arrays(path: Path, remedy: str) -> dict[str, np.ndarray]:
    """Return the arrays that `np.savez` wrote; raises a `UserError` if the file is damaged."""
    with damage_in_one_line(path, remedy), path.open("rb") as file:
        check_stored(path)
        with np.load(file, allow_pickle=False) as saved:
            return dict(saved)


def check_stored(path: Path) -> None:
    """Raise an error unless what a zip file holds is as large as the file: a bomb unpacks."""
    with zipfile.ZipFile(path) as archive:
        if sum(one.file_size for one in archive.infolist()) > path.stat().st_size:
            raise ValueError("larger than its file")


def check_header(path: Path) -> None:
    """Raise a `ValueError` unless an .npy file has a header of at most 64 KiB, as ours have."""
    with path.open("rb") as file:
        if file.read(8) != b"\x93NUMPY\x01\x00":
            raise ValueError("not written by numpy's format 1.0")


def convert(value: object, kind: type[T], where: str, remedy: str) -> T:
    """Return `value`, already decoded, as `kind`; raises a `UserError` as `read_json` does."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise UserError(f"{where}: {_message(error)}; {remedy}") from None


def check_utf8(text: str, remedy: str) -> None:
    """Raise a `UserError` for text that is not UTF-8: a JSON file of it could not be read."""
    if text.encode(errors="replace").decode() != text:
        raise UserError(f"{text!a}: not in UTF-8; {remedy}")


def read_text(name: str, value: object, kind: Any) -> object:
    """Return one flat parameter, which may be text such as "1e-3" or "none", as its field's `kind`.

    Raises `UserError` on a value that the field cannot have; the line says what it can.
    """
    check_utf8(f"{name}={value}", "write it in UTF-8")
    optional = type(None) in typing.get_args(kind)
    if optional and isinstance(value, str) and value.lower() == "none":
        return None
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        words = re.compile(r"\b(Expected|int|float|bool)\b|, got \w+| \| null")
        remedy = words.sub(lambda word: WORDS.get(word[0], ""), _message(error))
        if typing.get_origin(kind) is typing.Literal:
            remedy = f"choose one of {', '.join(typing.get_args(kind))}"
        raise UserError(f"{name}={reprlib.repr(value)}: {remedy}") from None


def check_name(value: str, known: typing.Iterable[str], what: str) -> None:
    """Raise a `UserError` that lists the choices unless `value` is one of them."""
    known = list(known)
    if value not in known:
        raise UserError(f"unknown {what} {value!r}; choose one of {', '.join(known)}")


def _help(error: Exception, remedy: str) -> str:
    return "allow it with chmod" if isinstance(error, PermissionError) else remedy


def _message(error: Exception) -> str:
    """Return msgspec's message in one line and without code marks."""
    return " ".join(str(error).replace("`", "").replace("$.", "").replace("$", "the top").split())
