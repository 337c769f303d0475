"""Why C3D and VGG9 failed in 2019: the loss lattice, the dead gradient, the signal through the layers.

Everything here is measured on the real networks with the real step, or is arithmetic that a test holds against them.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ucf11lib import health, jobs, training
from ucf11lib.backend import keras, tf
from ucf11lib.config import RunConfig
from ucf11lib.data import batches, splits
from ucf11lib.data.store import ClipStore

REPORTED = (2.453, 1.453, 1.953)  # report section 3.1: the set on which C3D's loss jumped
RATES = tuple(10.0**-power for power in range(1, 9))  # report section 3.1: "from 0.1 to 1e-8"
OPTIMIZERS = ("adam", "rmsprop", "sgd")


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


def trace(config: RunConfig, store: ClipStore, steps: int = 50, classes: int | None = None) -> pd.DataFrame:
    """Take the first steps of the training `config` and return step, loss, accuracy, gradient_norm.

    Batches, weights and steps are those of `train` with the same options and `--no-health`. `classes` is the number of
    outputs, by default the store's.
    """
    recipe, profile = config.resolved()
    split = splits.split(store, config.split, config.seed)
    strategy = tf.distribute.get_strategy()
    model = jobs.build(config, store, split, strategy, classes)
    optimizer = training.make_optimizer(recipe, profile.steps_per_epoch * profile.epochs)
    optimizer.build(model.trainable_variables)
    step = training.make_step(model, optimizer, recipe, strategy)
    stream = batches.Stream(split.train, config.seed)
    rows = []
    for batch in training.distribute(strategy, store, stream, recipe.batch_size, 0, steps):
        seen = health.Signals.of(np.asarray(step(*batch)), recipe.batch_size)
        rows.append((len(rows) + 1, seen.loss, seen.right / recipe.batch_size, seen.gradient_norm))
    return pd.DataFrame(rows, columns=["step", "loss", "accuracy", "gradient_norm"])


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


def signal(config: RunConfig, store: ClipStore, sequences: int = 4, networks: int = 3) -> pd.DataFrame:
    """Measure how far each layer amplifies its input before the first step, against what theory says.

    A layer with independent weights of deviation s over `fan_in` inputs multiplies the deviation of what comes by
    s * sqrt(fan_in / 2), since ReLU keeps half of the second moment (He et al., ICCV 2015, arXiv:1502.01852). Two
    things move it: a max-pool raises the second moment, and at the borders a part of the kernel lies on zeros.

    Args:
        config: model, recipe and settings; the first `sequences` training sequences are its input.
        store: the data.
        sequences: how many.
        networks: how many draws of the weights are averaged (root mean square).

    Returns:
        a row a convolution or dense layer: layer, fan_in, deviation (of its outputs, before ReLU), gain (over the layer
        before), simple (s * sqrt(fan_in / 2), or s * sqrt(fan_in) where the input comes from no ReLU), predicted (with
        the measured second moment of the input and the share of taps inside the picture). The table's `attrs` hold
        `loss`, the mean first loss of the networks.
    """
    split = splits.split(store, config.split, config.seed)
    frames = batches.gather(store, splits.one_a_class(store, split.train, sequences))
    labels = store.labels[splits.one_a_class(store, split.train, sequences)]
    tables, losses = [], []
    for number in range(networks):
        model = jobs.build(replace(config, seed=config.seed + number), store, split)
        table, outputs = _layers(model, frames)
        tables.append(table)
        losses.append(training.score(outputs, labels)[0])
    squares = pd.concat(tables).groupby("layer", sort=False)[["deviation", "coming", "s"]]
    found = np.sqrt(squares.agg(lambda column: np.mean(np.square(column))))
    shape = tables[0].set_index("layer")
    before = found["deviation"].shift(1)
    before.iloc[0] = found["coming"].iloc[0]
    found["fan_in"] = shape["fan_in"]
    found["gain"] = found["deviation"] / before
    found["simple"] = found["s"] * np.sqrt(shape["fan_in"] * np.where(shape["rectified"], 0.5, 1.0))
    found["predicted"] = found["s"] * np.sqrt(shape["fan_in"] * shape["inside"]) * found["coming"] / before
    found = found.reset_index()[["layer", "fan_in", "deviation", "gain", "simple", "predicted"]]
    found.attrs["loss"] = float(np.mean(losses))
    return found


def _layers(model: keras.Model, frames: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Return, a weighted layer a row, the root mean square of input and output; and the model's outputs."""
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    probe = keras.Model(model.input, [[layer.input, layer.output] for layer in layers] + [model.output])
    *pairs, outputs = probe(frames)
    rows = []
    for layer, (x, y) in zip(layers, pairs, strict=True):
        kernel = layer.kernel.numpy()
        rows.append(
            {
                "layer": layer.name,
                "fan_in": int(np.prod(kernel.shape[:-1])),
                "s": float(kernel.std()),
                "inside": _taps_inside(x.shape[1:-1], kernel.shape[:-2]),
                "rectified": bool(tf.reduce_min(x) >= 0),
                "coming": float(tf.sqrt(tf.reduce_mean(tf.square(x)))),
                "deviation": float(tf.sqrt(tf.reduce_mean(tf.square(y)))),
            }
        )
    return pd.DataFrame(rows), outputs.numpy()


def _taps_inside(size: Sequence[int], kernel: Sequence[int]) -> float:
    """Return the share of a kernel's taps that lie inside the picture, averaged over all places (padding "same")."""
    share = 1.0
    for length, taps in zip(size, kernel, strict=True):
        first = np.arange(length) - (taps - 1) // 2
        inside = np.minimum(first + taps, length) - np.maximum(first, 0)
        share *= float(inside.mean()) / taps
    return share


def grid(config: RunConfig, store: ClipStore, steps: int = 50) -> list[dict]:
    """Try every learning rate of the report with every optimiser: can it learn eight sequences by heart?

    Returns:
        optimizer, learning_rate, accuracy and loss on the eight after at most `steps` steps; loss None if not finite.
    """
    rows = []
    for optimizer in OPTIMIZERS:
        for rate in RATES:
            settings = ",".join(filter(None, [config.settings, f"optimizer={optimizer}", f"learning_rate={rate:g}"]))
            tried = replace(config, settings=settings, health=False)
            found = jobs.overfit(tried, 8, most=steps, store=store, say=lambda line: None)
            loss = found.losses[-1] if math.isfinite(found.losses[-1]) else None
            rows.append({"optimizer": optimizer, "learning_rate": rate, "accuracy": found.accuracies[-1], "loss": loss})
    return rows


def rates(config: RunConfig, store: ClipStore, steps: int = 10) -> pd.DataFrame:
    """Take the first steps at each learning rate of the report; return rate, losses seen and gradient norm after."""
    classes, size = len(store.classes), config.resolved()[0].batch_size
    rows = []
    for rate in RATES:
        tried = replace(config, settings=",".join(filter(None, [config.settings, f"learning_rate={rate:g}"])))
        found = on_lattice(trace(tried, store, steps), classes, size)
        seen = ", ".join(f"{loss:.4f}" for loss in found["losses"])
        rows.append((f"{rate:g}", seen, found["first_gradient_norm"], found["gradient_norm"]))
    return pd.DataFrame(rows, columns=["learning rate", "losses from step 2 on", "gradient at step 1", "largest later"])


def factorial_table(cells: Sequence[dict]) -> pd.DataFrame:
    """Return who learns and who does not, a cell of `experiments.dissect` a row, as a reader wants it."""
    names = {"normal": "N(0, 0.1)", "he": "He", "dataset": "normalised", "raw": "0 to 255"}
    rows = [
        {
            "input": names[cell["inputs"]],
            "head": cell["head"],
            "weights": names[cell["init"]],
            "first loss": f"{cell['first_loss']:.4g}",
            "median gradient norm": f"{cell['median_norm']:.2g}",
            "steps without gradient": f"{100 * cell['without_gradient']:.0f} %",
            "held-out accuracy": f"{100 * cell['accuracy']:.1f} %",
        }
        for cell in cells
    ]
    return pd.DataFrame(rows)


def signal_summary(rows: Sequence[dict]) -> pd.DataFrame:
    """Return, a network and recipe a row: amplification, first loss, and how far the law of one layer is off at most.

    `amplification` is from the first weighted layer's outputs to the last's; `off` is the largest of
    |gain / predicted - 1| over the layers, `off_simple` the same for s * sqrt(fan_in / 2) alone.
    """
    found = []
    for row in rows:
        gain, predicted, simple = (np.array(row[key]) for key in ("gain", "predicted", "simple"))
        found.append(
            {
                "model": row["model"],
                "recipe": row["recipe"],
                "amplification": row["deviation"][-1] / row["deviation"][0],
                "outputs": row["deviation"][-1],
                "first_loss": row["first_loss"],
                "off": float(np.abs(gain / predicted - 1).max()),
                "off_simple": float(np.abs(gain / simple - 1).max()),
            }
        )
    return pd.DataFrame(found)
