"""Cross-validation: each group index is held out once, UCF-11's protocol (Liu, Luo, Shah 2009).

Nested (Varma and Simon, BMC Bioinformatics 2006), each fold gets those of several settings that
have the lowest validation loss on an inner split of its training part. The split balances numbers
of sequences, so settings of another stride may hold out other groups.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ucf11lib import paths
from ucf11lib.data import open_or_prepare
from ucf11lib.data.splits import list_folds
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.evaluation.metrics import HeldOut, measure_predictions, one_a_clip
from ucf11lib.models import check_model
from ucf11lib.runs import Run, RunConfig
from ucf11lib.runs.config import NAMED, parse_settings
from ucf11lib.studies.runner import run_study
from ucf11lib.studies.study import Axis, Study

SELECTED = "selected"
METRICS = ("model", "fold", "n_train", "n_val", "accuracy", "accuracy_clip", "val_loss", "seconds")


def fold_axis(folds: Sequence[str]) -> Axis:
    """Return an axis that holds each of `folds` out."""
    return {fold: {"split": "logo", "fold": fold} for fold in folds}


def nested(study: Study, candidates: Sequence[str]) -> Study:
    """Return two stages: each candidate on inner splits, then `study` with each fold's best.

    A candidate is settings such as "dropout=0.5,stride=10"; "" for none. The study is over folds,
    with `METRICS`.
    """
    fixed = (*NAMED, "inner", "seed")
    changes = {text: parse_settings(filter(None, text.split(",")), fixed) for text in candidates}
    inner = {text: settings | {"inner": True} for text, settings in changes.items()}

    def outer(rows: pd.DataFrame) -> Study:
        tried = rows[rows["candidate"].isin(inner)]
        finite = tried.dropna(subset=["val_loss"])
        best = finite.loc[finite.groupby(["model", "fold"])["val_loss"].idxmin()]
        best = best.set_index(["model", "fold"])["candidate"]
        for model, fold in set(tried.set_index(["model", "fold"]).index) - set(best.index):
            diverged = "no candidate has a finite loss on its inner split"
            raise RunFailed(f"{model}, fold {fold}: {diverged}; give others with --choose")

        def selected(config: RunConfig, _: Path) -> dict:
            return changes[best[config.model, config.split.fold]]

        settings = {"settings": lambda run: best[run.config.model, run.config.split.fold]}
        axes = study.axes | {"candidate": {SELECTED: selected}}
        return replace(study, axes=axes, probes=settings)

    return replace(study, axes=study.axes | {"candidate": inner}, then=(outer, *study.then))


def joined(parts: Sequence[HeldOut]) -> dict[str, np.ndarray]:
    """Return the held-out sequences of all folds together."""
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def pooled(study: Study) -> Study:
    """Return `study` with a further stage: the held-out parts of a model's folds together.

    `accuracy` is by sequence, and `mean_accuracy` its mean over the folds. The others are of one
    answer a clip, so that none counts more for a smaller stride: `accuracy_clip`, its 95 % interval
    over groups (not over networks) `low` to `high`, `macro_f1`, and `confusion` of `classes`.
    """

    def all_folds(rows: pd.DataFrame) -> Study:
        tested = rows[rows["candidate"] == SELECTED] if "candidate" in rows else rows

        def measure(config: RunConfig) -> list[dict]:
            folds = tested[tested["model"] == config.model]
            runs = [Run.open(paths.runs_dir() / name) for name in folds["run"]]
            together = joined([run.held_out for run in runs])
            of_clips = measure_predictions(**one_a_clip(together))
            low, high = of_clips["interval"] or (None, None)
            row = {key: of_clips[key] for key in ("accuracy_clip", "macro_f1", "confusion")}
            row |= {"classes": runs[0].data.classes, "low": low, "high": high}
            row["accuracy"] = measure_predictions(**together)["accuracy"]
            row["mean_accuracy"] = float(folds["accuracy"].mean())
            return [row | {"n_val": len(together["y_true"])}]

        return replace(study, axes=study.axes | {"fold": {"all": {}}}, measure=measure)

    return replace(study, then=(all_folds,))


def crossval(
    config: RunConfig,
    *,
    candidates: Sequence[str] = (),
    out: Path | str | None = None,
    command: str = "ucf11lib.studies.crossval",
    **options,
) -> Path:
    """Run all folds of a configuration; resumes. Return the path of the results, `summary.json`.

    Each fold gets the best of `candidates`, see `nested`. The summary is in `out`, by default
    `runs/crossval-...`: a row a fold, and one, "all", of all held-out sequences. It names
    `command`, which repeats it. Raises as
    `run_study`, whose `options` it has, and a `UserError` for data without folds.
    """
    if len(candidates) == 1:
        remedy = "nothing to select from; give it twice or more"
        raise UserError(f"--choose {candidates[0]!r}: {remedy}")
    check_model(config.model)
    for one in candidates:  # refused before minutes of decoding
        config.with_(**parse_settings(filter(None, one.split(",")), NAMED))
    folds = fold_axis(list_folds(open_or_prepare(config.data)))
    name = f"crossval-{config.name}"
    if candidates:
        name += f"-{hashlib.sha256(repr(list(candidates)).encode()).hexdigest()[:8]}"
    question = "How accurate is the model where each group index is held out once?"
    study = pooled(Study(name, question, config, {"fold": folds}, (), METRICS))
    study = nested(study, candidates) if candidates else study
    file = (Path(out) if out else paths.runs_dir() / name) / "summary.json"
    return run_study(study, command, file=file, **options)
