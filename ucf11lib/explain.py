"""What a model uses: the accuracy that is left when something is taken away from the held-out sequences."""

import numpy as np

from ucf11lib import training
from ucf11lib.backend import keras
from ucf11lib.data.store import ClipStore


def shuffled(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Put each sequence's frames in an order of its own: the poses stay, their order is gone.

    Args:
        frames: uint8 (n, T, H, W, 3).
        indices: int (n,), the sequences' numbers; each fixes its order, whatever the batch it comes in.
    """
    orders = [np.random.default_rng([7, int(i)]).permutation(frames.shape[1]) for i in indices]
    return np.stack([sequence[order] for sequence, order in zip(frames, orders, strict=True)])


CHANGES = {"frames shuffled": shuffled}


def accuracy_under(model: keras.Model, store: ClipStore, indices: np.ndarray, change: str) -> float:
    """Return the accuracy on sequences changed by `CHANGES[change]`."""
    outputs = training.make_predict(model)(store, indices, CHANGES[change])
    return float((outputs.argmax(axis=1) == store.labels[indices]).mean())
