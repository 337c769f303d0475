"""How time and memory grow with the number of sequences, the width of the network and the size of a batch.

An epoch here is a pass over all sequences, read from a store of that many. The network is CNN+LSTM, the fastest, at a
narrow width: what does not grow with the arithmetic shows most there.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ucf11lib.bench_step import Job
from ucf11lib.config import RunConfig
from ucf11lib.data import store as stores
from ucf11lib.data.store import ClipStore
from ucf11lib.timing import alone, peak_mb, turn_about

CONFIG = RunConfig("cnn_lstm", settings="batch_size=16")
NARROW = "width=0.0625"
# Sequences in whole batches of 16, so that each epoch is all of them.
VALUES = {"sequences": (160, 320, 640, 1280, 2560), "width": (0.125, 0.25, 0.5, 1.0), "batch_size": (4, 8, 16, 32, 64)}
TURNS = 3


def measure(store: ClipStore, values: Mapping[str, Sequence[float]] = VALUES, turns: int = TURNS) -> list[dict]:
    """Return a row each for what grows.

    Args:
        store: sequences to measure with, repeated where there are not enough.
        values: of `sequences`, or a field of recipe or profile.
        turns: how often an epoch is timed; a step three times as often.

    Returns:
        Rows of `against`, `model`, `values`, `seconds` (an epoch over all sequences, or a step; medians), `peak_mb` (of
        a process of its own), and the exponents of both, `time_exponent` and `memory_exponent`: slopes of a straight
        line through the logarithms.
    """
    rows = []
    with tqdm(total=sum(map(len, values.values())), desc="growth", leave=False, disable=None) as bar:
        for against, numbers in values.items():
            if against == "sequences":
                costs = _passes(store, numbers, turns, bar)
            else:
                costs = []
                for number in numbers:
                    costs.append(alone(_step, CONFIG.having(f"{against}={number}"), store.path, turns).value)
                    bar.update()
            seconds, peaks = zip(*costs, strict=True)
            rows.append(
                {
                    "against": against,
                    "model": CONFIG.model,
                    "values": list(numbers),
                    "seconds": list(seconds),
                    "peak_mb": list(peaks),
                    "time_exponent": exponent(numbers, seconds),
                    "memory_exponent": exponent(numbers, peaks),
                }
            )
    return rows


def _passes(store: ClipStore, numbers: Sequence[int], turns: int, bar: tqdm) -> list[tuple[float, float]]:
    """Return seconds and peak memory of an epoch over each number of sequences; the seconds are taken turn about."""
    with tempfile.TemporaryDirectory(dir=store.path.parent) as scratch:
        paths, peaks = [_sized(store, Path(scratch) / str(n), n) for n in numbers], []
        for path in paths:
            peaks.append(alone(_epochs, store.path, [path], 1).value[1])
            bar.update()
        seconds, _ = alone(_epochs, store.path, paths, turns).value
    return list(zip(seconds, peaks, strict=True))


def exponent(values: Sequence[float], costs: Sequence[float]) -> float:
    """Return the slope of a straight line through the logarithms of `costs` over those of `values`."""
    return float(np.polyfit(np.log(values), np.log(costs), 1)[0])


def _sized(store: ClipStore, path: Path, number: int) -> Path:
    """Write a store of `number` sequences drawn from another, and return its path."""
    order = np.random.default_rng(0).permutation(len(store))
    with stores.create(path, source=store.source, classes=store.classes, origin={}) as writer:
        for place in range(number):
            i = int(order[place % len(store)])
            label, group, clip = int(store.labels[i]), str(store.groups[i]), f"{store.clips[i]} {place}"
            writer.add(store.take([i]), label=label, group=group, clip=clip)
    return path


def _epochs(first: Path, paths: Sequence[Path], turns: int) -> tuple[list[float], float]:
    """Return the seconds of a pass over all sequences of each store, turn about, and this process's peak memory, MB."""
    job = Job(CONFIG.having(NARROW), ClipStore.open(first))
    job.steps([job.batch] * 2)
    found = [ClipStore.open(path) for path in paths]
    seconds = turn_about({str(s.path): (lambda s=s: job.steps(job.all_of(s))) for s in found}, turns)
    return [float(np.median(values)) for values in seconds.values()], peak_mb()


def _step(config: RunConfig, path: Path, turns: int) -> tuple[float, float]:
    """Return the seconds of a step from memory and the peak memory, MB."""
    job = Job(config, ClipStore.open(path))
    job.steps([job.batch] * 2)
    return float(np.median(turn_about({"step": lambda: job.steps([job.batch])}, 3 * turns)["step"])), peak_mb()
