"""What one network costs: its training step and inference, held against the machine's own matrix product.

Nothing here brings TensorFlow before it is asked to measure: what it takes to start is one of the costs.
"""

import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ucf11lib.config import RunConfig
from ucf11lib.data.store import ClipStore
from ucf11lib.timing import forget, peak_mb, turn_about

WARM = 5  # steps before any is timed: the first are given memory that the system has yet to provide
AHEAD = 4  # batches that the input pipeline has ready: two being read, two waiting
INFERENCE = (1, 32)  # sequences a batch
PARTS = 6  # a layer is timed for so much shorter than a step: there are many
# Kinds of operations, and what is in the names of those of a kind.
OPERATIONS = {
    "convolutions": ("Conv", "by_pictures"),
    "matrix products": ("MatMul",),
    "pooling": ("MaxPool",),
    "optimiser": ("ResourceApply",),
}
# "layer:operation", as the profiler names what an operation takes; `by_pictures` makes a gradient of several.
OPERATION = re.compile(r"(?:[^:]*\b(by_pictures)\w*/)?[^:]*:(\w+)")


@dataclass(frozen=True)
class Effort:
    """How long to measure: `turns` blocks of `seconds` each, a step at least; the side of the matrix product."""

    turns: int = 5
    seconds: float = 3.0
    side: int = 4096


def training_step(config: RunConfig, path: Path, effort: Effort) -> dict:
    """Time one network's training step, from memory and from the disk's store, and the matrix product, turn about.

    Returns:
        model, profile, width, batch_size, parameters; `flops` of a step and `first_input_flops`, the part of them that
        is not computed; `compile_seconds` (the first step less a later one), `memory_seconds` and `store_seconds` of a
        step, `ratio` (of the two); `share` and `memory_share` of the product's rate, from the store and from memory;
        `sequences_per_second` from the store, `peak_mb` of the training, `inference` (sequences a second, a batch
        size). Each is a median over turns, ratios and shares within a turn.
    """
    from ucf11lib import flops

    job = Job(config, ClipStore.open(path))
    forget(path / "frames.npy")
    first, *_, later = (_seconds(lambda: job.steps([job.batch])) for _ in range(WARM))
    number = max(1, round(effort.seconds / later))
    drawn = iter(job.draw((number + AHEAD + 1) * effort.turns))
    peak, product = peak_mb(), _product(effort.side)
    kinds = {
        "memory": lambda: job.steps([job.batch] * number),
        "store": lambda: job.steps(next(drawn) for _ in range(number)),
        "product": product,
    }

    def under_way(name: str) -> None:
        """Forget what was made ready while others were timed; then one step, so that as much is ready as in a run."""
        if name == "store":
            for _ in range(AHEAD):
                next(drawn)
            job.steps([next(drawn)])

    seconds = turn_about(kinds, effort.turns, under_way)
    flop, batch_size = flops.training_step(job.model, job.recipe.batch_size), job.recipe.batch_size
    rate = 2 * effort.side**3 / seconds["product"]
    memory, store = seconds["memory"] / number, seconds["store"] / number
    return {
        "model": config.model,
        "profile": config.profile,
        "width": job.profile.width,
        "batch_size": batch_size,
        "parameters": job.model.count_params(),
        "flops": flop,
        "first_input_flops": flops.first_input(job.model, batch_size),
        "compile_seconds": first - later,
        "memory_seconds": float(np.median(memory)),
        "store_seconds": float(np.median(store)),
        "ratio": float(np.median(store / memory)),
        "share": float(np.median(flop / store / rate)),
        "memory_share": float(np.median(flop / memory / rate)),
        "sequences_per_second": float(batch_size / np.median(store)),
        "peak_mb": peak,
        "inference": {str(n): _inference(job, n, effort) for n in INFERENCE},
    }


class Job:
    """A training at its first step: the network, its optimiser, the compiled step, and one batch in memory."""

    def __init__(self, config: RunConfig, store: ClipStore):
        from ucf11lib import jobs, training
        from ucf11lib.backend import tf
        from ucf11lib.data import batches

        self.store, self.strategy = store, tf.distribute.get_strategy()
        self.recipe, self.profile = config.resolved()
        split = config.parts(store)
        self.model = jobs.build(config, store, split, self.strategy)
        self.optimizer = training.make_optimizer(self.recipe, 1000)
        self.optimizer.build(self.model.trainable_variables)
        self.step = self.made()
        self._stream = batches.Stream(split.train, config.seed)
        self.batch = next(iter(self.draw(1)))

    def made(self, watched: bool = True) -> Callable:
        """Return a compiled step."""
        from ucf11lib import training

        return training.make_step(self.model, self.optimizer, self.recipe, self.strategy, watched)

    def draw(self, steps: int):
        """Return the first `steps` batches from the store."""
        from ucf11lib import training

        return training.distribute(self.strategy, self.store, self._stream, self.recipe.batch_size, 0, steps)

    def all_of(self, store: ClipStore):
        """Return the batches of a pass over all sequences of a store."""
        from ucf11lib import training
        from ucf11lib.data import batches

        stream, size = batches.Stream(np.arange(len(store)), 0), self.recipe.batch_size
        return training.distribute(self.strategy, store, stream, size, 0, len(store) // size)

    def steps(self, batches) -> None:
        """Take a step on each batch and wait for the last."""
        for batch in batches:
            row = self.step(*batch)
        np.asarray(row)


def _inference(job: Job, n: int, effort: Effort) -> float:
    """Return sequences a second in batches of `n` from memory."""
    from ucf11lib.backend import tf

    frames = tf.constant(job.store.take(np.arange(n) % len(job.store)))
    forward = tf.function(lambda: job.model(frames, training=False))

    def run(times: int) -> None:
        for _ in range(times):
            outputs = forward()
        np.asarray(outputs)

    run(1)
    number = max(1, round(effort.seconds / 3 / _seconds(lambda: run(1))))
    return float(n * number / np.median(turn_about({"forward": lambda: run(number)}, 3)["forward"]))


def product_rate(side: int) -> float:
    """Return the GFLOP/s of a float32 matrix product of that side, the median of five."""
    return float(2 * side**3 / np.median(turn_about({"product": _product(side)}, 5)["product"]) / 1e9)


def _product(side: int) -> Callable[[], object]:
    from ucf11lib.backend import tf

    a, b = (tf.random.stateless_normal((side, side), (0, seed)) for seed in (1, 2))
    multiply = tf.function(lambda: tf.matmul(a, b)[0, 0])
    multiply()
    return lambda: np.asarray(multiply())


def operations(config: RunConfig, path: Path, effort: Effort) -> dict:
    """Return where the seconds of a training step go, as TensorFlow's profiler has them.

    One operation runs at a time here, so that they add up to the step that was profiled; otherwise a layer's two
    gradients run side by side. So this wants a process of its own.

    Returns:
        model, width, `seconds` (of a step), `kinds` (seconds of each of `OPERATIONS`, and of the rest), and
        `convolution_share`, the rate of the convolutions over that of the matrix product, counted as `share` is.
    """
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    from ucf11lib import flops

    job = Job(config, ClipStore.open(path))
    job.steps([job.batch] * (WARM - 1))
    number, profiles = max(1, round(effort.seconds / _seconds(lambda: job.steps([job.batch])))), []
    timed = {
        "steps": lambda: profiles.append(_profiled(lambda: job.steps([job.batch] * number))),
        "product": _product(effort.side),
    }
    rate = 2 * effort.side**3 / turn_about(timed, effort.turns)["product"]
    seconds = np.array([seconds for seconds, _ in profiles]) / number
    kinds = {
        kind: np.array([sum(taken[name] for name in taken if any(part in name for part in parts))
                        for _, taken in profiles]) / number
        for kind, parts in OPERATIONS.items()
    }  # fmt: skip
    kinds["the rest"] = seconds - sum(kinds.values())
    forward = sum(flop for layer, flop in flops.layers(job.model).items() if layer.startswith("conv"))
    return {
        "model": config.model,
        "width": job.profile.width,
        "seconds": float(seconds.mean()),
        "kinds": {kind: float(spent.mean()) for kind, spent in kinds.items()},
        "convolution_share": float(np.median(3 * job.recipe.batch_size * forward / kinds["convolutions"] / rate)),
    }


def layers(config: RunConfig, path: Path, effort: Effort) -> list[dict]:
    """Time each convolution and its two gradients alone, turn about with the matrix product: what a step can reach.

    Returns:
        A row a convolution: model, width, layer, `flops` of each of the three in a step, and how much of the matrix
        product's rate `forward`, `input` and `kernel`, the two gradients, reach (no `input` for the first, whose
        input's gradient no step computes). Each is a median over turns.
    """
    from ucf11lib import flops
    from ucf11lib.backend import keras

    job = Job(config, ClipStore.open(path))
    size, flop, rows = job.recipe.batch_size, flops.layers(job.model), flops.rows(job.model)
    convolutions = [layer for layer in job.model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv3D)]
    return [
        {"model": config.model, "width": job.profile.width, "layer": layer.name, "flops": size * flop[layer.name]}
        | _layer(layer, size * rows[layer.name], size * flop[layer.name], effort, first=layer is convolutions[0])
        for layer in convolutions
    ]


def _layer(layer, n: int, flop: int, effort: Effort, *, first: bool) -> dict[str, float]:
    """Return how much of the matrix product's rate a convolution of a batch of `n` reaches, forward and backward."""
    from ucf11lib.backend import tf

    x, upstream = (tf.random.stateless_normal((n, *of.shape[1:]), (0, 1)) for of in (layer.input, layer.output))

    @tf.function
    def gradients(x, kernel: bool):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return tape.gradient(y, layer.kernel if kernel else x, upstream)

    forward = tf.function(layer)
    calls = {
        "forward": lambda: forward(x),
        "input": lambda: gradients(x, kernel=False),
        "kernel": lambda: gradients(x, kernel=True),
    }
    if first:
        del calls["input"]
    timed, times = {"product": _product(effort.side)}, {}
    for name, call in calls.items():
        call()
        times[name] = max(1, round(effort.seconds / PARTS / _seconds(call)))
        timed[name] = partial(_repeat, call, times[name])
    seconds = turn_about(timed, effort.turns)
    rate = 2 * effort.side**3 / seconds["product"]
    return {name: float(np.median(flop * times[name] / seconds[name] / rate)) for name in calls}


def _repeat(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        call()


def _profiled(call: Callable[[], object]) -> tuple[float, Counter]:
    """Return the seconds of a call, and of them those of each kind of operation, without what it runs in its turn."""
    from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

    from ucf11lib.backend import tf

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            seconds = _seconds(call)
        (file,) = Path(folder).glob("**/*.xplane.pb")
        found = XSpace.FromString(file.read_bytes())
    spent = Counter()
    for plane in found.planes:
        names = {number: OPERATION.fullmatch(kind.name) for number, kind in plane.event_metadata.items()}
        for line in plane.lines:
            spent.update(_own(line.events, {number: match[1] or match[2] for number, match in names.items() if match}))
    return seconds, spent


def _own(events: Iterable, names: Mapping[int, str]) -> Counter:
    """Return the seconds of each of `names` on one thread, without those of what began and ended meanwhile."""
    spent, under_way = Counter(), []  # a loop is an operation, and runs others
    known = [(event.offset_ps, event.duration_ps, names[event.metadata_id]) for event in events
             if event.metadata_id in names]  # fmt: skip
    for start, duration, name in sorted(known, key=lambda event: (event[0], -event[1])):
        while under_way and under_way[-1][0] <= start:
            under_way.pop()
        if under_way:
            spent[under_way[-1][1]] -= duration / 1e12
        spent[name] += duration / 1e12
        under_way.append((start + duration, name))
    return spent


def first_step(config: RunConfig, path: Path, since: float) -> dict:
    """Return where the seconds from starting a process to its first training step go.

    Args:
        config: the training.
        path: its store.
        since: `time.time()` when the process was started.

    Returns:
        model, `process` (until Python runs this), `imports`, `build` (store opened, network and optimiser made, a batch
        read), `trace` (the step compiled, and taken once) and `seconds`, their sum.
    """
    marks = [since, time.time()]
    from ucf11lib import jobs, training  # noqa: F401 - timed

    marks.append(time.time())
    job = Job(config, ClipStore.open(path))
    marks.append(time.time())
    job.steps([job.batch])
    marks.append(time.time())
    parts = dict(zip(("process", "imports", "build", "trace"), np.diff(marks).tolist(), strict=True))
    return {"model": config.model, **parts, "seconds": marks[-1] - since}


def watching(config: RunConfig, store: ClipStore, turns: int) -> dict:
    """Time watched and unwatched steps of one training, turn about, on one batch; the looks of the monitor included.

    Returns:
        model, width, batch_size, steps, the median seconds of either step, and `ratio`, the median within a turn.
    """
    from ucf11lib import health

    job = Job(config, store)
    monitor = health.Monitor(len(store.classes), job.recipe.batch_size, lambda line: None)
    unwatched, rows = job.made(watched=False), []

    def watched() -> None:
        rows.append(job.step(*job.batch))
        if len(rows) % health.EVERY == 0:
            monitor.steps(len(rows), [np.asarray(row) for row in rows[-health.EVERY :]])

    kinds = {"watched": watched, "unwatched": lambda: unwatched(*job.batch)}
    turn_about(kinds, 2)  # compiles
    seconds = turn_about(kinds, turns)
    return {
        "model": config.model,
        "width": job.profile.width,
        "batch_size": job.recipe.batch_size,
        "steps": turns,
        **{kind: float(np.median(seconds[kind])) for kind in kinds},
        "ratio": float(np.median(seconds["watched"] / seconds["unwatched"])),
    }


def _seconds(call: Callable[[], object]) -> float:
    return float(turn_about({"call": call}, 1)["call"][0])
