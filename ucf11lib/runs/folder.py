"""The run folder: one training, everything needed to repeat it, and everything it measured.

config.json        the configuration, and the store that it was trained on
environment.json   versions, devices, processor, git commit
history.csv        one line an epoch: epoch, loss, accuracy, val_loss, val_accuracy, seconds
model.keras        the last weights: no epoch is chosen by the accuracy that is reported
predictions.npz    index, y_true, y_prob of the validation part; y_pred, its labels each epoch
split.csv          one line a sequence that was divided: index, clip, group, side (train, held out)
metrics.json       written last: a folder without it is a run that did not finish
checkpoint.npz     of such a run, and checkpoint-previous.npz: what `train --resume` starts from
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.runs.config import RunConfig
from ucf11lib.runs.parsing import damage_in_one_line, read_arrays, read_json, read_table
from ucf11lib.runs.records import Environment, Metrics, StoreRecord

HISTORY = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"]
# Whose digests are in metrics.json
MEASURED = {"config.json", "history.csv", "model.keras", "predictions.npz", "split.csv"}
LABELS = ("y_true", "y_pred")  # of predictions.npz
REMEDY = "train again"
MAX_BYTES = 8 << 30  # no file of a run is larger


def are_probabilities(shares: np.ndarray) -> bool:
    """Return whether each row of (n, classes) is a distribution, but for rounding."""
    return bool(np.all(shares >= -1e-3) and np.allclose(shares.sum(axis=1), 1, atol=0.05))


@dataclass(frozen=True)
class Run:
    """A finished run folder, read on access; a damaged file raises a one-line `UserError`."""

    path: Path

    @classmethod
    def open(cls, path: Path | str) -> "Run":
        """Open the run at `path`; raises `UserError` for none, or one that did not finish."""
        path = Path(path)
        if not (path / "config.json").is_file():
            remedy = "make one with 'python -m ucf11lib train'"
            raise UserError(f"{path}: not a run folder (no config.json); {remedy}")
        if not (path / "metrics.json").is_file():
            remedy = f"resume it with 'train ... --run {path} --resume'"
            raise UserError(f"{path}: this run did not finish; {remedy}")
        return cls(path)

    @cached_property
    def config(self) -> RunConfig:
        """What the run was asked to be."""
        path = self.path / "config.json"
        config = read_json(path, RunConfig, REMEDY)
        try:
            config.flat()  # its parts may contradict each other
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
        return config

    @cached_property
    def data(self) -> StoreRecord:
        """What it was trained on."""
        record = read_json(self.path / "config.json", StoreRecord, REMEDY)
        if len(set(record.classes)) < len(record.classes):
            raise UserError(f"{self.path}/config.json: two classes have one name; {REMEDY}")
        return record

    @cached_property
    def metrics(self) -> Metrics:
        """The contents of metrics.json."""
        path = self.path / "metrics.json"
        metrics, n = read_json(path, Metrics, REMEDY), len(self.data.classes)
        with damage_in_one_line(path, REMEDY):
            shape = np.array(metrics["confusion"], np.int64).shape
            lengths = [len(metrics[name]) for name in ("classes", "per_class_accuracy")]
            lengths.append(2 if metrics["interval"] is None else len(metrics["interval"]))
            if shape != (n, n) or lengths != [n, n, 2]:
                raise ValueError("lists that do not fit its classes")
            if set(metrics["per_class_accuracy"]) == {None}:
                raise ValueError("no class occurs")
        return metrics

    @cached_property
    def environment(self) -> Environment:
        """The contents of environment.json."""
        return read_json(self.path / "environment.json", Environment, REMEDY)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row an epoch, columns `HISTORY`."""
        path = self.path / "history.csv"
        table = read_table(path, HISTORY, REMEDY)
        with damage_in_one_line(path, REMEDY):
            if not len(table):
                raise ValueError("no epoch")
            table = table[HISTORY].astype(float).astype({"epoch": int})
            shares = table[["accuracy", "val_accuracy"]].stack()
            if not shares.between(0, 1).all():
                raise ValueError("an accuracy that is no share")
            return table

    @cached_property
    def predictions(self) -> dict[str, np.ndarray]:
        """Arrays `index`, `y_true` (n,) and `y_prob` (n, classes) of the validation part.

        And `y_pred` (epochs, n), the label after each epoch, of which older runs have no row.
        """
        path = self.path / "predictions.npz"
        saved, classes = read_arrays(path, REMEDY), len(self.data.classes)
        with damage_in_one_line(path, REMEDY):
            saved.setdefault("y_pred", np.empty((0, len(saved["index"])), np.int16))
            arrays = {key: saved[key] for key in ("index", "y_true", "y_prob", "y_pred")}
            n, kinds = len(arrays["index"]), "".join(one.dtype.kind for one in arrays.values())
            shapes = [one.shape for one in arrays.values()]
            expected = [(n,), (n,), (n, classes), (len(arrays["y_pred"]), n)]
            if not n or shapes != expected or kinds != "iifi":
                raise ValueError("arrays that do not fit each other")
            if arrays["index"].min() < 0 or len(set(arrays["index"].tolist())) < n:
                raise ValueError("an index that is negative or occurs twice")
            if not all(np.isin(arrays[key], np.arange(classes)).all() for key in LABELS):
                raise ValueError("a label that is no class")
            shares = arrays["y_prob"]
            if not np.isnan(shares).any() and not are_probabilities(shares):
                raise ValueError("answers that are no probabilities")
        return arrays

    @cached_property
    def held_out(self) -> dict[str, np.ndarray]:
        """Arrays `y_true`, `y_prob`, `clips` and `groups` of the validation part."""
        arrays = {key: self.predictions[key] for key in ("y_true", "y_prob")}
        path, texts = self.path / "split.csv", ("clip", "group")
        table = read_table(path, ["index", *texts], REMEDY, texts)
        with damage_in_one_line(path, REMEDY):
            if table["index"].duplicated().any():
                raise ValueError("an index occurs twice")
            rows = table.astype({"index": int}).set_index("index").loc[self.predictions["index"]]
            arrays |= {f"{name}s": rows[name].to_numpy(str) for name in texts}
        return arrays

    def changed(self) -> str:
        """Return one line if a file is not the one that was measured, or empty."""
        digests = self.metrics.get("sha256", {})
        for name in sorted(MEASURED & set(digests)):
            file, digest = self.path / name, digests[name]
            large = file.is_file() and file.stat().st_size > MAX_BYTES  # hashing it takes minutes
            if large or (file.is_file() and paths.sha256(file) != digest):
                return f"{file}: changed after it was measured; metrics.json is not of it"
        return ""

    @property
    def note(self) -> str:
        """On what data and how the numbers were obtained, for figures and tables."""
        config, split = self.config, self.config.split
        overrides = ", ".join(f"{key}={value}" for key, value in config.overrides.items())
        inner = "inner part of " if split.inner else ""
        parts = [self.data.data_kind, f"{inner}{split.kind} split"]
        parts += [f"fold {split.fold}"] if split.fold else []
        parts += [f"recipe {config.recipe.name}" + (f" with {overrides}" if overrides else "")]
        parts += [f"profile {config.profile.name}", f"width {config.profile.width:g}"]
        return ", ".join([*parts, config.precision, f"seed {config.seed}"])

    @property
    def confusion(self) -> np.ndarray:
        """Counts, int (classes, classes), rows are true classes."""
        return np.asarray(self.metrics["confusion"])

    @property
    def confusions(self) -> dict[int, np.ndarray]:
        """The confusion after each epoch; of older runs, after the last one only."""
        (y_true, y_pred), last = (self.predictions[key] for key in LABELS), self.metrics["epochs"]
        counts = np.zeros((len(y_pred), *self.confusion.shape), int)
        np.add.at(counts, (np.arange(len(y_pred))[:, None], y_true, y_pred), 1)
        return dict(enumerate(counts, last - len(counts) + 1)) | {last: self.confusion}


def lock_file(path: Path) -> Path:
    """Return the lock file of a run folder, held by the process that trains in it."""
    return path.parent / f".{path.name}.lock"
