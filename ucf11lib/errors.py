"""The ways in which a command ends without a result, and the one line that says so."""

import errno
import signal

# A full, read-only or forbidden disk: the work was right, and can be resumed elsewhere.
STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOTDIR)


class UserError(Exception):
    """Bad input. The message is one line: the file, the value, the remedy. Exit code 2."""


class RunFailed(Exception):  # noqa: N818 - it names what happened, and callers read it as such
    """Good input, but the work failed (a notebook raised, the disk is full). Exit code 1."""


class Terminated(KeyboardInterrupt):
    """SIGTERM asked the command to stop, and it did. Exit code 143."""


def raise_on_sigterm() -> None:
    """Let SIGTERM raise a `Terminated`, as Ctrl-C does, so that temporary files are removed."""

    def terminate(_number: int, _frame: object) -> None:
        raise Terminated

    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, terminate)


def one_line(error: BaseException, resume_command: str) -> tuple[str, int]:
    """Return what to print of an error and the exit code; raise it if it is a fault of ours."""
    if isinstance(error, UserError):
        return str(error), 2
    if isinstance(error, RunFailed):
        return str(error), 1
    if isinstance(error, OSError) and error.errno in STORAGE_ERRORS:
        place = f"{error.filename or 'output'}: {error.strerror}"
        return f"{place}; free some space or choose another place; resume: {resume_command}", 1
    if isinstance(error, KeyboardInterrupt):
        number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        return f"interrupted; resume with: {resume_command}", 128 + number
    raise error
