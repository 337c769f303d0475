"""Which recipe reaches 75 % first: the repaired one, that of 2019, or two peers' published ones?

Sequences do not depend on what else the machine does; seconds do. Each rival gets three times the
sequences that the repaired recipe needed, and one seed. To stop on the held-out accuracy, as in
2019, ends a measurement here; no accuracy of these runs is a result. The repaired recipe was tuned
on the synthetic data, the rivals were not.

Expect: the repaired recipe needs 1,000 to 4,500 sequences; no rival arrives.

    python -m ucf11lib study time_to_75 --force --videos DIR  # 36 trainings, 30 to 170 min, 2 cores
"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ucf11lib import figures
from ucf11lib.runs import REPORTED, RunConfig, named_recipe
from ucf11lib.runs.recipes import RECIPES
from ucf11lib.studies.study import Changes, Study, curve, over, weizmann

CHECK_EVERY_SEQUENCES = 320
RIVAL_LENGTH = 3  # times the sequences that the repaired recipe needed


def paced(recipe: str, epochs: Callable[[RunConfig], int]) -> Changes:
    """Return changes: the recipe, with a validation after every 320 sequences."""

    def changes(config: RunConfig, _: Path) -> dict:
        named = named_recipe(recipe, config.model)
        steps = CHECK_EVERY_SEQUENCES // named.batch_size
        length = {"steps_per_epoch": steps, "epochs": epochs(config)}
        health = named.head == "logits"  # the checks would stop a double softmax at once
        return {"recipe": recipe, "target_accuracy": 0.75, "health": health} | length

    return changes


def own_epochs(config: RunConfig) -> int:
    """Return how often the repaired recipe's complete training is validated."""
    steps = config.profile.epochs * config.profile.steps_per_epoch
    return math.ceil(steps * config.recipe.batch_size / CHECK_EVERY_SEQUENCES)


def rivals(rows: pd.DataFrame) -> Study:
    """Return the second stage: three times the longest run of the repaired recipe, one seed."""
    own = rows[rows["recipe"] == "repaired"]
    lengths = own["val_accuracy"].map(len).groupby([own["source"], own["model"]]).max()

    def epochs(config: RunConfig) -> int:
        return RIVAL_LENGTH * int(lengths[config.data.source, config.model])

    recipes = {recipe: paced(recipe, epochs) for recipe in RECIPES if recipe != "repaired"}
    return replace(STUDY, axes=STUDY.axes | {"recipe": recipes}, seeds=(0,))


def draw(table, note):
    """Draw accuracy over training sequences, a line a run, a panel a model and data."""
    long = table.explode("val_accuracy").reset_index(names="row")
    long["panel"] = long["model"] + " " + long["data"]
    long["accuracy"] = long["val_accuracy"].astype(float)
    long["sequences"] = CHECK_EVERY_SEQUENCES * (long.groupby("row").cumcount() + 1)
    columns = {"x": "sequences", "y": "accuracy", "line": "recipe", "panel": "panel"}
    return figures.lines(long, **columns, target=0.75, note=note)


STUDY = Study(
    name="time_to_75",
    question="Which recipe reaches 75 % first?",
    base=RunConfig.of(model="cnn_lstm"),
    axes={
        "data": {"synthetic": {}, "Weizmann": weizmann},
        "model": over("model", REPORTED),
        "recipe": {"repaired": paced("repaired", own_epochs)},
    },
    metrics=("source", "sequences_to_75", "seconds_to_75"),
    probes={"val_accuracy": curve("val_accuracy")},
    then=(rivals,),
    figure=draw,
    videos=True,
)
