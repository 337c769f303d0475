"""The run folder: one training, everything needed to repeat it, and everything that it found.

config.json        what was asked for, and the recipe and profile that it stood for
environment.json   versions, devices, git commit
history.csv        one line an epoch: epoch, loss, accuracy, val_loss, val_accuracy, seconds
model.keras        the last weights: no epoch is chosen by the accuracy that is reported
best.weights.h5    the weights of the epoch with the best validation accuracy
predictions.npz    index, y_true, y_prob of the validation part
split.csv          one line a sequence of the store: index, clip, group, side (train or held out)
metrics.json       written last: a folder without it is a run that did not finish
checkpoint.npz     of such a run, and checkpoint-before.npz the one before: what `train --resume` goes on from
"""

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ucf11lib import paths, recipes
from ucf11lib.errors import UserError

if TYPE_CHECKING:  # TensorFlow takes seconds to load, and what lists runs needs none of it
    from ucf11lib.backend import keras

COLUMNS = ["run", "status", "model", "recipe", "profile", "data", "split", "seed", "epoch", "epochs", "accuracy", "age"]
PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "av")


@dataclass(frozen=True)
class Run:
    """A finished run folder, read on access."""

    path: Path

    @classmethod
    def open(cls, path: Path | str) -> "Run":
        """Open the run at `path`.

        Raises:
            UserError: no run there, or one that did not finish.
        """
        path = Path(path)
        if not (path / "config.json").exists():
            raise UserError(f"{path}: not a run folder (no config.json); make one with 'python -m ucf11lib train'")
        if not (path / "metrics.json").exists():
            raise UserError(f"{path}: this run did not finish; go on with 'train ... --run {path} --resume'")
        return cls(path)

    @cached_property
    def config(self) -> dict:
        """The contents of config.json."""
        return json.loads((self.path / "config.json").read_text())

    @cached_property
    def metrics(self) -> dict:
        """The contents of metrics.json."""
        return json.loads((self.path / "metrics.json").read_text())

    @cached_property
    def environment(self) -> dict:
        """The contents of environment.json."""
        return json.loads((self.path / "environment.json").read_text())

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row an epoch."""
        return pd.read_csv(self.path / "history.csv")

    @cached_property
    def predictions(self) -> dict[str, np.ndarray]:
        """Arrays `index`, `y_true` (n,) and `y_prob` (n, classes) of the validation part."""
        with np.load(self.path / "predictions.npz") as kept:
            return {key: kept[key] for key in kept}

    @property
    def held_out(self) -> dict[str, np.ndarray]:
        """Arrays `y_true`, `y_prob`, `clips` and `groups` of the validation part, as `evaluation.compare` takes them.

        Raises:
            UserError: a run of a version that did not record its split.
        """
        try:
            split = pd.read_csv(
                self.path / "split.csv", index_col="index", dtype={"clip": str, "group": str}, keep_default_na=False
            )
        except FileNotFoundError:
            raise UserError(f"{self.path}: its clips were not recorded (no split.csv); train again") from None
        kept = self.predictions
        rows = split.loc[kept["index"]]
        units = {"clips": rows["clip"].to_numpy(str), "groups": rows["group"].to_numpy(str)}
        return {"y_true": kept["y_true"], "y_prob": kept["y_prob"], **units}

    @property
    def recipe(self) -> recipes.Recipe:
        """The recipe, as it was then."""
        return recipes.Recipe(**self.config["recipe_fields"])

    @property
    def note(self) -> str:
        """On what data the numbers were obtained, for figures and tables."""
        c = self.config
        recipe = " with ".join(filter(None, [c["recipe"], c.get("settings", "").replace(",", ", ")]))
        split = f"{c['split']} split" + (f", fold {c['fold']}" if c.get("fold") else "")
        return f"{c['data_kind']}, {split}, recipe {recipe}, profile {c['profile']}, seed {c['seed']}"

    @property
    def confusion(self) -> np.ndarray:
        """Counts, int (classes, classes), rows are true classes."""
        return np.asarray(self.metrics["confusion"])

    @property
    def class_accuracies(self) -> list[float]:
        """Accuracy of each class, nan for one that does not occur in the held-out part."""
        return [np.nan if value is None else value for value in self.metrics["per_class_accuracy"]]

    def model(self) -> "keras.Model":
        """Load the trained network."""
        from ucf11lib.backend import keras
        from ucf11lib.models import layers  # noqa: F401 - registers the layers that a saved model names

        try:
            return keras.saving.load_model(self.path / "model.keras", compile=False)
        except (OSError, ValueError) as error:
            raise UserError(f"{self.path}/model.keras: cannot be loaded ({error}); train again") from None


def find(folder: Path | str | None = None) -> list[Run]:
    """Return the finished runs under `folder`, `runs/` by default, in order of name."""
    folder = Path(folder) if folder else paths.runs_dir()
    return [Run(path.parent) for path in sorted(folder.glob("*/metrics.json"))]


def listing(folder: Path | str | None = None) -> pd.DataFrame:
    """Return every run under `folder`, `runs/` by default, whether it is finished or not; those of `reproduce`, too.

    Columns are run (its folder), status (`running`, `interrupted`, `unreadable`, or what metrics.json says), model,
    recipe, profile, data, split, seed, epoch (done), epochs (at most), accuracy (of the last epoch) and age (seconds
    since it last wrote). What a damaged folder does not tell is None.

    Raises:
        UserError: no such folder.
    """
    folder = Path(folder) if folder else paths.runs_dir()
    if not folder.is_dir():
        raise UserError(f"{paths.shown(folder)}: no such folder; train a model first, or give another with --runs")
    found = [*folder.glob("[!.]*/config.json"), *folder.glob(".report-*/runs/[!.]*/config.json")]
    return pd.DataFrame([_row(path.parent, folder) for path in sorted(found)], columns=COLUMNS, dtype=object)


def _row(path: Path, folder: Path) -> dict:
    config, metrics = (read_json(path / name) for name in ("config.json", "metrics.json"))
    row = dict.fromkeys(COLUMNS) | {"run": str(path.relative_to(folder)), "status": "unreadable"}
    try:
        history = pd.read_csv(path / "history.csv") if (path / "history.csv").exists() else pd.DataFrame()
        row |= {key: config[key] for key in ("model", "recipe", "profile", "split", "seed")}
        row |= {"data": config["data_kind"], "epoch": len(history), "epochs": config["profile_fields"]["epochs"]}
        row["accuracy"] = float(history["val_accuracy"].iloc[-1]) if len(history) else None
        row["age"] = time.time() - max(file.stat().st_mtime for file in path.iterdir())
        unfinished = "running" if paths.taken(path.with_name(f".{path.name}.lock")) else "interrupted"
        row["status"] = metrics["status"] if metrics else unfinished
    except (OSError, ValueError, KeyError, TypeError):  # a folder may be anything, and may vanish meanwhile
        return row
    return row


def listed(found: pd.DataFrame) -> str:
    """Return what `listing` found as a table to read."""
    shown = found.drop(columns=["epoch", "epochs", "profile"]).assign(
        epoch=[f"{row.epoch}/{row.epochs}" if row.epochs else None for row in found.itertuples()],
        accuracy=[None if value is None else f"{value:.1%}" for value in found["accuracy"]],
        age=[None if value is None else _age(value) for value in found["age"]],
    )
    return shown.fillna("-").to_string(index=False)


def _age(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def table(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return accuracy, macro_f1, seconds, seconds_to_75 (nan if never), speed and parameters, a run a row."""
    keys = ["accuracy", "macro_f1", "seconds", "seconds_to_75", "sequences_per_second", "parameters"]
    rows = {name: [run.metrics[key] for key in keys] for name, run in runs.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=keys).astype({"seconds_to_75": float})


def measures(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return what was measured on the held-out part, a run a row.

    Columns are accuracy, low and high (its 95 % interval over groups, NaN for a single group), accuracy_clip,
    accuracy_batch_mean, top2, macro_f1 and ece.
    """
    keys = ["accuracy_clip", "accuracy_batch_mean", "top2", "macro_f1", "ece"]
    rows = {}
    for name, run in runs.items():
        low, high = run.metrics["interval"] or (np.nan, np.nan)
        rows[name] = [run.metrics["accuracy"], low, high, *(run.metrics[key] for key in keys)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["accuracy", "low", "high", *keys])


def environment() -> dict:
    """Return versions, devices and the git commit, for `environment.json`."""
    from ucf11lib.backend import tf

    git = ["git", "-C", str(paths.ROOT)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        commit, dirty = None, ""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: version(name) for name in PACKAGES},
        "devices": [device.name for device in tf.config.list_logical_devices()],
        "cores": len(os.sched_getaffinity(0)),
        "commit": commit,
        "uncommitted_changes": bool(dirty),
    }


def write_json(path: Path, value: dict) -> None:
    """Write `value` to `path`, whole or not at all."""
    with paths.whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n")


def read_json(path: Path) -> dict | None:
    """Return the contents of `path`, or None where there is no readable JSON file."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
