"""The file that a study leaves: tidy rows, one a run, and everything that they came from."""

import datetime
import functools
import json
import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ucf11lib import paths, text
from ucf11lib.data import open_or_prepare
from ucf11lib.runs import Run, RunConfig
from ucf11lib.runs.environment import describe
from ucf11lib.runs.parsing import damage_in_one_line, read_json
from ucf11lib.studies.study import Study, new_trainer

TOLERANCE = 1e-3  # of a fingerprint's losses, absolute below 1, else relative
FINGERPRINT_STEPS = 3
NO_VIDEOS = Path(os.devnull)  # a comparison needs the names of folders alone
TINY = RunConfig.of(
    **{"model": "c3d", "profile": "smoke", "groups": 2, "clips": 1, "split": "random"},
    **{"batch_size": 4, "health": False, "precision": "float32"},
)


@dataclass(frozen=True)
class Results:
    """The contents of a results file."""

    study: str
    question: str
    command: str
    commit: str
    date: str
    machine: dict[str, Any]
    source: list[str]  # the kinds of data
    rows: list[dict[str, Any]]  # one a run
    dirty: bool = False  # with uncommitted changes
    configs: dict[str, dict] = field(default_factory=dict)  # of each run, by digest
    # See `fingerprint`; None for what is not finite.
    fingerprint: dict[str, list[float | None]] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """The rows as a table."""
        return pd.DataFrame(self.rows)

    @property
    def note(self) -> str:
        """One line for a figure: the study's command and date, its data and widths."""
        configs = self.configs.values()
        shown = "; " + text.widths((one["model"], one["profile"]["width"]) for one in configs)
        what = f"{', '.join(self.source)}{shown if configs else ''}"
        return f"{self.command}, {self.date}: {what}"

    def formatted(self) -> str:
        """Return the rows as text, without lists; above them, what is the same in all rows."""
        lists = self.table.map(lambda value: isinstance(value, list | tuple | dict)).any()
        return text.table_lines(self.table.loc[:, ~lists].dropna(axis=1, how="all"))


def results_file(name: str) -> Path:
    """Return where the results of a study are."""
    return paths.RESULTS / f"{name}.json"


def load(name: str) -> Results:
    """Return the results of a study; raise a `UserError` if it has none that can be read."""
    return read_json(results_file(name), Results, f"make it with 'python -m ucf11lib study {name}'")


def collect(
    study: Study, command: str, rows: list[dict], configs: Collection[RunConfig]
) -> Results:
    """Return the rows of a study with what they came from."""
    made_by = describe()
    machine = {key: made_by[key] for key in ("processor", "instruction_sets", "cores", "devices")}
    elsewhere = {f"{row['device']}, {row['backend']}" for row in rows if "device" in row}
    folders = {paths.runs_dir() / str(row["run"]) for row in rows if "run" in row}
    environments = [Run(one).environment for one in folders if (one / "metrics.json").is_file()]
    processors = {one["processor"] for one in environments}
    if processors - {machine["processor"]}:  # a cluster's, or of a study that was begun elsewhere
        elsewhere |= processors
    if elsewhere:
        machine = {"description": "; ".join(sorted(elsewhere))}
    return Results(
        study=study.name,
        question=study.question,
        command=command,
        commit=made_by["commit"] or "",
        date=datetime.date.today().isoformat(),
        machine=machine,
        source=sorted({open_or_prepare(data).kind for data in {one.data for one in configs}}),
        rows=rows,
        dirty=made_by["uncommitted_changes"],
        configs=_by_digest(configs),
        fingerprint=fingerprint(configs),
    )


def stale(study: Study, results: Results) -> str:
    """Return why results are not those of today's code; empty if they are."""
    if any(str(row.get("status")).startswith("failed") for row in results.rows):
        return "some of its runs failed"
    with damage_in_one_line(results_file(results.study), f"run 'study {results.study} --force'"):
        stages = study.stages(results.rows)
        configs = [config for stage in stages for config in stage.points(NO_VIDEOS)]
        changed = _settings(study, _by_digest(configs)) ^ _settings(study, results.configs)
    if changed:
        return f"{len(changed)} of its configurations have changed"
    for key, losses in fingerprint(configs).items():
        before = results.fingerprint.get(key, [])
        options: dict[str, Any] = {"rtol": TOLERANCE, "atol": TOLERANCE, "equal_nan": True}
        today, then = (np.array(one, float) for one in (losses, before))
        if today.shape != then.shape or not np.allclose(today, then, **options):
            return f"the first losses of {key} are {losses}, and were {before}"
    return ""


def _settings(study: Study, configs: Mapping[str, dict]) -> set[str]:
    """Return configurations as text, without what the rows of `study` do not depend on."""
    unread = dict.fromkeys(study.unread)
    texts = set()
    for one in configs.values():
        read = {part: one[part] | unread for part in ("profile", "data")}
        texts.add(json.dumps(one | read | {"precision": ""}, sort_keys=True))
    return texts


def fingerprint(configs: Collection[RunConfig]) -> dict[str, list[float | None]]:
    """Return the first losses of each model and recipe, at a small width, in float32."""
    kinds: dict[RunConfig, RunConfig] = {}
    for config in configs:
        recipe = replace(config.recipe, name="", batch_size=4, target_accuracy=None)
        tiny = replace(TINY, model=config.model, recipe=recipe)
        kinds.setdefault(replace(tiny, recipe=replace(recipe, learning_rate=1.0)), tiny)
    return {f"{one.model} {one.digest}": first_losses(one) for one in kinds.values()}


@functools.cache
def first_losses(config: RunConfig) -> list[float | None]:
    """Return the losses of the first steps of a training; None for what is not finite."""
    trainer = new_trainer(config)
    rows = [np.asarray(trainer.step(*one)) for one in trainer.batches(0, FINGERPRINT_STEPS)]
    losses = [round(float(row[0]) / config.recipe.batch_size, 6) for row in rows]
    return [loss if math.isfinite(loss) else None for loss in losses]


def summary_table(
    table: pd.DataFrame, by: Sequence[str], value: str = "accuracy", against: str | None = None
) -> pd.DataFrame:
    """Return mean and range of shares, 0..1, over the rows that agree in `by`: `runs` of them.

    Of the columns `by`, the last holds conditions. With one of these as `against`, the column
    `points` has the difference of its mean and each, in points. The order is that of appearance.
    """
    groups = table.dropna(subset=[value]).groupby(list(by), sort=False)[value]
    summary = groups.agg([lambda shares: text.mean_and_range(list(shares)), "size", "mean"])
    summary = summary.set_axis([value, "runs", "mean"], axis=1).reset_index()
    if against is not None:
        means = summary["mean"].where(summary[by[-1]] == against)
        outer = [summary[name] for name in by[:-1]] or np.zeros(len(summary))
        base = means.groupby(outer).transform("first")
        summary["points"] = (100 * (summary["mean"] - base)).map("{:+.1f}".format)
    return summary.drop(columns="mean")


def _by_digest(configs: Collection[RunConfig]) -> dict[str, dict[str, Any]]:
    """Return configurations by a digest that depends neither on folders nor on the precision.

    Another machine has its data elsewhere, and another precision that is fastest.
    """
    digests = {}
    for config in configs:
        portable = replace(config, data=replace(config.data, folder=Path(config.data.folder).name))
        digests[replace(portable, precision="float32").digest] = portable.as_dict()
    return digests
