"""Everything that a training needs to be resumed, after each epoch; the last two are on disk."""

from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path

import msgspec
import numpy as np

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.runs import Run
from ucf11lib.runs.parsing import damage_in_one_line, read_arrays
from ucf11lib.training import workers
from ucf11lib.training.trainer import Epoch, Progress, Trainer

NEWEST = "checkpoint.npz"
PREVIOUS = "checkpoint-previous.npz"
AGAIN = "delete the run folder and train again"


def save(folder: Path, trainer: Trainer) -> None:
    """Write weights, states of optimiser and dropout, and progress to a run folder.

    The order of training is a function of the seed and the step, and needs no state. If a weight or
    loss is not finite, the last finite checkpoint stays.
    """
    arrays = [np.asarray(variable.value) for variable in _variables(trainer)]
    weights = arrays[: len(trainer.model.variables)]
    numbers = [*weights, np.array(astuple(trainer.progress.epochs[-1]))]
    if not all(np.isfinite(value).all() for value in numbers):
        return
    epochs = np.array([astuple(epoch) for epoch in trainer.progress.epochs])  # may hold a NaN
    progress = msgspec.json.encode(replace(trainer.progress, epochs=[]))
    with paths.atomic_file(folder / NEWEST) as temporary:
        np.savez(temporary, *arrays, epochs=epochs, progress=np.frombuffer(progress, np.uint8))
        if (folder / NEWEST).exists():
            (folder / NEWEST).replace(folder / PREVIOUS)


def restore(folder: Path, trainer: Trainer, log: Callable[[str], None]) -> None:
    """Load the last readable checkpoint, if there is any, into a new `trainer`; log which.

    Raises a `UserError` if none can be read, they are of another network, or workers differ.
    """
    damaged = ""
    for path in (folder / NEWEST, folder / PREVIOUS):
        try:
            if not path.exists():
                continue
            arrays = read_arrays(path, AGAIN)
            with damage_in_one_line(path, AGAIN):
                progress = msgspec.json.decode(arrays["progress"].tobytes(), type=Progress)
                rows = np.asarray(arrays["epochs"], np.float64).tolist()
                progress.epochs = [Epoch(int(number), *rest) for number, *rest in rows]
                for number, variable in enumerate(_variables(trainer)):
                    variable.assign(arrays[f"arr_{number}"])
            trainer.progress = progress
        except UserError as error:
            damaged = str(error).removesuffix(f"; {AGAIN}")
            continue
        if damaged:
            log(f"{damaged}; resuming from the checkpoint before it")
        break
    else:
        if damaged:
            raise UserError(f"{damaged}, and none before it; {AGAIN}")
    if trainer.monitor:
        trainer.monitor.findings = trainer.progress.findings
    epochs = len(trainer.progress.epochs)
    processes = len(workers.worker_of(trainer.strategy).addresses)
    if workers.total(trainer.strategy, np.array([epochs], np.float32)) != epochs * processes:
        remedy = "put it on a disk that all of them see"
        raise UserError(f"{folder}: not every worker sees the same checkpoint; {remedy}")
    log(f"resuming after epoch {epochs}" if epochs else "no checkpoint; beginning at epoch 1")


def clean(run: Run) -> None:
    """Remove the checkpoints of a finished run, unless they are its last finite weights."""
    if run.metrics["status"] != "stopped: non_finite":
        for name in (NEWEST, PREVIOUS):
            (run.path / name).unlink(missing_ok=True)


def _variables(trainer: Trainer) -> list:
    return trainer.model.variables + trainer.optimizer.variables
