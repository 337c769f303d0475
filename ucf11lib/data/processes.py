"""Work on many files or clips in processes of their own, in order, with little of it in memory."""

import contextlib
import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

from pebble import ProcessExpired, ProcessFuture, ProcessPool


def in_processes(
    call: Callable,
    arguments: Sequence[tuple],
    workers: int,
    timeout: Callable[[tuple], float] = lambda _: 600.0,
) -> Iterator[object]:
    """Yield `call(*one)` of each, in order, or what it did instead: "crashed", for example.

    Each process imports the module of `call` once; `timeout` gives seconds.
    """
    context = multiprocessing.get_context("forkserver")  # TensorFlow's threads must not be forked
    context.set_forkserver_preload([call.__module__])
    pending: deque[ProcessFuture] = deque()
    workers = min(workers, len(arguments) or 1)
    with _no_script(), ProcessPool(workers, context=context) as pool:
        try:
            for one in arguments:
                pending.append(pool.schedule(call, one, timeout=timeout(one)))
                if len(pending) == 2 * workers:  # results that wait take memory
                    yield _outcome(pending.popleft())
            yield from map(_outcome, pending)
        finally:
            pool.stop()


@contextlib.contextmanager
def _no_script() -> Iterator[None]:
    """Hide the program that was started: each process would run a user's script again."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _outcome(future: ProcessFuture) -> object:
    try:
        return future.result()
    except TimeoutError:
        return "did not come to an end"
    except ProcessExpired as error:
        return f"crashed (exit code {error.exitcode})"
    except Exception as error:  # such as a lack of memory: the others are worked on
        return f"failed ({type(error).__name__})"
