"""Everything that a training needs to go on, in a file that is whole or absent; the last two are kept."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ucf11lib import health, paths
from ucf11lib.errors import UserError
from ucf11lib.training import Epoch, Progress, Trainer

NEWEST, BEFORE = "checkpoint.npz", "checkpoint-before.npz"
DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile)


def save(folder: Path, trainer: Trainer) -> None:
    """Write weights, states of the optimiser and of the dropout masks, progress and findings to a run folder.

    Weights that are not finite are not written: what was saved before them is the last that is worth to go on from.
    The order of training is a function of the seed and the step (`data.batches`), so nothing else has to be kept. The
    format records a checksum of each array, and reading compares it.
    """
    arrays = _state(trainer)
    if not all(np.isfinite(value).all() for key, value in arrays.items() if key.startswith("model")):
        return
    progress, findings = trainer.progress, trainer.monitor.findings if trainer.monitor else []
    record = {
        "epochs": [asdict(epoch) for epoch in progress.epochs],
        "seconds": progress.seconds,
        "findings": [asdict(finding) for finding in findings],
    }
    arrays["rows"] = np.array([np.asarray(row) for row in progress.rows], np.float32)
    arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    with paths.whole_file(folder / NEWEST) as temporary:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)
        if (folder / NEWEST).exists():
            (folder / NEWEST).replace(folder / BEFORE)


def restore(folder: Path, trainer: Trainer, say: Callable[[str], None]) -> bool:
    """Load the last checkpoint of a run folder that can be read into `trainer`; return whether there is any.

    Args:
        folder: the run folder.
        trainer: of the same configuration, before its first epoch.
        say: gets a line if the newest is damaged.

    Raises:
        UserError: checkpoints are there, but none can be read, or they are of another network.
    """
    damaged = ""
    for name in (NEWEST, BEFORE):
        try:
            with (folder / name).open("rb") as file, np.load(file) as kept:
                arrays = {key: kept[key] for key in kept}
            record = json.loads(arrays["record"].tobytes())
        except FileNotFoundError:
            continue
        except DAMAGED as error:
            damaged = f"{folder / name}: damaged ({error})"
            continue
        if damaged:
            say(f"{damaged}; going on from the checkpoint before it")
        _assign(folder / name, arrays, trainer)
        trainer.progress = Progress([Epoch(**line) for line in record["epochs"]], [*arrays["rows"]], record["seconds"])
        if trainer.monitor:
            trainer.monitor.findings = [health.Finding(**line) for line in record["findings"]]
        return True
    if damaged:
        raise UserError(f"{damaged}, and none before it; delete the run folder and train again")
    return False


def remove(folder: Path) -> None:
    """Remove the checkpoints of a run folder, its largest files; a finished run is never resumed."""
    for name in (NEWEST, BEFORE):
        (folder / name).unlink(missing_ok=True)


def _variables(trainer: Trainer) -> dict:
    owners = {"model": trainer.model, "optimizer": trainer.optimizer}
    return {f"{name}{i}": variable for name, owner in owners.items() for i, variable in enumerate(owner.variables)}


def _state(trainer: Trainer) -> dict[str, np.ndarray]:
    return {key: np.asarray(variable.value) for key, variable in _variables(trainer).items()}


def _assign(path: Path, arrays: dict[str, np.ndarray], trainer: Trainer) -> None:
    try:
        for key, variable in _variables(trainer).items():
            variable.assign(arrays[key])
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: of another network ({error}); delete the run folder and train again") from None
