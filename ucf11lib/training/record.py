"""What a training writes into its run folder, file by file; `runs.folder` has the list."""

import math
import resource
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from ucf11lib import paths
from ucf11lib.data.splits import split_table
from ucf11lib.evaluation.metrics import measure_predictions
from ucf11lib.evaluation.predict import probabilities
from ucf11lib.runs import environment
from ucf11lib.runs.records import Metrics, StoreRecord
from ucf11lib.training import workers
from ucf11lib.training.trainer import Trainer

TARGET = 0.75  # the 2019 report's goal, of `seconds_to_75` and `sequences_to_75`


def begin(path: Path, trainer: Trainer) -> None:
    """Write configuration and environment; remove what a killed process did not finish."""
    store = trainer.store
    path.mkdir(parents=True, exist_ok=True)
    for torn in path.glob(".partial-*"):
        torn.unlink()
    record = StoreRecord(
        store=str(store.path),
        store_sha256=store.info.sha256,
        data_kind=store.kind,
        classes=tuple(store.classes),
        window=store.frames.shape[1],
        size=store.frames.shape[2],
        **workers.description(trainer.strategy),
    )
    paths.write_json(path / "config.json", trainer.config.as_dict() | asdict(record))
    paths.write_json(path / "environment.json", environment.describe())


def save_history(path: Path, trainer: Trainer) -> None:
    """Write history.csv."""
    with paths.atomic_file(path / "history.csv") as temporary:
        table = pd.DataFrame([asdict(epoch) for epoch in trainer.progress.epochs])
        table.to_csv(temporary, index=False)


def finish(path: Path, trainer: Trainer) -> None:
    """Write model, predictions, split and, last, metrics."""
    store, index = trainer.store, trainer.split.validation
    weights = sum(v.value.dtype.size * math.prod(v.shape) for v in trainer.model.variables)
    expected_bytes = 2 * weights + 2**20  # Keras builds the archive from a second copy beside it
    with paths.atomic_file(path / "model.keras", expected_bytes=expected_bytes) as temporary:
        trainer.model.save(temporary)
    outputs = trainer.outputs
    if outputs is None:  # resumed after the last epoch
        outputs = trainer.predict(store, index)
    y_true, y_prob = store.labels[index], probabilities(outputs, trainer.config.recipe.head)
    with paths.atomic_file(path / "predictions.npz") as temporary:
        np.savez(temporary, index=index, y_true=y_true, y_prob=y_prob)
    with paths.atomic_file(path / "split.csv") as temporary:
        split_table(store, trainer.split).to_csv(temporary, index=False)
    paths.write_json(path / "metrics.json", _metrics(trainer, y_true, y_prob))


def _metrics(trainer: Trainer, y_true: np.ndarray, y_prob: np.ndarray) -> Metrics:
    config, store, index = trainer.config, trainer.store, trainer.split.validation
    progress, monitor = trainer.progress, trainer.monitor
    last, batch_size = progress.epochs[-1], config.recipe.batch_size
    reached = next((epoch for epoch in progress.epochs if epoch.val_accuracy >= TARGET), None)
    epoch_sequences = config.profile.steps_per_epoch * batch_size
    return {
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
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "status": monitor.status if monitor else "unchecked",
        "findings": [finding.line for finding in monitor.findings] if monitor else [],
    }
