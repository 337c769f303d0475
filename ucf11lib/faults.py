"""What ends a training from outside: signals, and the failures that come out as one line that says how to go on."""

import contextlib
import signal
import threading
from collections.abc import Iterator

from ucf11lib.backend import tf
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import Interrupted, RunFailed


class Stop(contextlib.AbstractContextManager):
    """Notes SIGINT (Ctrl-C) and SIGTERM (a cluster that wants its machine back) while its block runs.

    A second signal does not wait. A signal that the process was started to ignore is ignored, and outside the main
    thread, which alone gets signals, nothing is noted.

    Attributes:
        asked: the number of the signal that came, None before one did.
    """

    def __init__(self):
        self.asked: int | None = None
        self._before: dict = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame) -> None:
        self.check()
        self.asked = number

    def check(self) -> None:
        """Raise an `Interrupted` if a signal came."""
        if self.asked:
            raise Interrupted(self.asked)


@contextlib.contextmanager
def in_one_line(store: ClipStore) -> Iterator[None]:
    """Say in one line what ended a training on `store` in the block: too little memory, or data that went away.

    Raises:
        RunFailed: instead of TensorFlow's account of it.
    """
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise RunFailed(
            f"out of memory{_shape(error)}; begin a run with --set batch_size=8, --set width=0.5 or, on a GPU, "
            "--mixed-precision, or free some memory and go on"
        ) from None
    except (tf.errors.UnknownError, tf.errors.InvalidArgumentError) as error:  # what a thread of the pipeline raised
        store.check()
        raised = [line for line in error.message.splitlines() if line.startswith("ucf11lib.errors.RunFailed: ")]
        if not raised:
            raise
        raise RunFailed(raised[-1].partition(": ")[2]) from None


def _shape(error: Exception) -> str:
    """Return what could not be had, if the error says."""
    _, found, shape = str(error).partition("tensor with shape")
    return f" for a tensor of shape {shape.partition(']')[0]}]" if found else ""
