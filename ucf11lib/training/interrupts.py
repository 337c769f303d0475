"""What ends a training from outside: signals, and failures that become one line."""

import contextlib
import re
import signal
import threading
from collections.abc import Iterator

from ucf11lib.backend import tf
from ucf11lib.errors import Interrupted, RunFailed


class StopSignals(contextlib.AbstractContextManager):
    """Notes SIGINT and SIGTERM during its block, in the main thread; a second one does not wait.

    A signal that the process was started to ignore is ignored. What TensorFlow raises after one,
    because another worker stopped first, becomes an `Interrupted`.
    """

    def __enter__(self):
        self._number, self._before = None, {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind, error, trace):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if isinstance(error, tf.errors.OpError):
            self.check()

    def _note(self, number: int, _frame) -> None:
        self.check()
        self._number = number

    def check(self) -> None:
        """Raise an `Interrupted` if a signal came."""
        if self._number:
            raise Interrupted(self._number)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn TensorFlow's account of too little memory into a `RunFailed`."""
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        shape = re.search(r"tensor with shape(\[.*?\])", str(error))
        what = f" for a tensor of shape {shape[1]}" if shape else ""
        remedy = "begin a run with --set batch_size=8, --set width=0.5 or --precision bfloat16"
        raise RunFailed(f"out of memory{what}; {remedy}, or free some and resume") from None
