"""Small inputs for each figure of the package, and one figure of each."""

import itertools
import sys

import numpy as np
import pandas as pd
import pytest

from ucf11lib import figures, models
from ucf11lib.evaluation.metrics import expected_calibration_error, reliability_table
from ucf11lib.runs import RunConfig

NOTE = "synthetic data, group split, seed 0"
CLASSES = ("basketball", "biking", "golf swing")


def history(epochs=3, scale=1.0):
    epoch = np.arange(1, epochs + 1)
    loss = scale * 2.4 / epoch
    accuracy = 1 - 1 / (epoch + 1)
    columns = {"epoch": epoch, "loss": loss, "accuracy": accuracy}
    return pd.DataFrame(columns | {"val_loss": loss * 1.1, "val_accuracy": accuracy * 0.9})


def calibration(confidences):
    y_prob = np.array([[share, 1 - share] for share in confidences])
    return reliability_table(np.zeros(len(y_prob), int), y_prob)


def conditions(accuracies, answers):
    rows = {"accuracy": accuracies, "low": np.maximum(np.subtract(accuracies, 0.1), 0)}
    rows |= {"high": np.add(accuracies, 0.1), "answers": answers}
    return pd.DataFrame(rows, index=["as they are", "frames shuffled", "one frame"])


FRAMES = np.random.default_rng(0).integers(0, 256, (3, 30, 16, 16, 3), dtype=np.uint8)
HEAT = np.zeros((3, 30, 16, 16), np.float32)
HEAT[:, -1, :8, :8] = 1  # one corner of the last frame
NORMS = np.tile(np.arange(1, 31) / 465, (3, 1))
CALIBRATION = {"c3d": calibration([0.9, 0.91, 0.3]), "vgg9": calibration([0.6, 1.0])}
CONDITIONS = {"c3d": conditions([0.9, 0.5, 0.1], [3, 3, 1])}
CONDITIONS["cnn_lstm"] = conditions([0.8, 0.3, 0.2], 3)
TRACE = {"step": [1, 2, 3], "loss": [2.4, 2.043, 2.543], "gradient_norm": [0.3, 0.0, 0.0]}
ROW = {"data": "synthetic", "classes": 11, "width": 1.0, "trace": TRACE}
LATTICE = [ROW | {"batch_size": 2, "points": [1.543, 2.043, 2.543]}]
LATTICE += [ROW | {"batch_size": 16, "points": np.linspace(1.543, 2.543, 17)}]
CELLS = [
    {"head": head, "init": init, "trace": TRACE}
    for head, init in itertools.product(("softmax", "logits"), ("normal", "he"))
]
SIGNAL = [
    {"model": model, "recipe": recipe, "layer": ["conv1", "logits"], "std": [1.0, 1e5]}
    for model, recipe in itertools.product(("c3d", "resnet"), ("2019", "2019 + He", "repaired"))
]
STUDY = pd.DataFrame(
    itertools.product(("c3d", "vgg9", "resnet"), ("2019", "He"), (0, 1), (1, 2)),
    columns=["model", "change", "seed", "epoch"],
)
STUDY["accuracy"] = STUDY["model"].map({"c3d": 0.1, "vgg9": 0.3, "resnet": 0.5})
STUDY["accuracy"] += 0.2 * (STUDY["change"] == "He") + 0.1 * STUDY["seed"] * (STUDY["epoch"] - 1)
COUNTS = [[3, 1, 0], [0, 0, 0], [0, 0, 2]]
COSTS = STUDY.assign(low=STUDY["accuracy"] - 0.1, high=STUDY["accuracy"] + 0.1)
COSTS["flops"] = COSTS["model"].map({"c3d": 1e9, "vgg9": 3e9, "resnet": 2e7})
INPUTS = {
    "conditions": {"tables": CONDITIONS, "chance": 1 / 3},
    "confusion": {"counts": dict.fromkeys(("c3d", "vgg9"), COUNTS), "classes": CLASSES},
    "examples": {"frames": FRAMES, "titles": CLASSES, "right": [True, False, True]},
    "film_strips": {"frames": FRAMES, "titles": CLASSES},
    "gradients": {
        "gaps": pd.DataFrame({"gap": [0.0, 50, 100], "once": 1.0, "twice": [0.1, 1e-20, 0]}),
        "cells": CELLS,
    },
    "history": {"runs": {"c3d": history(), "cnn_lstm": history(5)}, "chance_loss": np.log(11)},
    "lattice": {"rows": LATTICE},
    "reliability": {
        "tables": CALIBRATION,
        "eces": {name: expected_calibration_error(table) for name, table in CALIBRATION.items()},
    },
    "saliency": {"frames": FRAMES, "maps": HEAT, "norms": NORMS, "titles": CLASSES}
    | {"reference": NORMS[0]},
    "signal": {"rows": SIGNAL},
    "structure": {
        "model": models.build("cnn_lstm", RunConfig.of(model="cnn_lstm").recipe, width=0.125)
    },
    "dots": {"table": STUDY, "condition": "change", "panel": "model"},
    "lines": {"table": STUDY, "x": "epoch", "y": "accuracy", "line": "model", "panel": "change"},
    "heat_map": {"table": STUDY, "rows": "change", "columns": "model"},
    "scatter": {"table": COSTS, "x": "flops", "y": "accuracy", "label": "model", "panel": "change"},
}


def draw(name, **changes):
    """Draw a figure of the package from the inputs above, apart from `changes`."""
    return getattr(figures, name)(**{"note": NOTE} | INPUTS[name] | changes)


@pytest.fixture(scope="session")
def inputs():
    """The names of this file: what figures are drawn from, and `draw`."""
    return sys.modules[__name__]


@pytest.fixture(scope="session")
def texts():
    """Return a function from text artists to their texts."""
    return lambda artists: [artist.get_text() for artist in artists]
