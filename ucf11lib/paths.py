"""The only place that knows a folder.

Folders that are made on demand stand in the checkout; `$UCF11_DATA` and `$UCF11_RUNS` put them elsewhere (a big disk,
or the folder that `reproduce` works in).
"""

import contextlib
import errno
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock

from ucf11lib.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
FIGURES = ROOT / "figures"
REPORT = ROOT / "report"
RESULTS = REPORT / "results"


def data_dir() -> Path:
    """Return the folder of clip stores and downloads."""
    return Path(os.environ.get("UCF11_DATA", ROOT / "data")).resolve()


def runs_dir() -> Path:
    """Return the folder of run folders."""
    return Path(os.environ.get("UCF11_RUNS", ROOT / "runs")).resolve()


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Let this process, and those that it starts meanwhile, have environment variables of these values."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def shown(path: Path | str) -> str:
    """Return `path` as a reader wants it: relative to the current folder if it lies inside."""
    path = Path(path)
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)


@contextlib.contextmanager
def whole_file(path: Path, *, expect: int = 0) -> Iterator[Path]:
    """Yield a temporary name beside `path`; it becomes `path` on success and vanishes on failure.

    The suffix stays, because writers such as Keras and matplotlib choose the format by it. The bytes are on the disk
    before the name is, so that a power cut leaves no empty file.

    Args:
        path: the file.
        expect: bytes that will be written. HDF5 takes the interpreter down with it when a disk fills up, so for its
            files the space is asked for before it is needed.

    Raises:
        OSError: less than `expect` bytes are free.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(path.parent).free < expect:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    temporary = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def resumed_dir(path: Path, plan: str) -> Iterator[Path]:
    """Yield a working folder beside `path` that becomes `path` on success, and stays for the next try if interrupted.

    One process at a time has it; another waits. What an earlier try left is kept if it had the same plan, and the
    folder is empty otherwise. A UserError leaves nothing: the next try will have other input.

    Args:
        path: the folder.
        plan: what it is made from, as text.

    Raises:
        FileExistsError: `path` is there, perhaps since another process had its turn.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.with_name(f".partial-{path.name}")
    with turn(folder.with_name(f"{folder.name}.lock")):
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        kept = folder / "plan.txt"
        if not kept.exists() or kept.read_text() != plan:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            kept.write_text(plan)
        try:
            yield folder
            kept.unlink()
            folder.rename(path)
        except UserError:
            shutil.rmtree(folder)
            raise


@contextlib.contextmanager
def turn(file: Path, *, refuse: str = "") -> Iterator[None]:
    """Hold a lock file while the block runs; it goes with its last user, and with a killed one.

    Raises:
        UserError: another process has it, and its message is `refuse`; without one, it is waited for.
    """
    lock = filelock.FileLock(file)
    try:
        lock.acquire(timeout=0.5 if refuse else 0)  # `taken` has it for a moment
    except filelock.Timeout:
        if refuse:
            raise UserError(refuse) from None
        print(f"waiting for another process, which has {shown(file)}", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        lock.release()


def taken(file: Path) -> bool:
    """Return whether a process holds a lock file: one that is there may be a killed process's."""
    with contextlib.suppress(FileNotFoundError), file.open() as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextlib.contextmanager
def whole_dir(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; it becomes `path` on success and vanishes on failure.

    Raises:
        FileExistsError: `path` appeared while the folder was being made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".partial-{path.name}-", dir=path.parent))
    try:
        yield temporary
        if path.exists():
            raise FileExistsError(f"{path} appeared while it was being made")
        temporary.chmod(0o755)  # mkdtemp keeps others out; a finished folder is an ordinary one
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
