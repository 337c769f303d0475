"""The run folder: one training, everything needed to repeat it, and everything it measured.

config.json        the configuration, and the store that it was trained on
environment.json   versions, devices, processor, git commit
history.csv        one line an epoch: epoch, loss, accuracy, val_loss, val_accuracy, seconds
model.keras        the last weights: no epoch is chosen by the accuracy that is reported
predictions.npz    index, y_true, y_prob of the validation part
split.csv          one line a sequence of the store: index, clip, group, side (train or held out)
metrics.json       written last: a folder without it is a run that did not finish
checkpoint.npz     of such a run, and checkpoint-previous.npz: what `train --resume` starts from
"""

import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ucf11lib.errors import UserError
from ucf11lib.runs.config import RunConfig
from ucf11lib.runs.parsing import read_json
from ucf11lib.runs.records import Environment, Metrics, StoreRecord

HISTORY = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"]
REMEDY = "train again"


@dataclass(frozen=True)
class Run:
    """A finished run folder, read on access; a damaged file raises a one-line `UserError`."""

    path: Path

    @classmethod
    def open(cls, path: Path | str) -> "Run":
        """Open the run at `path`; raises `UserError` for none, or one that did not finish."""
        path = Path(path)
        if not (path / "config.json").is_file():
            raise UserError(f"{path}: not a run folder (no config.json); make one with "
                            "'python -m ucf11lib train'")  # fmt: skip
        if not (path / "metrics.json").is_file():
            raise UserError(f"{path}: this run did not finish; resume it with 'train ... --run "
                            f"{path} --resume'")  # fmt: skip
        return cls(path)

    @cached_property
    def config(self) -> RunConfig:
        """What the run was asked to be."""
        return read_json(self.path / "config.json", RunConfig, REMEDY)

    @cached_property
    def data(self) -> StoreRecord:
        """What it was trained on."""
        return read_json(self.path / "config.json", StoreRecord, REMEDY)

    @cached_property
    def metrics(self) -> Metrics:
        """The contents of metrics.json."""
        return read_json(self.path / "metrics.json", Metrics, REMEDY)

    @cached_property
    def environment(self) -> Environment:
        """The contents of environment.json."""
        return read_json(self.path / "environment.json", Environment, REMEDY)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row an epoch, columns `HISTORY`."""
        table = _read_csv(self.path / "history.csv")
        if list(table.columns) != HISTORY or not len(table):
            damage = f"damaged (columns {list(table)[:6]})"
            raise UserError(f"{self.path}/history.csv: {damage}; {REMEDY}")
        return table

    @cached_property
    def predictions(self) -> dict[str, np.ndarray]:
        """Arrays `index`, `y_true` (n,) and `y_prob` (n, classes) of the validation part."""
        path = self.path / "predictions.npz"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                arrays = {key: saved[key] for key in ("index", "y_true", "y_prob")}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: damaged ({error}); {REMEDY}") from None
        n = len(arrays["index"])
        if arrays["y_true"].shape != (n,) or arrays["y_prob"].shape != (n, len(self.data.classes)):
            raise UserError(f"{path}: damaged (arrays that do not fit each other); {REMEDY}")
        return arrays

    @cached_property
    def held_out(self) -> dict[str, np.ndarray]:
        """Arrays `y_true`, `y_prob`, `clips` and `groups` of the validation part."""
        path = self.path / "split.csv"
        table = _read_csv(path, dtype={"clip": str, "group": str}, keep_default_na=False)
        try:
            rows = table.set_index("index").loc[self.predictions["index"]]
            units = {"clips": rows["clip"].to_numpy(str), "groups": rows["group"].to_numpy(str)}
        except KeyError as error:
            raise UserError(f"{path}: damaged ({error}); {REMEDY}") from None
        return {key: self.predictions[key] for key in ("y_true", "y_prob")} | units

    @property
    def note(self) -> str:
        """On what data and how the numbers were obtained, for figures and tables."""
        c = self.config
        overrides = ", ".join(f"{key}={value}" for key, value in c.overrides.items())
        recipe = " with ".join(filter(None, [c.recipe.name, overrides]))
        split = f"{c.split.kind} split" + (f", fold {c.split.fold}" if c.split.fold else "")
        inner = "inner part of " if c.split.inner else ""
        return (
            f"{self.data.data_kind}, {inner}{split}, recipe {recipe}, profile {c.profile.name}, "
            f"width {c.profile.width:g}, {c.precision}, seed {c.seed}"
        )

    @property
    def confusion(self) -> np.ndarray:
        """Counts, int (classes, classes), rows are true classes."""
        return np.asarray(self.metrics["confusion"])

    @property
    def class_accuracies(self) -> list[float]:
        """Accuracy of each class, NaN for one that does not occur in the validation part."""
        values = self.metrics["per_class_accuracy"]
        return [np.nan if value is None else value for value in values]


def _read_csv(path: Path, **options) -> pd.DataFrame:
    try:
        if not path.is_file():
            raise UserError(f"{path}: no such file; {REMEDY}")
        return pd.read_csv(path, **options)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: damaged ({error}); {REMEDY}") from None


def lock_file(path: Path) -> Path:
    """Return the lock file of a run folder, held by the process that trains in it."""
    return path.with_name(f".{path.name}.lock")
