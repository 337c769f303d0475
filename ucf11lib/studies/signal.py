"""How much does each layer of an untrained network amplify its signal, measured and by theory?

Independent weights of standard deviation s multiply the root mean square of `fan_in` inputs by
s * sqrt(fan_in / 2), since ReLU halves the second moment (He et al., ICCV 2015, arXiv:1502.01852).
A max-pool raises the second moment, and at the borders a part of the kernel lies on zeros.

Expect: with N(0, 0.1) at full width five decades from C3D's first layer to its last, less than one
for CNN+LSTM, whose LSTM bounds its outputs; none with He's weights.

    python -m ucf11lib study signal --force  # estimated 5 min on 2 cores
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ucf11lib import figures
from ucf11lib.backend import keras
from ucf11lib.data import first_of_each_class, open_or_prepare, split
from ucf11lib.runs import REPORTED, RunConfig
from ucf11lib.studies.study import Study, over
from ucf11lib.training import Trainer
from ucf11lib.training.step import score

SEQUENCES = 4  # of the training part, of different classes, that are the input
NETWORKS = 3  # draws of the weights, averaged as root mean squares


def layer_gains(config: RunConfig) -> list[dict]:
    """Measure how much each convolution or dense layer, a row each, amplifies before any step.

    Columns: std (root mean square of the outputs, before ReLU), gain (over the layer before),
    simple (s sqrt(fan_in / 2), or s sqrt(fan_in) where no ReLU is before), predicted (with the
    input's measured second moment and the share of taps inside the picture), first_loss (mean over
    the networks).
    """
    store = open_or_prepare(config.data)
    parts = split(store, config)
    examples = first_of_each_class(store, parts.train, SEQUENCES)
    tables, losses = [], []
    for number in range(NETWORKS):
        one = config.with_(seed=config.seed + number)
        model = Trainer.of(one, store, parts, log=lambda line: None).model
        table, outputs = _layers(model, store.take(examples))
        tables.append(np.square(table))
        losses.append(score(outputs, store.labels[examples])[0])
    table = np.sqrt(sum(tables) / NETWORKS)
    before = table["std"].shift(fill_value=table["input_rms"].iloc[0])
    table["gain"] = table["std"] / before
    table["simple"] = table["s"] * np.sqrt(table["fan_in"] * np.where(table["rectified"], 0.5, 1))
    inside = table["fan_in"] * table["inside"]
    table["predicted"] = table["s"] * np.sqrt(inside) * table["input_rms"] / before
    table["first_loss"] = np.mean(losses)
    table["width"] = config.profile.width
    table = table.drop(columns=["s", "inside", "rectified", "input_rms"])
    return table.reset_index(names="layer").to_dict("records")


def _layers(model: keras.Model, frames: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Return numbers of each weighted layer's kernel, input and output; and the model's outputs."""
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    ends = [[layer.input, layer.output] for layer in layers]
    *pairs, outputs = keras.Model(model.input, [*ends, model.output])(frames)
    rows = {}
    for layer, (x, y) in zip(layers, pairs, strict=True):
        kernel, x, y = np.asarray(layer.kernel), np.asarray(x), np.asarray(y)
        rows[layer.name] = {
            "fan_in": np.prod(kernel.shape[:-1]),
            "s": kernel.std(),
            "inside": taps_inside(x.shape[1:-1], kernel.shape[:-2]),
            "rectified": float(x.min() >= 0),
            "input_rms": np.sqrt(np.mean(np.square(x))),
            "std": np.sqrt(np.mean(np.square(y))),
        }
    return pd.DataFrame.from_dict(rows, orient="index").astype(float), np.asarray(outputs)


def taps_inside(size: Sequence[int], kernel: Sequence[int]) -> float:
    """Return the share of a kernel's taps inside the picture, over all places (padding "same")."""
    share = 1.0
    for length, taps in zip(size, kernel, strict=True):
        inside = np.convolve(np.ones(length), np.ones(taps))[taps // 2 :][:length]
        share *= float(inside.mean()) / taps
    return share


def amplification(table: pd.DataFrame) -> pd.DataFrame:
    """Return for each model and recipe the amplification from the first layer to the last.

    `off` and `off_simple` are the largest |gain / predicted - 1| and |gain / simple - 1|.
    """
    table = table.assign(
        off=(table["gain"] / table["predicted"] - 1).abs(),
        off_simple=(table["gain"] / table["simple"] - 1).abs(),
        amplification=table["std"],
    )
    how = {"amplification": lambda std: std.iloc[-1] / std.iloc[0], "first_loss": "first"}
    how |= {"off": "max", "off_simple": "max"}
    return table.groupby(["model", "recipe"], sort=False).agg(how).reset_index()


def draw(table: pd.DataFrame, note: str):
    """Draw the std behind each layer, a panel a model, a line a recipe."""
    lists = table.groupby(["model", "recipe"], sort=False)[["layer", "std"]].agg(list)
    return figures.signal(lists.reset_index().to_dict("records"), note=note)


RECIPES = {"2019": {"recipe": "2019"}, "2019 + He": {"recipe": "2019", "init": "he"},
           "repaired": {}}  # fmt: skip
STUDY = Study(
    name="signal",
    question="How much does each layer of an untrained network amplify its signal?",
    base=RunConfig.of(model="c3d", width=1.0, precision="float32"),
    axes={"model": over("model", REPORTED), "recipe": RECIPES},
    seeds=(),
    measure=layer_gains,
    unread=("epochs",),
    figure=draw,
)
