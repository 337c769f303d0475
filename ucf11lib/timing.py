"""How costs are measured: turn about in one run, and memory in a process of its own.

An absolute time says little on a shared machine; what was timed a moment before and after says more.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Cost:
    """What one call took: seconds, and the process's peak memory in MB, before it and in all."""

    value: object
    seconds: float
    before: float
    peak: float


def alone(function: Callable, *arguments: object) -> Cost:
    """Call a function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, function, *arguments).result()


def _measured(function: Callable, *arguments: object) -> Cost:
    before, start = peak_mb(), time.perf_counter()
    value = function(*arguments)
    return Cost(value, time.perf_counter() - start, before, peak_mb())


def peak_mb() -> float:
    """Return this process's highest memory so far, MB; `getrusage` also counts that of the process it began in."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS, which has no /proc


def forget(file: Path) -> None:
    """Have the system drop a file from its memory where it can, so that the next reader waits for the disk."""
    if hasattr(os, "posix_fadvise"):
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def turn_about(
    kinds: Mapping[str, Callable[[], object]], turns: int, before: Callable[[str], object] = lambda name: None
) -> dict[str, np.ndarray]:
    """Time each of `kinds` once a turn, in every other turn the other way round.

    Args:
        kinds: what is timed.
        turns: how often.
        before: called with the name of a kind before it is timed.

    Returns:
        Seconds of each kind, (turns,); those of one turn are neighbours, so ratios are taken within a turn.
    """
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(turns):
        for name in list(kinds)[:: 1 if turn % 2 == 0 else -1]:
            before(name)
            start = time.perf_counter()
            kinds[name]()
            taken[name].append(time.perf_counter() - start)
    return {name: np.array(seconds) for name, seconds in taken.items()}
