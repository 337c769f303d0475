"""Everything that a training needs to be resumed, after each epoch; the last two are on disk."""

from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import msgspec
import numpy as np

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.runs import Run
from ucf11lib.training.health import Finding
from ucf11lib.training.trainer import Progress, Trainer

NEWEST = "checkpoint.npz"
PREVIOUS = "checkpoint-previous.npz"
REMEDY = "delete the run folder and train again"
DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, BadZipFile, msgspec.MsgspecError)


@dataclass(frozen=True)
class Record:
    """What a checkpoint holds beside arrays."""

    progress: Progress
    findings: list[Finding] = field(default_factory=list)


def save(folder: Path, trainer: Trainer) -> None:
    """Write weights, states of optimiser and dropout, progress and findings to a run folder.

    The order of training is a function of the seed and the step, and needs no state. If a weight or
    loss is not finite, the last finite checkpoint stays.
    """
    arrays = {name: np.asarray(variable.value) for name, variable in _variables(trainer).items()}
    numbers = [value for name, value in arrays.items() if name.startswith("model")]
    numbers.append(astuple(trainer.progress.epochs[-1]))
    if not all(np.isfinite(value).all() for value in numbers):
        return
    record = Record(trainer.progress, trainer.monitor.findings if trainer.monitor else [])
    arrays["record"] = np.frombuffer(msgspec.json.encode(record), np.uint8)
    with paths.atomic_file(folder / NEWEST) as temporary:
        np.savez(temporary, **arrays)
        if (folder / NEWEST).exists():
            (folder / NEWEST).replace(folder / PREVIOUS)


def restore(folder: Path, trainer: Trainer, log: Callable[[str], None]) -> bool:
    """Load the last readable checkpoint into a new `trainer`; return whether there is any.

    Raises a `UserError` if none can be read, or it is of another network.
    """
    damaged = ""
    for path in (folder / NEWEST, folder / PREVIOUS):
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                arrays = dict(saved)
            record = msgspec.json.decode(arrays["record"].tobytes(), type=Record)
        except FileNotFoundError:
            continue
        except DAMAGED as error:
            damaged = f"{path}: damaged ({error})"
            continue
        if damaged:
            log(f"{damaged}; resuming from the checkpoint before it")
        try:
            for name, variable in _variables(trainer).items():
                variable.assign(arrays[name])
        except (KeyError, ValueError) as error:
            raise UserError(f"{path}: of another network ({error}); {REMEDY}") from None
        trainer.progress = record.progress
        if trainer.monitor:
            trainer.monitor.findings = record.findings
        return True
    if damaged:
        raise UserError(f"{damaged}, and none before it; {REMEDY}")
    return False


def clean(run: Run) -> None:
    """Remove the checkpoints of a finished run, unless they are its last finite weights."""
    if run.metrics["status"] != "stopped: non_finite":
        for name in (NEWEST, PREVIOUS):
            (run.path / name).unlink(missing_ok=True)


def _variables(trainer: Trainer) -> dict:
    named = {f"model{i}": value for i, value in enumerate(trainer.model.variables)}
    return named | {f"optimizer{i}": v for i, v in enumerate(trainer.optimizer.variables)}
