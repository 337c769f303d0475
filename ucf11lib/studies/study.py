"""An experiment as data: what is run, and what is read off the runs."""

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ucf11lib import models, paths
from ucf11lib.runs import Run, RunConfig

# Flat parameters, or a function to them from the configuration so far and the folder of videos.
Changes = Mapping[str, Any] | Callable[[RunConfig, Path], Mapping[str, Any]]
Axis = Mapping[str, Changes]
VIDEOS = paths.ROOT.parent / "shared" / "videos"


@dataclass(frozen=True)
class Study:
    """One experiment."""

    name: str  # of report/results/<name>.json and figures/<name>.svg
    question: str
    base: RunConfig  # what all runs have in common
    axes: Mapping[str, Axis] = field(default_factory=dict)  # every combination of labels is run
    seeds: tuple[int, ...] = (0, 1, 2)  # of every combination; none for the configuration's own
    metrics: tuple[str, ...] = ("accuracy",)  # keys of metrics.json that become columns
    # Further columns, each a function of a finished run.
    probes: Mapping[str, Callable[[Run], object]] = field(default_factory=dict)
    # From the rows so far to the next stage, whose rows are added.
    then: Callable[[pd.DataFrame], "Study"] | None = None
    # Instead of a training: from a configuration to one or more rows.
    measure: Callable[[RunConfig], list[dict]] | None = None
    # From the rows and the note on the data to the figure, if it has one.
    figure: Callable[[pd.DataFrame, str], Figure | None] | None = None
    videos: bool = False  # whether it reads real video

    def points(self, videos: Path = VIDEOS) -> dict[RunConfig, dict[str, str]]:
        """Return all runs, each with its label on each axis, in the order of the axes.

        A combination that is the same run as one before is left out. Raises a `UserError` at an
        unknown parameter, value or model.
        """
        points: dict[RunConfig, dict[str, str]] = {}
        for labels in itertools.product(*self.axes.values()):
            named = dict(zip(self.axes, labels, strict=True))
            steps = [self.axes[axis][label] for axis, label in named.items()]
            config = RunConfig.of(**self.base.flat() | _merged(self.base, videos, steps))
            models.check_model(config.model)
            for seed in self.seeds or (config.seed,):
                points.setdefault(config.with_(seed=seed), named)
        return points


def _merged(config: RunConfig, videos: Path, steps: Iterable[Changes]) -> dict[str, Any]:
    """Return the changes of all steps; each sees the configuration that those before lead to."""
    flat: dict[str, Any] = {}
    for step in steps:
        flat |= step(config.with_(**flat), videos) if callable(step) else step
    return flat


def weizmann(_: RunConfig, videos: Path) -> dict[str, str]:
    """Return the changes for real video: ten actions by nine people."""
    return {"source": "videos", "data": str(videos / "weizmann")}


def in_turn(first: Study, *others: Study) -> Study:
    """Return the first study, whose further stages are the others."""
    return replace(first, then=lambda _: in_turn(*others)) if others else first


def repaired(*names: str) -> Changes:
    """Return changes that give fields the values of the model's repaired recipe."""

    def changes(config: RunConfig, _: Path) -> dict[str, Any]:
        recipe = RunConfig.of(model=config.model).recipe
        return {name: getattr(recipe, name) for name in names}

    return changes


def added_up(axis: Axis) -> Axis:
    """Return the axis of an ablation: each label has the changes of those before, too."""
    steps = list(axis.values())
    return {label: functools.partial(_merged, steps=steps[:n]) for n, label in enumerate(axis, 1)}


def over(parameter: str, values: Iterable[object]) -> Axis:
    """Return an axis over the values of one flat parameter."""
    return {f"{one:g}" if isinstance(one, float) else str(one): {parameter: one} for one in values}
