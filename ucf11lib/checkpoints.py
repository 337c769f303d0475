"""Everything that a training needs to go on after an epoch, in one file that is whole or absent."""

import json
from pathlib import Path

import numpy as np

from ucf11lib import paths
from ucf11lib.backend import keras
from ucf11lib.errors import UserError


def save(path: Path, model: keras.Model, optimizer: keras.optimizers.Optimizer, record: dict) -> None:
    """Write weights, optimiser state and `record`, which JSON must be able to hold.

    The order of training is a function of the seed and the step (`data.batches`), so nothing else has to be kept.
    """
    arrays = {f"model{i}": np.asarray(v.value) for i, v in enumerate(model.variables)}
    arrays |= {f"optimizer{i}": np.asarray(v.value) for i, v in enumerate(optimizer.variables)}
    lines = np.frombuffer(json.dumps(record).encode(), np.uint8)
    with paths.whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, record=lines, **arrays)


def restore(path: Path, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> dict:
    """Load what `save` wrote into `model` and `optimizer`; return the record.

    Raises:
        UserError: a file that is damaged or of another network.
    """
    try:
        with np.load(path) as kept:
            for prefix, owner in (("model", model), ("optimizer", optimizer)):
                for i, variable in enumerate(owner.variables):
                    variable.assign(kept[f"{prefix}{i}"])
            return json.loads(kept["record"].tobytes())
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UserError(f"{path}: cannot resume from it ({error}); delete the run folder and train again") from None
