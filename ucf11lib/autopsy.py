"""Why C3D and VGG9 failed in 2019: the loss lattice, the dead gradient, the signal through the layers.

Everything here is measured on the real networks with the real step, or is arithmetic that a test holds against them.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from tqdm import tqdm

from ucf11lib import health, jobs, training
from ucf11lib.backend import tf
from ucf11lib.config import RunConfig
from ucf11lib.data import batches
from ucf11lib.data.store import ClipStore
from ucf11lib.overfit import overfit

REPORTED = (2.453, 1.453, 1.953)  # report section 3.1: the set on which C3D's loss jumped
RATES = tuple(10.0**-power for power in range(1, 9))  # report section 3.1: "from 0.1 to 1e-8"
OPTIMIZERS = ("adam", "sgd")


def readings(classes: Sequence[int] = range(8, 13), batch_sizes: Sequence[int] = (1, 2, 4, 8, 16)) -> pd.DataFrame:
    """Hold the report's three losses against the lattice of each (classes, batch size).

    Returns:
        classes, batch_size; `worst`, the largest of the three distances to the nearest point; `by_chance`, half the
        points' distance, which any number between two of them is within; `points`, how many the lattice has between
        the least and the largest reported loss. Sorted by `worst`, then by `points`.
    """
    rows = []
    for n in classes:
        for size in batch_sizes:
            worst = float(health.off_lattice(np.array(REPORTED), n, size).max())
            between = [v for v in health.lattice(n, size) if min(REPORTED) - worst <= v <= max(REPORTED) + worst]
            rows.append((n, size, worst, 0.5 / size, len(between)))
    table = pd.DataFrame(rows, columns=["classes", "batch_size", "worst", "by_chance", "points"])
    return table.round({"worst": 6}).sort_values(["worst", "points"], ignore_index=True)


def largest_gradient(gaps: Sequence[float], classes: int = 11) -> pd.DataFrame:
    """Return the largest entry of the loss's gradient with respect to the logits, as float32 computes it.

    One wrong class leads all others, the true one included, by `gap`. Through one softmax the entry tends to 1, so a
    wrong network is pushed hard. Through two it is at most exp(-gap) times a constant, and float32 makes it zero.

    Args:
        gaps: leads of the wrong class, logits.
        classes: number of classes.

    Returns:
        gap, once, twice.
    """
    logits = tf.constant(np.outer(gaps, np.eye(classes)[0]), tf.float32)
    labels = tf.ones(len(logits), tf.int32)
    columns = {"gap": np.asarray(gaps, float)}
    for name, head in (("once", tf.identity), ("twice", tf.nn.softmax)):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = training.loss_of(labels, head(logits))
        columns[name] = np.abs(tape.gradient(losses, logits).numpy()).max(axis=1)
    return pd.DataFrame(columns)


class Tracer:
    """The first steps of the training `config`, compiled once and taken from the same start as often as wanted.

    Batches, weights and steps are those of `train` with the same options and `--no-health`.

    Args:
        config: a recipe with a constant learning rate, if other rates are to be tried.
        store: the data.
        classes: number of outputs, by default the store's.
    """

    def __init__(self, config: RunConfig, store: ClipStore, classes: int | None = None):
        self.config, self.store, self.split = config, store, config.parts(store)
        self.recipe, profile = config.resolved()
        self.strategy = tf.distribute.get_strategy()
        model = jobs.build(config, store, self.split, self.strategy, classes)
        self.optimizer = training.make_optimizer(self.recipe, profile.steps_per_epoch * profile.epochs)
        self.optimizer.build(model.trainable_variables)
        self.step = training.make_step(model, self.optimizer, self.recipe, self.strategy)
        self.start = [(variable, variable.numpy()) for variable in [*model.variables, *self.optimizer.variables]]

    def trace(self, steps: int, rate: float | None = None) -> pd.DataFrame:
        """Return step, loss, accuracy, gradient_norm of the first steps, at another learning rate if one is given."""
        for variable, value in self.start:
            variable.assign(value)
        if rate is not None:
            self.optimizer.learning_rate = rate
        stream, size, rows = batches.Stream(self.split.train, self.config.seed), self.recipe.batch_size, []
        source = training.distribute(self.strategy, self.store, stream, size, 0, steps)
        for batch in tqdm(source, total=steps, leave=False, disable=None, desc=self.config.name, unit="step"):
            seen = health.Signals.of(np.asarray(self.step(*batch)), size)
            rows.append((len(rows) + 1, seen.loss, seen.right / size, seen.gradient_norm))
        return pd.DataFrame(rows, columns=["step", "loss", "accuracy", "gradient_norm"])


def trace(config: RunConfig, store: ClipStore, steps: int = 50, classes: int | None = None) -> pd.DataFrame:
    """Return step, loss, accuracy, gradient_norm of the first steps of `config`, with `classes` outputs if given."""
    return Tracer(config, store, classes).trace(steps)


def on_lattice(found: pd.DataFrame, classes: int, batch_size: int) -> dict:
    """Summarise a trace from step 2 on: its losses, the farthest from the lattice, the gradient norm."""
    later = found[found["step"] > 1]
    return {
        "losses": sorted({round(loss, 4) for loss in later["loss"]}),
        "off_lattice": float(health.off_lattice(later["loss"].to_numpy(), classes, batch_size).max()),
        "gradient_norm": float(later["gradient_norm"].max()),
        "first_gradient_norm": float(found["gradient_norm"].iloc[0]),
        "without_gradient": float((later["gradient_norm"] == 0).mean()),
    }


def grid(config: RunConfig, store: ClipStore, steps: int = 50) -> list[dict]:
    """Try every learning rate of the report with every optimiser: can it learn eight sequences by heart?

    Returns:
        optimizer, learning_rate, accuracy and loss on the eight after at most `steps` steps; loss None if not finite.
    """
    rows = []
    cells = list(itertools.product(OPTIMIZERS, RATES))
    for optimizer, rate in tqdm(cells, leave=False, disable=None, desc=f"grid, recipe {config.recipe}", unit="cell"):
        tried = replace(config, health=False).having(f"optimizer={optimizer}", f"learning_rate={rate:g}")
        found = overfit(tried, 8, most=steps, store=store, say=lambda line: None)
        loss = found.losses[-1] if math.isfinite(found.losses[-1]) else None
        rows.append({"optimizer": optimizer, "learning_rate": rate, "accuracy": found.accuracies[-1], "loss": loss})
    return rows


def rates(tracer: Tracer, steps: int = 5) -> pd.DataFrame:
    """Take the first steps at each learning rate of the report; return rate, losses seen and gradient norm after."""
    rows, classes = [], len(tracer.store.classes)
    for rate in RATES:
        found = on_lattice(tracer.trace(steps, rate), classes, tracer.recipe.batch_size)
        seen = ", ".join(f"{loss:.4f}" for loss in found["losses"])
        rows.append((f"{rate:g}", seen, found["first_gradient_norm"], found["gradient_norm"]))
    return pd.DataFrame(rows, columns=["learning rate", "losses from step 2 on", "gradient at step 1", "largest later"])
