"""Work on many files or clips in processes of their own, in order, with little of it in memory."""

import contextlib
import functools
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver, resource_tracker, util
from pathlib import Path
from types import ModuleType

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from ucf11lib import paths

MAX_FOLDER = 70  # bytes: a socket's path has at most 107, with 32 of Python's own


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
    pending: deque[ProcessFuture] = deque()
    workers = min(workers, len(arguments) or 1)
    with _no_script(), ProcessPool(workers, context=context) as pool:
        try:
            with ThreadPoolExecutor(1) as thread:  # signals interrupt the main thread only
                thread.submit(_start, pool, call.__module__).result()
            for one in arguments:
                pending.append(pool.schedule(call, one, timeout=timeout(one)))
                if len(pending) == 2 * workers:  # results that wait take memory
                    yield _outcome(pending.popleft())
            yield from map(_outcome, pending)
        finally:
            pool.stop()


def _start(pool: ProcessPool, module: str) -> bool:
    """Start a pool's processes, to which ctrl-c and SIGHUP mean nothing: this one answers them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    resource_tracker.ensure_running()  # its start would unblock the signal
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    start_server([module])
    return pool.active


def start_server(modules: list[str]) -> None:
    """Start the process that others are forked from, unless it runs; it imports `modules`.

    Python puts its socket into $TMPDIR, in a folder that nobody removes if this process is killed.
    Here that folder is inside one of ours, which the next process removes.
    """
    multiprocessing.set_forkserver_preload(modules)
    before = tempfile.tempdir
    folders = (_server_folder(), Path(tempfile.gettempdir()), Path("/tmp"))
    short = (str(one) for one in folders if len(os.fsencode(one)) <= MAX_FOLDER)
    try:
        tempfile.tempdir = next(short)
        forkserver.ensure_running()
    finally:
        tempfile.tempdir = before


@functools.cache
def _server_folder() -> Path:
    folder = paths.remove_torn(Path(tempfile.gettempdir(), "fork"))
    folder.mkdir(mode=0o700)
    # At the exit, after Python has removed its own folder from it.
    util.Finalize(None, shutil.rmtree, (folder, True), exitpriority=-200)
    return folder


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
