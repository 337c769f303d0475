"""An experiment as data: what is run, and what is read off the runs."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ucf11lib import models, paths
from ucf11lib.data import ClipStore, open_or_prepare, split
from ucf11lib.runs import Run, RunConfig, named_recipe
from ucf11lib.training import Trainer

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
    axes: dict[str, Axis] = field(default_factory=dict)  # every combination of labels is run
    seeds: tuple[int, ...] = (0, 1, 2)  # of every combination; none for the configuration's own
    metrics: tuple[str, ...] = ("accuracy",)  # keys of metrics.json that become columns
    probes: Mapping[str, Callable[[Run], object]] = field(default_factory=dict)  # further columns
    # Further stages, whose rows are added: each a study, or a function to it from the rows so far.
    then: tuple["Study | Callable[[pd.DataFrame], Study]", ...] = ()
    measure: Callable[[RunConfig], list[dict]] | None = None  # rows, instead of a training
    unread: tuple[str, ...] = ()  # fields of profile and data that have no effect on the rows
    figure: Callable[[pd.DataFrame, str], Figure | None] | None = None  # of the rows and the note
    videos: bool = False  # whether it reads real video

    def points(self, videos: Path = VIDEOS) -> dict[RunConfig, dict[str, str]]:
        """Return all runs, without repetitions, each with its label on each axis, in their order.

        Raises a `UserError` at an unknown parameter, value or model.
        """
        points: dict[RunConfig, dict[str, str]] = {}
        for labels in itertools.product(*self.axes.values()):
            named = dict(zip(self.axes, labels, strict=True))
            steps = [self.axes[axis][label] for axis, label in named.items()]
            config = self.base.with_(**_merged(self.base, videos, steps))
            models.check_model(config.model)
            for seed in self.seeds or (config.seed,):
                points.setdefault(config.with_(seed=seed), named)
        return points

    def stages(self, rows: list[dict]) -> Iterator["Study"]:
        """Yield this study, then each further stage; `rows` are those so far, which may grow."""
        yield self
        for stage in self.then:
            yield stage(pd.DataFrame(rows)) if callable(stage) else stage


def _merged(config: RunConfig, videos: Path, steps: Iterable[Changes]) -> dict[str, Any]:
    """Return the changes of all steps; each sees the configuration that those before lead to."""
    flat: dict[str, Any] = {}
    for step in steps:
        flat |= step(config.with_(**flat), videos) if callable(step) else step
    return flat


def over(parameter: str, values: Iterable[object]) -> dict[str, Changes]:
    """Return an axis over the values of one flat parameter."""
    return {f"{one:g}" if isinstance(one, float) else str(one): {parameter: one} for one in values}


def added_up(axis: Axis) -> Axis:
    """Return the axis of an ablation: each label has the changes of those before, too."""
    steps = list(axis.values())
    return {label: functools.partial(_merged, steps=steps[:n]) for n, label in enumerate(axis, 1)}


def repaired(*names: str) -> Changes:
    """Return changes that give fields the values of the model's repaired recipe."""

    def changes(config: RunConfig, _: Path) -> dict[str, Any]:
        recipe = named_recipe("repaired", config.model)
        return {name: getattr(recipe, name) for name in names}

    return changes


def curve(name: str) -> Callable[[Run], list[float]]:
    """Return a probe: a column of history.csv, a number an epoch."""
    return lambda run: run.history[name].round(4).tolist()


def weizmann(_: RunConfig, videos: Path) -> dict[str, str]:
    """Return the changes for real video: ten actions by nine people."""
    return {"source": "videos", "data": str(videos / "weizmann")}


def new_trainer(config: RunConfig, store: ClipStore | None = None, **options) -> Trainer:
    """Return a training that has not begun and logs nothing; `options` are of `Trainer.of`."""
    store = store or open_or_prepare(config.data)
    return Trainer.of(config, store, split(store, config), log=lambda line: None, **options)
