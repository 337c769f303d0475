"""Everything that a training needs to go on after an epoch, in one file that is whole or absent."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ucf11lib import paths
from ucf11lib.backend import keras
from ucf11lib.errors import UserError


def save(path: Path, model: keras.Model, optimizer: keras.optimizers.Optimizer, history: list) -> None:
    """Write weights, optimiser state and history.

    The order of training is a function of the seed and the step (`data.batches`), so nothing else has to be kept.
    """
    arrays = {f"model{i}": np.asarray(v.value) for i, v in enumerate(model.variables)}
    arrays |= {f"optimizer{i}": np.asarray(v.value) for i, v in enumerate(optimizer.variables)}
    lines = np.frombuffer(json.dumps([asdict(epoch) for epoch in history]).encode(), np.uint8)
    with paths.whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, history=lines, **arrays)


def restore(path: Path, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> list[dict]:
    """Load what `save` wrote into `model` and `optimizer`; return the history's lines.

    Raises:
        UserError: a file that is damaged or of another network.
    """
    try:
        with np.load(path) as kept:
            for prefix, owner in (("model", model), ("optimizer", optimizer)):
                for i, variable in enumerate(owner.variables):
                    variable.assign(kept[f"{prefix}{i}"])
            return json.loads(kept["history"].tobytes())
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UserError(f"{path}: cannot resume from it ({error}); delete the run folder and train again") from None
