"""How fast is training, compared with the machine's own matrix product in the same minutes?

Each case has a process of its own, and so its own memory and compilation. An absolute time says
little on a shared machine: cases are timed alternately and compared within a repeat.

Expect: at full width 75 to 100 % of the product's rate, with AMX up to 130 %: there the product is
below the machine's limit. The store costs 0 to 7 %, the health checks less than the noise.

    python -m ucf11lib study speed --force  # estimated 40 min on 2 cores that do nothing else

Where PyTorch is installed, see `pytorch`, its step is timed in the same turns.
"""

import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import timeit
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import numpy as np
import pandas as pd

from ucf11lib import figures
from ucf11lib.backend import keras, tf
from ucf11lib.errors import RunFailed
from ucf11lib.models.flops import layer_flops
from ucf11lib.runs import REPORTED, RunConfig, environment
from ucf11lib.studies import pytorch
from ucf11lib.studies.runner import run_rows
from ucf11lib.studies.study import Study, new_trainer, over
from ucf11lib.training import Trainer

WARM_UP_STEPS = 5  # the first steps are given memory that the system has yet to provide
REPEATS = 5
SECONDS_A_REPEAT = 3.0
PRODUCT_SIDE = 4096
READY_BATCHES = 4  # that the input pipeline has prepared: two being read, two waiting


def step_row(config: RunConfig) -> dict:
    """Time one network's training step, from memory and from the store, and the matrix product.

    Times are seconds of a step, medians over repeats; ratios are of neighbours in time; `share` and
    `memory_share` are of the product's rate in the same precision, `speedup` is over float32, and
    `over_pytorch` over PyTorch in the same precision, from memory both.
    """
    trainer = new_trainer(config)
    size = config.recipe.batch_size
    batch = next(iter(trainer.batches(0, 1)))
    warm_up = timeit.repeat(lambda: _train(trainer, [batch]), number=1, repeat=WARM_UP_STEPS)
    first, later = warm_up[0], warm_up[-1]
    peak_mb = environment.peak_memory_mb()  # before PyTorch is loaded
    seconds = _step_seconds(trainer, batch, max(1, round(SECONDS_A_REPEAT / later)))
    memory, store = seconds["memory"], seconds["store"]
    flops = size * step_flops(trainer.model)
    work = flops / (2 * PRODUCT_SIDE**3) * seconds["product"]  # seconds at the product's rate
    compared: dict[str, object] = {}
    if "pytorch" in seconds:
        faster = float(np.median(seconds["pytorch"] / memory))
        compared = {"pytorch": pytorch.version(), "over_pytorch": faster}
    return {
        "model": config.model,
        "profile": config.profile.name,
        "width": config.profile.width,
        "batch_size": size,
        "precision": config.precision,
        "parameters": trainer.model.count_params(),
        "flops": flops,
        "compile_seconds": first - later,
        "memory_seconds": float(np.median(memory)),
        "store_seconds": float(np.median(store)),
        "ratio": float(np.median(store / memory)),
        "share": float(np.median(work / store)),
        "memory_share": float(np.median(work / memory)),
        "speedup": float(np.median(seconds["float32"] / memory)),
        # A step that returns what the health checks need, over one that does not.
        "health_ratio": float(np.median(memory / seconds["unwatched"])),
        "sequences_per_second": float(size / np.median(store)),
        "peak_mb": peak_mb,
        "inference_1": _inference(trainer, 1),  # sequences a second
        "inference_32": _inference(trainer, 32),
        **compared,
    }


def step_flops(model: keras.Model) -> int:
    """Return the FLOPs of a training step for one sequence.

    Each layer, the gradient of its weights, and that of its input, which is not asked of the first.
    """
    first, *later = layer_flops(model).values()
    return 2 * first + 3 * sum(later)


def _step_seconds(trainer: Trainer, batch: tuple, steps: int) -> dict[str, np.ndarray]:
    """Time steps of each kind, `steps` a repeat; return seconds of a step, and of the product."""
    stream = iter(trainer.batches(0, (steps + READY_BATCHES + 1) * REPEATS))
    bare = new_trainer(trainer.config.with_(health=False))
    exact = new_trainer(trainer.config.with_(precision="float32"))
    shape, precision = (PRODUCT_SIDE, PRODUCT_SIDE), trainer.config.precision
    a, b = (tf.random.stateless_normal(shape, (0, seed)) for seed in (1, 2))
    a, b = tf.cast(a, precision), tf.cast(b, precision)
    multiply = tf.function(lambda: tf.cast(tf.matmul(a, b)[0, 0], "float32"))
    cases: dict[str, Callable] = {
        "memory": lambda: _train(trainer, [batch] * steps),
        "store": lambda: _train(trainer, itertools.islice(stream, steps)),
        "unwatched": lambda: _train(bare, [batch] * steps),
        "float32": lambda: _train(exact, [batch] * steps),
        "product": lambda: np.asarray(multiply()),
    }

    if pytorch.version() and trainer.config.model in REPORTED:
        frames, labels = trainer.store.take(trainer.stream.positions(0, len(batch[2]))), batch[2]
        step = pytorch.training_step(trainer.config, trainer.model, frames, np.asarray(labels))
        cases["pytorch"] = lambda: [step() for _ in range(steps)]

    def setup(name: str) -> None:  # as many batches are ready as in the middle of a training
        if name == "store":
            _train(trainer, list(itertools.islice(stream, READY_BATCHES + 1))[-1:])

    for name in cases.keys() - {"memory", "store"}:
        cases[name]()  # compiles
    seconds = time_interleaved(cases, REPEATS, setup)
    return {name: seconds[name] / (1 if name == "product" else steps) for name in cases}


def time_interleaved(
    cases: Mapping[str, Callable], repeats: int, setup: Callable[[str], object]
) -> dict[str, np.ndarray]:
    """Return each case's seconds, (repeats,), timed after `setup(name)`, in alternating order."""
    seconds = {name: np.zeros(repeats) for name in cases}
    for repeat in range(repeats):
        for name in list(cases)[:: -1 if repeat % 2 else 1]:
            setup(name)
            seconds[name][repeat] = timeit.timeit(cases[name], number=1)
    return seconds


def _train(trainer: Trainer, batches: Iterable) -> None:
    """Train on each batch and wait for the last."""
    for batch in batches:
        row = trainer.step(*batch)
    np.asarray(row)


def _inference(trainer: Trainer, n: int) -> float:
    """Return sequences a second in batches of `n` from memory."""
    frames = tf.constant(trainer.store.take(np.arange(n) % len(trainer.store)))
    forward = tf.function(lambda: trainer.model(frames, training=False))
    timer = timeit.Timer(lambda: np.asarray(forward()))
    timer.timeit(1)  # compiles
    times = max(1, round(SECONDS_A_REPEAT / 3 / timer.timeit(1)))
    return float(n * times / np.median(timer.repeat(3, times)))


def run_in_process(function: Callable, *arguments: object) -> dict:
    """Call a function in a process of its own, which ends with this one; return what it returns."""
    with process_pool(1) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            remedy = "free some memory, or choose a narrower profile"
            raise RunFailed(f"a measurement's process was killed; {remedy}") from None


@contextlib.contextmanager
def process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of new processes; they end with this one, and where it is interrupted."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_prepare_to_end) as pool:
        try:
            yield pool
        except KeyboardInterrupt:  # SIGTERM reaches this process alone
            for process in multiprocessing.active_children():
                process.terminate()
            pool.shutdown(cancel_futures=True)
            raise


def _prepare_to_end() -> None:
    """Let this process end at SIGTERM without a word, and if its parent is killed.

    It would wait for more work, for ever.
    """

    def wait() -> None:
        if parent := multiprocessing.parent_process():
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def bench(models: Sequence[str], profiles: Sequence[str]) -> pd.DataFrame:
    """Return a row, see `step_row`, for each of the models at each of the profiles' widths."""
    axes = {"profile": over("profile", profiles), "model": over("model", models)}
    study = replace(STUDY, axes=STUDY.axes | axes)
    return pd.DataFrame(run_rows(study, study.points()))


def draw(table: pd.DataFrame, note: str):
    """Draw the FLOPs a second of each step as a share of the matrix product's."""
    steps = table[table["part"] == "step"]
    names = steps["model"] + steps["width"].map(" width {:g} ".format) + steps["precision"]
    steps = steps.assign(network=names)
    return figures.dots(steps, condition="network", group="model", value="share", note=note)


STUDY = Study(
    name="speed",
    question="How fast is training, compared with the machine's own matrix product?",
    base=RunConfig.of(model="cnn_lstm", batch_size=16),
    axes={
        "part": {"step": {}},
        "precision": over("precision", ("auto", "float32")),
        "profile": over("profile", ("full", "quick")),
        "model": over("model", REPORTED),
    },
    seeds=(),
    measure=lambda config: [run_in_process(step_row, config)],
    unread=("epochs", "clips", "sequences"),
    figure=draw,
)
VALUES = {"width": over("width", (0.125, 0.25, 0.5, 1.0))}
VALUES |= {"batch size": over("batch_size", (4, 8, 16, 32, 64))}
PARTS = [replace(STUDY, axes={"part": {name: {}}, "value": one}) for name, one in VALUES.items()]
STUDY = replace(STUDY, then=tuple(PARTS))
