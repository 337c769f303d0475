"""The tables of the autopsy: C3D and VGG9 of 2019 at full width, and what would have become of them otherwise."""

import itertools
from collections.abc import Sequence

import pandas as pd

from ucf11lib import amplification, autopsy, recipes
from ucf11lib.config import RunConfig
from ucf11lib.data.store import ClipStore
from ucf11lib.overfit import EVERY, overfit

# The factorial's inputs, heads and initialisations, that of 2019 first.
FACTORS = tuple(itertools.product(("dataset", "raw"), ("softmax", "logits"), ("normal", "he")))


def dissect(store: ClipStore, real: ClipStore, *, width: float = 1.0, steps: int = 50, profile: str = "quick") -> dict:
    """Return the autopsy's tables.

    Args:
        store: synthetic data.
        real: real video.
        width: of the networks whose first steps are traced, and whose signal is measured.
        steps: of each trace, and of each cell of the grid.
        profile: of what is learnt by heart, of the grid, and of the lattice at batch 16.
    """
    lattices = [
        _lattice(data, _c3d(f"width={width}", "batch_size=2"), of, classes, steps)
        for data, of, classes in (
            ("synthetic data", store, 11),
            ("Weizmann, 11 outputs as for UCF-11", real, 11),
            ("Weizmann, its own 10 outputs", real, 10),
        )
    ]
    lattices.append(_lattice("synthetic data", _c3d(profile=profile), store, 11, steps))
    starts = {
        "2019": _vgg9("2019", width),
        "2019 + init=he": _vgg9("2019", width, "init=he"),
        "repaired": _vgg9("repaired", width),
    }
    grids = {
        recipe: autopsy.grid(RunConfig("c3d", recipe=recipe, profile=profile), store, steps)
        for recipe in ("2019", "repaired")
    }
    return {
        "source": "synthetic, and real video (Weizmann) where it says so",
        "width": width,
        "steps": steps,
        "profile": profile,
        "rows": lattices,
        "cells": [_cell(store, *factors, width, steps, profile) for factors in FACTORS],
        "signals": _signals(store, width),
        "vgg9": {name: autopsy.trace(config, store, steps).to_dict("list") for name, config in starts.items()},
        "grid": grids,
        "overfit": [_overfit(RunConfig(model, profile=profile), store) for model in recipes.MODELS]
        + [_overfit(_c3d(profile=profile), store)],
    }


def _overfit(config: RunConfig, store: ClipStore) -> dict:
    found = overfit(config, 8, store=store, say=lambda line: None)
    last = {"loss": found.losses[-1], "steps": len(found.losses) * EVERY}
    return {"model": config.model, "recipe": config.recipe, "fitted": found.fitted, "findings": found.findings} | last


def _c3d(*settings: str, health: bool = True, profile: str = "quick") -> RunConfig:
    return RunConfig("c3d", recipe="2019", health=health, profile=profile).having(*settings)


def _vgg9(recipe: str, width: float, *settings: str) -> RunConfig:
    return RunConfig("vgg9", recipe=recipe).having(f"width={width}", "batch_size=2", *settings)


def _lattice(data: str, config: RunConfig, store: ClipStore, classes: int, steps: int) -> dict:
    found, (recipe, profile) = autopsy.trace(config, store, steps, classes), config.resolved()
    row = {"data": data, "classes": classes, "batch_size": recipe.batch_size, "width": profile.width}
    return row | autopsy.on_lattice(found, classes, recipe.batch_size) | {"trace": found.to_dict("list")}


def _cell(store: ClipStore, inputs: str, head: str, init: str, width: float, steps: int, profile: str) -> dict:
    """One cell of the factorial: the first steps, and whether such a network can learn eight sequences by heart."""
    values = {"head": (head, "softmax"), "init": (init, "normal"), "inputs": (inputs, "dataset")}
    changed = [f"{name}={value}" for name, (value, original) in values.items() if value != original]
    found = autopsy.trace(_c3d(f"width={width}", "batch_size=2", *changed), store, steps)
    heart = overfit(
        _c3d(*changed, health=False, profile=profile), 8, most=2 * steps, store=store, say=lambda line: None
    )
    norms = found["gradient_norm"].iloc[1:]
    return {
        "head": head,
        "init": init,
        "inputs": inputs,
        "first_loss": float(found["loss"].iloc[0]),
        "median_norm": float(norms.median()),
        "without_gradient": float((norms == 0).mean()),
        "by_heart": heart.accuracies[-1],
        "by_heart_steps": len(heart.losses) * EVERY,
        "trace": found.to_dict("list"),
    }


def _signals(store: ClipStore, width: float) -> list[dict]:
    rows = []
    for model in recipes.MODELS:
        for recipe, *settings in (("2019",), ("2019", "init=he"), ("repaired",)):
            config = RunConfig(model, recipe=recipe).having(f"width={width}", *settings)
            found = amplification.signal(config, store)
            row = {"model": model, "recipe": " + ".join([recipe, *settings]), "first_loss": found.attrs["loss"]}
            rows.append(row | found.to_dict("list"))
    return rows


def factorial_table(cells: Sequence[dict]) -> pd.DataFrame:
    """Return who learns and who does not, a cell of `dissect` a row, as a reader wants it."""
    names = {"normal": "N(0, 0.1)", "he": "He", "dataset": "normalised", "raw": "0 to 255"}
    rows = [
        {
            "input": names[cell["inputs"]],
            "head": cell["head"],
            "weights": names[cell["init"]],
            "first loss": f"{cell['first_loss']:.4g}",
            "median gradient norm": f"{cell['median_norm']:.2g}",
            "steps without gradient": f"{100 * cell['without_gradient']:.0f} %",
            "learnt by heart": f"{8 * cell['by_heart']:.0f} of 8 in {cell['by_heart_steps']} steps",
        }
        for cell in cells
    ]
    return pd.DataFrame(rows)
