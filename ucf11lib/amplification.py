"""How far each layer of an untrained network amplifies its signal, measured and by theory."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ucf11lib import jobs, training
from ucf11lib.backend import keras, tf
from ucf11lib.config import RunConfig
from ucf11lib.data import splits
from ucf11lib.data.store import ClipStore


def signal(config: RunConfig, store: ClipStore, sequences: int = 4, networks: int = 3) -> pd.DataFrame:
    """Measure how far each layer amplifies its input before the first step, against what theory says.

    A layer with independent weights of deviation s over `fan_in` inputs multiplies the deviation of what comes by
    s * sqrt(fan_in / 2), since ReLU keeps half of the second moment (He et al., ICCV 2015, arXiv:1502.01852). Two
    things move it: a max-pool raises the second moment, and at the borders a part of the kernel lies on zeros.

    Args:
        config: model, recipe and settings.
        store: the data.
        sequences: of the training part, of different classes, that are the input.
        networks: how many draws of the weights are averaged (root mean square).

    Returns:
        a row a convolution or dense layer: layer, fan_in, deviation (of its outputs, before ReLU), gain (over the layer
        before), simple (s * sqrt(fan_in / 2), or s * sqrt(fan_in) where the input comes from no ReLU), predicted (with
        the measured second moment of the input and the share of taps inside the picture). The table's `attrs` hold
        `loss`, the mean first loss of the networks.
    """
    split = config.parts(store)
    chosen = splits.one_a_class(store, split.train, sequences)
    frames, labels = store.take(chosen), store.labels[chosen]
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


def summary(rows: Sequence[dict]) -> pd.DataFrame:
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
