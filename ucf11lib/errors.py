"""The ways in which a command ends without a result, and the one line that says so."""

import contextlib
import errno
import faulthandler
import os
import signal
import sys
import threading
import traceback
import weakref
from types import FrameType
from typing import Any, TextIO

# What the system refuses though the work was right: it can be resumed, elsewhere or later.
FAILED = {
    errno.ENOSPC: "free some space or choose another place",
    errno.EDQUOT: "free some space or choose another place",
    errno.EROFS: "choose a place that can be written",
    errno.EMFILE: "raise the limit of open files with 'ulimit -n 4096'",
    errno.ENFILE: "close other programs",
    errno.EFBIG: "raise the limit of file sizes with 'ulimit -f unlimited'",
    errno.ENOMEM: "free some memory",
    errno.EAGAIN: "close other programs, or raise the limits of 'ulimit -a'",
    errno.ENOLCK: "put runs and data on a disk that has locks, with $UCF11_RUNS and $UCF11_DATA",
    errno.EIO: "check the disk, or choose another place",
}
# What a user asked of it that cannot be.
REFUSED = {
    errno.EACCES: "allow it with chmod, or choose another",
    errno.EPERM: "allow it with chmod, or choose another",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a file is where a folder should be; choose another",
    errno.EISDIR: "a folder is where a file should be; choose another",
    errno.EEXIST: "a file is where a folder should be, or another process made it; choose another",
    errno.ENOENT: "give one that exists",
    errno.ELOOP: "remove links that lead in a circle",
}


class UserError(Exception):
    """Bad input. The message is one line: the file, the value, the remedy. Exit code 2."""


class RunFailed(Exception):  # noqa: N818 - it names what happened, and callers read it as such
    """Good input, but the work failed (a notebook raised, the disk is full). Exit code 1."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP asked the command to stop, and it did. Exit code 143 or 129."""

    received = signal.SIGTERM


PATIENCE = 3.0  # seconds
# Of each signal that came: what sends SIGTERM, and what starts that if it is lost.
_under_way: list[tuple[threading.Timer, weakref.finalize]] = []


def raise_on_signals() -> None:
    """Let SIGTERM, or SIGHUP of a closed terminal, raise a `Terminated`, as Ctrl-C does.

    So temporary files are removed. What is ignored already, as SIGHUP is by nohup, remains so.

    Inside TensorFlow, where an error at any place may crash the process, it waits until control is
    back outside, or for `PATIENCE`. It may also be lost on its way: Python discards what is raised
    in a destructor, and extensions written in C what is raised in a hash or a property that they
    ask for. Then SIGTERM is sent.
    """

    def terminated() -> Terminated:
        while waiting:
            waiting.pop().cancel()
        error = Terminated()
        again = _send_sigterm(0.1)
        _under_way.append((again, weakref.finalize(error, again.start)))
        return error

    def back_outside(*_event: object) -> None:
        sys.settrace(None)
        raise terminated()  # a name for it here would keep it, by its own traceback

    def terminate(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:  # which a shell and the kernel send, one after the other
            signal.signal(number, signal.SIG_IGN)
            Terminated.received = signal.SIGHUP
        outside = _outside_of_tensorflow(frame)
        if outside is None or outside.f_trace:  # where it has waited already
            raise terminated()
        outside.f_trace = back_outside
        sys.settrace(lambda *_event: None)  # traces no frame but that one
        waiting.append(_send_sigterm(PATIENCE))
        waiting[-1].start()

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if not isinstance(unraisable.exc_value, Terminated):
            other(unraisable)

    waiting: list[threading.Timer] = []
    other = sys.unraisablehook
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # not ignored, and not ours already
            signal.signal(number, terminate)
            sys.unraisablehook = hook


def _send_sigterm(seconds: float) -> threading.Timer:
    """Return a timer, not started, that sends SIGTERM to this process."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    return timer


def _outside_of_tensorflow(frame: FrameType | None) -> FrameType | None:
    """Return the frame that called TensorFlow or Keras; None if none of the stack did."""
    caller = None
    while frame:
        if frame.f_globals.get("__name__", "").partition(".")[0] in ("tensorflow", "keras"):
            caller = frame.f_back
        frame = frame.f_back
    return caller


def _arrived() -> bool:
    """Return whether a signal came since the last call; none of those is sent again."""
    came = bool(_under_way)
    while _under_way:
        again, start = _under_way.pop()
        start.detach()
        again.cancel()
    return came


def _being_loaded(error: BaseException) -> str:
    """Return the package whose import raised, if it is not ours, as Dask's by a user's settings."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    loading = [one.f_globals["__name__"] for one in frames if one.f_code.co_name == "<module>"]
    package = loading[-1].partition(".")[0] if loading else ""
    return "" if package in ("__main__", "ucf11lib") else package


def printable(text: str) -> str:
    """Return text with what is invisible escaped, but line ends and tabs."""
    return "".join(one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in text)


class _Printable:
    """A text stream that shows what is invisible, and else is the stream that it is made of."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text, escaped."""
        self.stream.write(printable(text))
        return len(text)


def open_streams() -> None:
    """Let output go nowhere where a standard stream is closed; escape what it should not show.

    That is what its encoding lacks, and what would command a terminal: names of strangers' files
    are printed. Progress bars, on standard error, do command it.

    In a locale of another encoding, which would misread names, the program begins again in UTF-8.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:  # or the next file that is opened gets the number, and what is printed
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r"))  # noqa: SIM115 - to the end
        if number:
            with contextlib.suppress(AttributeError):  # a test's own
                streams = {
                    "errors": "backslashreplace",
                    "line_buffering": True,
                }  # in the order of time
                getattr(sys, name).reconfigure(**streams)
    if not isinstance(sys.stdout, _Printable):
        sys.stdout = _Printable(sys.stdout)


def end_within(seconds: float) -> None:
    """Let this process end with exit code 1 after so many seconds, if it does not by itself.

    TensorFlow's destructors may wait for ever: for a worker that is gone, or after too little
    memory to start a thread.
    """
    silent = open(os.devnull, "w")  # noqa: SIM115 - faulthandler needs it until the end
    with contextlib.suppress(RuntimeError):  # there is no memory for a thread of its own
        faulthandler.dump_traceback_later(seconds, exit=True, file=silent)


def one_line(error: BaseException, resume_command: str) -> tuple[str, int]:
    """Return what to print of an error and the exit code; raise it if it is a fault of ours."""
    line, code = _line(error, resume_command)
    return printable(" ".join(line.split())), code


def _line(error: BaseException, resume_command: str) -> tuple[str, int]:
    if _arrived():  # and may have been turned into another error where it was raised
        error = Terminated()
    if isinstance(error, UserError):
        return str(error), 2
    if isinstance(error, RunFailed):
        return str(error), 1
    if isinstance(error, KeyboardInterrupt):
        received = error.received if isinstance(error, Terminated) else signal.SIGINT
        return f"interrupted; resume with: {resume_command}", 128 + received
    if isinstance(error, MemoryError):
        return f"out of memory; free some; resume: {resume_command}", 1
    if isinstance(error, ImportError) and not str(error.name).startswith("ucf11lib"):
        return f"{error}; raise the limit of 'ulimit -v', or set .venv up again with make", 1
    number = getattr(error, "errno", 0)
    if isinstance(error, OSError) and number in REFUSED:
        return f"{error.filename or 'output'}: {error.strerror}; {REFUSED[number]}", 2
    cause: BaseException | None = error
    while cause:  # libraries wrap the system's errors in their own
        if (number := getattr(cause, "errno", 0)) in FAILED:
            what = f"{getattr(cause, 'filename', None) or 'output'}: {os.strerror(number)}"
            return f"{what}; {FAILED[number]}; resume: {resume_command}", 1
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, OSError):
        return f"{error}; resume: {resume_command}", 1
    if isinstance(error, Exception) and (package := _being_loaded(error)):
        settings = "correct its settings, in the environment or in a file of yours"
        return f"{package} cannot be loaded: {error}; {settings}", 2
    raise error
