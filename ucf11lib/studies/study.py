"""An experiment as data: what is run, and what is read off the runs."""

import itertools
from collections.abc import Callable, Mapping
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
    """One experiment.

    Attributes:
        name: of report/results/<name>.json and figures/<name>.svg.
        question: one sentence.
        base: what all runs have in common.
        axes: for each axis its labels, each with what it changes. Every combination is run.
        seeds: of every combination; none for the configuration's own.
        metrics: keys of metrics.json that become columns.
        probes: further columns, each a function of a finished run.
        then: from the rows so far to the next stage, a study whose rows are added.
        measure: instead of a training: from a configuration to one or more rows.
        figure: from the rows and the note on the data to the figure; None if it has none.
        videos: whether it reads real video.
    """

    name: str
    question: str
    base: RunConfig
    axes: Mapping[str, Axis] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)
    metrics: tuple[str, ...] = ("accuracy",)
    probes: Mapping[str, Callable[[Run], object]] = field(default_factory=dict)
    then: Callable[[pd.DataFrame], "Study"] | None = None
    measure: Callable[[RunConfig], list[dict]] | None = None
    figure: Callable[[pd.DataFrame, str], Figure | None] | None = None
    videos: bool = False

    def points(self, videos: Path = VIDEOS) -> dict[RunConfig, dict[str, str]]:
        """Return all runs, each with its label on each axis, in the order of the axes.

        A combination that is the same run as one before is left out.

        Raises:
            UserError: an unknown parameter, value or model.
        """
        points: dict[RunConfig, dict[str, str]] = {}
        for labels in itertools.product(*self.axes.values()):
            flat = self.base.flat()
            named = dict(zip(self.axes, labels, strict=True))
            for axis, label in named.items():
                flat |= _resolved(self.axes[axis][label], flat, videos)
            config = RunConfig.of(**flat)
            models.check_model(config.model)
            for seed in self.seeds or (config.seed,):
                points.setdefault(config.with_(seed=seed), named)
        return points

    def at(self, **changes: Any) -> "Study":
        """Return the same with changes after those of all axes, such as `profile="smoke"`."""
        then = self.then
        later = then and (lambda rows: then(rows).at(**changes))
        return replace(self, axes=self.axes | {"at": {"changed": changes}}, then=later)


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

    def up_to(n: int) -> Changes:
        def changes(config: RunConfig, videos: Path) -> dict[str, Any]:
            flat: dict[str, Any] = {}
            for one in list(axis.values())[:n]:
                flat |= _resolved(one, config.flat() | flat, videos)
            return flat

        return changes

    return {label: up_to(n) for n, label in enumerate(axis, 1)}


def over(name: str, *values: object) -> Axis:
    """Return an axis over the values of one flat parameter."""
    return {str(value): {name: value} for value in values}


def over_models(*models: str, **changes: Mapping[str, Any]) -> Axis:
    """Return an axis over models, with the changes given for each."""
    return {model: {"model": model} | changes.get(model, {}) for model in models}


def _resolved(changes: Changes, flat: dict[str, Any], videos: Path) -> Mapping[str, Any]:
    return changes(RunConfig.of(**flat), videos) if callable(changes) else changes
