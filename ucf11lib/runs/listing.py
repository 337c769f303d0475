"""Many run folders at once: which there are, how far they are, what they measured."""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ucf11lib import paths, text
from ucf11lib.errors import UserError
from ucf11lib.runs.folder import Run, lock_file


def list_runs(folder: Path | str | None = None) -> list[Run]:
    """Return the finished runs under `folder`, `runs/` by default, in order of name."""
    return [Run(path.parent) for path in sorted(_folder(folder).glob("[!.]*/metrics.json"))]


def runs_table(folder: Path | str | None = None) -> pd.DataFrame:
    """Return every run under `folder`, `runs/` by default, finished or not.

    Columns: run (its folder), status (`running`, `interrupted`, `unreadable`, or that of
    metrics.json), model, recipe, profile, data, split, seed, epoch (finished ones), epochs (at
    most), accuracy (of the last epoch) and age (seconds since the last write). What a damaged
    folder does not tell is None. Raises `UserError` for no such folder.
    """
    rows = [_row(Run(path)) for path in sorted(_folder(folder).iterdir()) if _may_be_run(path)]
    columns = ["run", "status", "model", "recipe", "profile", "data", "split", "seed"]
    columns += ["epoch", "epochs", "accuracy", "age"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _folder(folder: Path | str | None) -> Path:
    folder = Path(folder) if folder else paths.runs_dir()
    if not folder.is_dir():
        remedy = "train a model without --run, or give another folder with --runs"
        raise UserError(f"{paths.display(folder)}: no such folder; {remedy}")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UserError(f"{paths.display(folder)}: not readable; allow it with chmod")
    return folder


def _may_be_run(path: Path) -> bool:
    """Return whether a folder has a configuration, or cannot be looked into."""
    if path.name[0] == "." or not path.is_dir():
        return False
    return not os.access(path, os.X_OK) or (path / "config.json").exists()


def _row(run: Run) -> dict:
    row: dict[str, Any] = {"run": run.path.name, "status": "unreadable"}
    with contextlib.suppress(UserError, OSError):  # a folder may hold anything, and may vanish
        config, path = run.config, run.path
        row |= {"model": config.model, "recipe": config.recipe.name, "profile": config.profile.name}
        row |= {"data": run.data.data_kind, "split": config.split.kind, "seed": config.seed}
        history = run.history if (path / "history.csv").exists() else pd.DataFrame()
        row |= {"epoch": len(history), "epochs": config.profile.epochs}
        row["accuracy"] = float(history["val_accuracy"].iloc[-1]) if len(history) else None
        written = max(map(_written, path.iterdir()))
        row["age"] = max(time.time() - written, 0.0)  # clocks of machines differ
        unfinished = "running" if paths.is_locked(lock_file(path)) else "interrupted"
        finished = (path / "metrics.json").is_file()
        row["status"] = run.metrics["status"] if finished else unfinished
    return row


def _written(file: Path) -> float:
    """Return when a file was written, seconds; 0 for a temporary one, which may vanish."""
    with contextlib.suppress(FileNotFoundError):
        return file.lstat().st_mtime
    return 0.0


def as_json(table: pd.DataFrame) -> str:
    """Return a `runs_table` as JSON, an object a run; a folder's name may be no UTF-8."""
    return json.dumps(table.where(table.notna(), None).to_dict("records"))


def formatted(table: pd.DataFrame) -> str:
    """Return a `runs_table` as text."""
    if table.empty:
        return "no runs"
    shown = table.drop(columns=["epochs", "profile"])
    shown["epoch"] = table["epoch"].astype(str) + "/" + table["epochs"].astype(str)
    shown["epoch"] = shown["epoch"].where(table["epochs"].notna())
    shown["accuracy"] = table["accuracy"].map("{:.1%}".format, na_action="ignore")
    shown["age"] = table["age"].map(text.duration, na_action="ignore")
    return text.table_lines(shown.fillna("-"))


def common_note(runs: Mapping[str, Run]) -> str:
    """Return the note of a figure of several runs, by model, that differ in nothing else."""
    profiles = {model: run.config.profile for model, run in runs.items()}
    first = next(iter(runs))
    widths = text.widths((model, profile.width) for model, profile in profiles.items())
    return runs[first].note.replace(f"width {profiles[first].width:g}", widths)


def metrics_table(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return the metrics of each run, a run a row, named by the index.

    Beside the columns of the same names in metrics.json it has low and high, the accuracy's 95 %
    interval over groups; NaN is "never" (seconds_to_75) or "of a single group" (the interval).
    """
    keys = ["accuracy_clip", "accuracy_batch_mean", "top2", "macro_f1", "ece", "seconds"]
    keys += ["seconds_to_75", "sequences_per_second", "parameters"]
    table = pd.DataFrame([run.metrics for run in runs.values()], index=list(runs))
    table[["low", "high"]] = [run.metrics["interval"] or (None, None) for run in runs.values()]
    return table[["accuracy", "low", "high", *keys]].apply(pd.to_numeric)  # None becomes NaN
