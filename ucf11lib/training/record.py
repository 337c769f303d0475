"""What a training writes into its run folder, file by file; `runs.folder` has the list."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ucf11lib import paths
from ucf11lib.backend import tf
from ucf11lib.data.splits import split_table
from ucf11lib.evaluation.metrics import measure_predictions
from ucf11lib.evaluation.predict import probabilities
from ucf11lib.runs import Run, RunConfig, environment
from ucf11lib.runs.folder import HISTORY, MEASURED
from ucf11lib.runs.records import Metrics
from ucf11lib.training import workers
from ucf11lib.training.step import learning_rate
from ucf11lib.training.trainer import Epoch, Trainer

TARGET = 0.75  # the 2019 report's goal, of `seconds_to_75` and `sequences_to_75`


# What decides a training's numbers, beside its configuration and its data.
DECIDES: tuple[str, ...] = ("models", "data/batches.py", "data/splits.py", "data/store.py")
DECIDES += ("evaluation/metrics.py", "evaluation/predict.py", "training/adam.py")
DECIDES += ("training/step.py", "training/trainer.py", "training/health.py")


def begin(path: Path, trainer: Trainer) -> None:
    """Write configuration and environment; remove what a killed process did not finish.

    A run that other code began has the digests of both.
    """
    environment.reset_peak_memory()
    store = trainer.store
    path.mkdir(parents=True, exist_ok=True)
    for torn in filter(paths.is_torn, path.iterdir()):
        shutil.rmtree(torn) if torn.is_dir() else torn.unlink()
    window, size = store.frames.shape[1:3]
    data = {
        "store": str(paths.resolved(store.path)),
        "store_sha256": store.info.sha256,
        "data_kind": store.kind,
    }
    data |= {"classes": store.classes, "window": window, "size": size}
    code = environment.code_digest(*DECIDES)
    begun = Run(path).data.code if (path / "config.json").is_file() else ""
    if begun:
        code = begun if begun.split("+")[-1] == code else f"{begun}+{code}"
    data |= {"code": code} | workers.description(trainer.strategy)
    paths.write_json(path / "config.json", trainer.config.as_dict() | data)
    paths.write_json(path / "environment.json", environment.describe())


def save_history(path: Path, trainer: Trainer) -> None:
    """Write history.csv."""
    with paths.atomic_file(path / "history.csv") as temporary:
        pd.DataFrame(trainer.progress.epochs).to_csv(temporary, index=False)


def finish(path: Path, trainer: Trainer) -> None:
    """Write model, predictions, split and, last, metrics."""
    store, index = trainer.store, trainer.split.validation
    weights = sum(v.value.dtype.size * math.prod(v.shape) for v in trainer.model.variables)
    expected_bytes = 2 * weights + 2**20  # Keras builds the archive from a second copy beside it
    with (
        paths.atomic_file(path / "model.keras", expected_bytes=expected_bytes) as temporary,
        paths.temporary_files(path / "keras"),
    ):
        trainer.model.save(temporary)
    outputs = trainer.outputs
    if outputs is None:  # resumed after the last epoch
        outputs = trainer.predict(store, index)
    y_true, y_prob = store.labels[index], probabilities(outputs, trainer.config.recipe.head)
    y_pred = np.array(trainer.progress.answers, np.int16).reshape(-1, len(index))
    with paths.atomic_file(path / "predictions.npz") as temporary:
        np.savez(temporary, index=index, y_true=y_true, y_prob=y_prob, y_pred=y_pred)
    with paths.atomic_file(path / "split.csv") as temporary:
        split_table(store, trainer.split).to_csv(temporary, index=False)
    digests = {name: paths.sha256(path / name) for name in sorted(MEASURED)}
    paths.write_json(path / "metrics.json", _metrics(trainer, y_true, y_prob) | {"sha256": digests})


class Events:
    """Writes TensorBoard's events; a resumed training writes all anew, and has each once.

    Only looking at them should need the package tensorboard.
    """

    def __init__(self, folder: Path, config: RunConfig):
        self._steps = config.profile.steps_per_epoch
        self._rate = learning_rate(config.recipe, config.profile.epochs * self._steps)
        self._written = 0
        for old in folder.glob("events.out.tfevents.*"):  # the user may have added other files
            old.unlink()
        self._writer = tf.summary.create_file_writer(str(folder))

    def add(self, history: Sequence[Epoch]) -> None:
        """Write those epochs that are not written yet; an event's step is its epoch."""
        for epoch in history[self._written :]:
            last_step = epoch.epoch * self._steps - 1
            rate = self._rate(last_step) if callable(self._rate) else self._rate
            values = {name: getattr(epoch, name) for name in HISTORY[1:5]} | {"learning_rate": rate}
            summary = tf.compat.v1.Summary()  # `tf.summary.scalar` needs the package
            for name, value in values.items():
                summary.value.add(tag=name, simple_value=float(value))
            with self._writer.as_default():
                tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=epoch.epoch)
        self._written = len(history)
        self._writer.flush()


def _metrics(trainer: Trainer, y_true: np.ndarray, y_prob: np.ndarray) -> Metrics:
    config, store, index = trainer.config, trainer.store, trainer.split.validation
    progress = trainer.progress
    last, batch_size = progress.epochs[-1], config.recipe.batch_size
    reached = next((epoch for epoch in progress.epochs if epoch.val_accuracy >= TARGET), None)
    epoch_sequences = config.profile.steps_per_epoch * batch_size
    return {  # type: ignore[typeddict-item]  # `measure_predictions`, a plain dict, has the rest
        "model": config.model,
        "recipe": config.recipe.name,
        "profile": config.profile.name,
        "source": config.data.source,
        "split": config.split.kind,
        "fold": config.split.fold,
        "seed": config.seed,
        "precision": config.precision,
        "classes": list(store.classes),
        "n_train": len(trainer.split.train),
        "n_val": len(index),
        "parameters": trainer.model.count_params(),
        "epochs": last.epoch,
        **measure_predictions(y_true, y_prob, store.clips[index], store.groups[index], batch_size),
        "val_loss": last.val_loss if math.isfinite(last.val_loss) else None,
        "seconds": last.seconds,
        "seconds_to_75": reached.seconds if reached else None,
        "sequences_to_75": reached.epoch * epoch_sequences if reached else None,
        "sequences_per_second": progress.steps * batch_size / progress.step_seconds,
        "peak_rss_mb": environment.peak_memory_mb(),
        "status": trainer.monitor.status if trainer.monitor else "unchecked",
        "findings": [finding.line for finding in progress.findings],
    }
