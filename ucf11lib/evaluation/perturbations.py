"""The accuracy on held-out sequences from which something is removed: order, motion, colour.

Each perturbation maps frames, uint8 (n, T, H, W, 3), and the sequences' numbers in the store, int
(n,), to frames of the same shape and type.
"""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from tqdm import tqdm

from ucf11lib.backend import keras
from ucf11lib.data.store import ClipStore
from ucf11lib.evaluation.intervals import accuracy_with_interval
from ucf11lib.evaluation.metrics import answered_right
from ucf11lib.evaluation.predict import make_predict

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of R, G and B: ITU-R BT.601


def shuffled(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Shuffle the frames of each sequence, in an order that depends on its number only."""
    orders = [np.random.default_rng([7, int(i)]).permutation(frames.shape[1]) for i in indices]
    return np.stack([sequence[order] for sequence, order in zip(frames, orders, strict=True)])


def time_reversed(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Play each sequence backwards."""
    return frames[:, ::-1]


def one_frame(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Repeat each sequence's middle frame, the one that the one-frame baselines see."""
    middle = frames.shape[1] // 2
    return np.repeat(frames[:, [middle]], frames.shape[1], axis=1)


def grey(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Set all three channels to the luma."""
    return np.broadcast_to(np.rint(frames @ LUMA)[..., None], frames.shape).astype(np.uint8)


PERTURBATIONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray] | None] = {
    "unchanged": None,
    "frames shuffled": shuffled,
    "time reversed": time_reversed,
    "one frame repeated": one_frame,
    "grey": grey,
}


def conditions_table(
    model: keras.Model, store: ClipStore, indices: np.ndarray, names: Iterable[str] = PERTURBATIONS
) -> pd.DataFrame:
    """Return a row for each of `names`, measured on the sequences `indices`, int (n,).

    Its columns are those of `accuracy_with_interval`, and `answers`: how many different classes
    were answered. With `inputs="sequence"` frames that are all equal have one answer, whose class's
    share is the accuracy.
    """
    predict = make_predict(model)
    rows = {}
    for name in tqdm(names, leave=False, disable=None, desc="conditions"):
        outputs = predict(store, indices, PERTURBATIONS[name])
        right = answered_right(outputs, store.labels[indices])
        row = accuracy_with_interval(right, store.groups[indices])
        rows[name] = row | {"answers": len(np.unique(outputs.argmax(axis=1)))}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("condition")
