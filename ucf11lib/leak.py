"""The leak, measured: one model, recipe and data under three splits, beside what needs nothing but memory.

With `random` the held-out part has other windows of the clips that are trained on, with `video` other clips of the same
performer and place, with `group` neither. What a split adds to the accuracy of `group` is what it lets through. The
nearest training sequence in pixel space learns nothing: what it gets right, a model need not have learnt either.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ucf11lib import baselines, jobs
from ucf11lib.config import RunConfig
from ucf11lib.data import splits
from ucf11lib.data.store import ClipStore
from ucf11lib.style import mean_and_range

SEEDS = (0, 1, 2)
MODEL, LENGTH = "cnn_lstm", "batch_size=16,steps_per_epoch=80,epochs=3"  # short: what is compared are splits


def measure(weizmann: Path, say: Callable[[str], None] = print) -> list[dict]:
    """Train what is not trained yet; return a row a data set and split, with lists of a value a seed.

    Args:
        weizmann: the folder of Weizmann's class folders.
        say: gets the lines of the trainings.

    Returns:
        data, model, split, seeds, n_train, n_val, accuracy, accuracy_clip, and `nearest`, the accuracy of the nearest
        training sequence in pixel space.
    """
    rows = []
    for data, source, folder in (("synthetic", "synthetic", ""), ("Weizmann", "videos", str(weizmann))):
        for kind in splits.SPLITS:
            found = [
                one(RunConfig(MODEL, source=source, data=folder, split=kind, settings=LENGTH, seed=seed), say)
                for seed in SEEDS
            ]
            values = {key: [row[key] for row in found] for key in found[0]}
            rows.append({"data": data, "model": MODEL, "split": kind, "seeds": list(SEEDS), **values})
    return rows


def one(config: RunConfig, say: Callable[[str], None]) -> dict:
    """Return what one run reached, trained if it is not there, and what the nearest neighbour does on its split."""
    run = jobs.ensure(config, say=say)
    store = ClipStore.open(run.config["store"])
    parts = config.parts(store)
    nearest = baselines.nearest(store, parts) == store.labels[parts.validation]
    keys = ("n_train", "n_val", "accuracy", "accuracy_clip")
    return {key: run.metrics[key] for key in keys} | {"nearest": float(nearest.mean())}


def table(rows: Sequence[dict]) -> pd.DataFrame:
    """Return the rows of `measure` as a reader wants them: means, ranges, and the distance to the group split."""
    mean = {(row["data"], row["split"]): float(np.mean(row["accuracy"])) for row in rows}
    return pd.DataFrame(
        {
            "data": row["data"],
            "split": row["split"],
            "training / held out": f"{row['n_train'][0]} / {row['n_val'][0]}",
            "accuracy": mean_and_range(row["accuracy"]),
            "above the group split": f"{100 * (mean[row['data'], row['split']] - mean[row['data'], 'group']):+.1f}",
            "nearest neighbour in pixels": mean_and_range(row["nearest"]),
        }
        for row in rows
    )
