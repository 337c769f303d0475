"""The only place that knows a folder, and how files appear: complete or not at all.

Folders made on demand are in the checkout; `$UCF11_DATA` and `$UCF11_RUNS` put them elsewhere.
"""

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import filelock
import psutil

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
FIGURES = ROOT / "figures"
REPORT = ROOT / "report"
RESULTS = REPORT / "results"
PARTIAL = ".partial-"  # how names of what is not complete begin


class Locked(Exception):  # noqa: N818 - it names the state of the file
    """Another process holds a lock file."""


def data_dir() -> Path:
    """Return the folder of stores and downloads; a relative `$UCF11_DATA` is in the checkout."""
    return resolved(ROOT / (os.environ.get("UCF11_DATA") or "data"))


def runs_dir() -> Path:
    """Return the folder of run folders; a relative `$UCF11_RUNS` is in the checkout."""
    return resolved(ROOT / (os.environ.get("UCF11_RUNS") or "runs"))


def display(path: Path | str) -> str:
    """Return `path` relative to the current folder if it is inside, else as it is."""
    inside = resolved(path).is_relative_to(Path.cwd())
    return str(resolved(path).relative_to(Path.cwd()) if inside else path)


def resolved(path: Path | str) -> Path:
    """Return the absolute path without links, and what cannot be followed as it is.

    `Path.resolve` raises for a link that leads to itself, and for a NUL.
    """
    with contextlib.suppress(ValueError):
        return Path(os.path.realpath(path))
    return Path(path).absolute()


def fingerprint(folder: Path, files: Iterable[Path]) -> str:
    """Return eight hexadecimal digits of the names in `folder`, sizes and dates of files."""
    stats = [(str(file.relative_to(folder)), file.stat()) for file in files]
    rows = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()[:8]


def sha256(path: Path, start: int = 0) -> str:
    """Return the checksum of a file's bytes from `start` on."""
    with path.open("rb") as file:
        file.seek(start)
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def atomic_file(path: Path, *, expected_bytes: int = 0, new: bool = False) -> Iterator[Path]:
    """Yield a temporary name beside `path`; it becomes `path` on success and vanishes on failure.

    The suffix stays, because writers such as Keras and matplotlib choose the format by it. The
    bytes are on the disk before the name is, so that a power cut leaves no empty file. Raises an
    `OSError` if less than `expected_bytes` are free (HDF5 crashes the interpreter when a disk fills
    up), and a `FileExistsError` if a `new` file appeared in the meantime.
    """
    temporary = remove_torn(path)
    if shutil.disk_usage(path.parent).free < expected_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    try:
        with errors_name(path, temporary):
            yield temporary
            _sync(temporary)
            if new:
                check_free(path)
            temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):  # it would hide the error that names `path`
            temporary.unlink()


def check_free(path: Path) -> None:
    """Raise a `FileExistsError` if `path`, which did not exist, appeared in the meantime."""
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "appeared in the meantime", str(path))


def _sync(file: Path) -> None:
    with file.open("rb") as written:
        os.fsync(written.fileno())


@contextlib.contextmanager
def errors_name(path: Path, temporary: Path) -> Iterator[None]:
    """Let errors of the system name `path`, where they name no file or a temporary one."""
    try:
        yield
    except OSError as error:
        unnamed = error.filename is None or str(error.filename).startswith(str(temporary))
        if error.errno is None or not unnamed:  # as of the network
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


@contextlib.contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; it becomes `path` on success and vanishes on failure.

    Its files are on the disk before its name is. Raises `FileExistsError` if `path` appeared in the
    meantime.
    """
    with temporary_dir(path, mode=0o777) as temporary, errors_name(path, temporary):
        yield temporary
        for file in filter(Path.is_file, temporary.rglob("*")):
            _sync(file)
        check_free(path)
        temporary.rename(path)


@contextlib.contextmanager
def temporary_dir(beside: Path, mode: int = 0o700) -> Iterator[Path]:
    """Yield a new folder beside a path, with a name made of its name; it vanishes at the end."""
    temporary = remove_torn(beside)
    with errors_name(beside, temporary):
        temporary.mkdir(mode)  # less the user's umask
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def temporary_files(beside: Path) -> Iterator[Path]:
    """Do as `temporary_dir`; what libraries put into `$TMPDIR` during the block is in it, too.

    So the next command that writes the same removes it, if this one is killed.
    """
    with temporary_dir(beside) as temporary:
        before, tempfile.tempdir = tempfile.tempdir, str(temporary)
        try:
            yield temporary
        finally:
            tempfile.tempdir = before


def is_torn(path: Path) -> bool:
    """Return whether a name is one of `remove_torn`, of any machine and process."""
    return re.fullmatch(re.escape(PARTIAL) + r".+-[0-9]{1,9}-.+", path.name) is not None


def remove_torn(path: Path) -> Path:
    """Remove what dead processes left of theirs; return a temporary name beside `path`.

    Raises `IsADirectoryError` for the root of the file system, beside which there is nothing.
    """
    path = path.absolute()  # "." has a name, too
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    start, end = f"{PARTIAL}{socket.gethostname()}-", f"-{path.name[-40:]}"
    for old in path.parent.glob(f"{glob.escape(start)}*{glob.escape(end)}"):
        number = re.fullmatch(r"[0-9]{1,9}", old.name[len(start) : -len(end)])
        if number and (int(number[0]) == os.getpid() or not psutil.pid_exists(int(number[0]))):
            shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
    return path.with_name(f"{start}{os.getpid()}{end}")


@contextlib.contextmanager
def lock(file: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock file during the block; the system frees it if the process dies.

    Raises `Locked` if another process holds it and `wait` is False.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(file):  # filelock would try for ever where no file can be made
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o644))
    try:
        with filelock.FileLock(file, timeout=-1 if wait else 0.5):  # `is_locked` takes a moment
            try:
                yield
            finally:
                file.unlink(missing_ok=True)
    except filelock.Timeout:
        raise Locked(str(file)) from None


def is_locked(file: Path) -> bool:
    """Return whether a process holds a lock file; one left by a killed process is not held."""
    if not file.is_file():  # a pipe would be waited for
        return False
    with contextlib.suppress(FileNotFoundError), file.open() as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def write_json(path: Path, value: object) -> None:
    """Write `value` to `path`; what is not finite, which JSON has no word for, as null."""
    value = json.loads(json.dumps(value), parse_constant=lambda _: None)
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n")
