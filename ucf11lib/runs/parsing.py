"""The one way in which data from outside this process becomes typed values.

Files may be of another version, written by hand, or by a stranger. msgspec reads them into
dataclasses; what does not fit is a `UserError` of one line: the file, the field and the remedy.
"""

import reprlib
import typing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ucf11lib.errors import UserError

T = TypeVar("T")
MAX_BYTES = 64 << 20  # no JSON file of ours is larger


def read_json(path: Path, kind: type[T], remedy: str) -> T:
    """Return the contents of a JSON file as `kind`: a dataclass, TypedDict or plain type.

    Keys that it does not name are ignored. Raises `UserError` for no ordinary file, no JSON, or a
    field of another type; it ends in `remedy`.
    """
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: no such file; {remedy}")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError, RecursionError) as error:
        raise UserError(f"{path}: unreadable ({_message(error)}); {remedy}") from None


def convert(value: object, kind: type[T], where: str, remedy: str) -> T:
    """Return `value`, already decoded, as `kind`; raises a `UserError` as `read_json` does."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise UserError(f"{where}: {_message(error)}; {remedy}") from None


def read_text(name: str, value: object, kind: Any) -> object:
    """Return one flat parameter, which may be text such as "1e-3" or "none", as its field's `kind`.

    Raises `UserError` on a value that the field cannot have; the line says what it can.
    """
    optional = type(None) in typing.get_args(kind)
    if optional and isinstance(value, str) and value.lower() == "none":
        return None
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        remedy = _message(error)
        if typing.get_origin(kind) is typing.Literal:
            remedy = f"choose one of {', '.join(typing.get_args(kind))}"
        raise UserError(f"{name}={reprlib.repr(value)}: {remedy}") from None


def check_name(value: str, known: typing.Iterable[str], what: str) -> None:
    """Raise a `UserError` that lists the choices unless `value` is one of them."""
    known = list(known)
    if value not in known:
        raise UserError(f"unknown {what} {value!r}; choose one of {', '.join(known)}")


def _message(error: Exception) -> str:
    """Return msgspec's message in one line and without code marks."""
    return " ".join(str(error).replace("`", "").replace("$.", "").replace("$", "the top").split())
