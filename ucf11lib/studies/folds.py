"""Cross-validation: one group index held out at a time, so that every sequence is held out once.

It is UCF-11's own protocol (Liu, Luo and Shah 2009), with 25 folds. Settings can be selected for
each fold inside its training part (nested cross-validation; Varma and Simon, BMC Bioinformatics
2006): every candidate is trained on an inner split of the fold's training part, and the fold gets
the one of the lowest validation loss.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ucf11lib import paths
from ucf11lib.data import open_or_prepare
from ucf11lib.data.splits import list_folds
from ucf11lib.errors import UserError
from ucf11lib.evaluation import measure_predictions
from ucf11lib.runs import Run, RunConfig
from ucf11lib.runs.config import parse_settings
from ucf11lib.studies.runner import run_study
from ucf11lib.studies.study import Axis, Study

SELECTED = "selected"
METRICS = ("model", "fold", "n_train", "n_val", "accuracy", "accuracy_clip", "val_loss", "seconds")


def fold_axis(folds: Sequence[str]) -> Axis:
    """Return an axis that holds each of `folds` out."""
    return {fold: {"split": "logo", "fold": fold} for fold in folds}


def nested(study: Study, candidates: Sequence[str]) -> Study:
    """Return two stages: each candidate on inner splits, then `study` with each fold's best.

    Args:
        study: over folds, with `METRICS`.
        candidates: settings such as "dropout=0.5,stride=10"; "" for none.

    Raises:
        UserError: settings that cannot be read.
    """
    changes = {text: parse_settings(filter(None, text.split(","))) for text in candidates}
    inner = {text: settings | {"inner": True} for text, settings in changes.items()}

    def outer(rows: pd.DataFrame) -> Study:
        tried = rows[rows["candidate"].isin(inner)]
        losses = tried.pivot_table("val_loss", ["model", "fold"], "candidate", sort=False)
        best = losses.idxmin(axis=1)

        def selected(config: RunConfig, _: Path) -> dict:
            return changes[best[config.model, config.split.fold]]

        settings = {"settings": lambda run: best[run.config.model, run.config.split.fold]}
        axes = study.axes | {"candidate": {SELECTED: selected}}
        return replace(study, axes=axes, probes=settings)

    return replace(study, axes=study.axes | {"candidate": inner}, then=outer)


def pooled(study: Study, rows: pd.DataFrame) -> Study:
    """Return the stage after `study`: all held-out sequences of its folds together, see `pool`."""
    held_out = rows[rows["candidate"] == SELECTED] if "candidate" in rows else rows

    def measure(config: RunConfig) -> list[dict]:
        names = held_out.loc[held_out["model"] == config.model, "run"]
        return [pool([Run.open(paths.runs_dir() / name) for name in names])]

    axes = {name: axis for name, axis in study.axes.items() if name != "fold"}
    return replace(study, axes=axes | {"fold": {"all": {}}}, measure=measure, then=None)


def pool(runs: Sequence[Run]) -> dict:
    """Return what was measured on the held-out sequences of all runs together.

    Returns:
        n_val, accuracy, its 95 % interval over groups (low, high: which groups were drawn, not
        which networks), accuracy_clip, macro_f1, confusion, and mean_accuracy over the runs.
    """
    sides = [run.held_out for run in runs]
    together = {key: np.concatenate([side[key] for side in sides]) for key in sides[0]}
    measures = measure_predictions(**together)
    low, high = measures["interval"] or (None, None)
    row = {key: measures[key] for key in ("accuracy", "accuracy_clip", "macro_f1", "confusion")}
    mean = float(np.mean([run.metrics["accuracy"] for run in runs]))
    n = len(together["y_true"])
    return {"n_val": n, "mean_accuracy": mean, "low": low, "high": high} | row


def crossval(
    config: RunConfig,
    *,
    candidates: Sequence[str] = (),
    workers: int | None = None,
    scheduler: str = "",
    out: Path | str | None = None,
    log: Callable[[str], None] = tqdm.write,
) -> Path:
    """Run all folds of a configuration; leave `summary.json`, a results file, and resume.

    Args:
        config: what each fold is; its split and fold are replaced.
        candidates: settings of which each fold gets the best, see `nested`.
        workers, scheduler, log: as for `runner.run_configs`.
        out: the folder of the summary; `runs/crossval-...` by default.

    Returns:
        The summary: a row a fold, and one, "all", of all held-out sequences.

    Raises:
        UserError: data without folds, or what `run_configs` refuses.
        RunFailed: a fold failed; the summary has no row "all".
    """
    if len(candidates) == 1:
        raise UserError(
            f"--choose {candidates[0]!r}: nothing to select from; give it twice or more"
        )
    folds = fold_axis(list_folds(open_or_prepare(config.data)))
    name = f"crossval-{config.name}"
    question = "How accurate is the model where each group index is held out once?"
    study = Study(name, question, config, {"fold": folds}, (), METRICS)
    study = replace(study, then=functools.partial(pooled, study))
    if candidates:
        study = nested(study, candidates)
    folder = Path(out) if out else paths.runs_dir() / name
    options = {"workers": workers, "scheduler": scheduler, "log": log}
    command = f"python -m ucf11lib crossval {config.model}"
    return run_study(study, command, file=folder / "summary.json", **options)
