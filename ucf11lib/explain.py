"""What a model uses: the accuracy that is left when something is taken away from the held-out sequences.

A model is trained on whole sequences and meets the changed ones at test time only. What it loses is what it leaned on;
that it would have found another way, had it been trained on the changed ones, is not excluded.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from tqdm import tqdm

from ucf11lib import training
from ucf11lib.backend import keras
from ucf11lib.data.store import ClipStore
from ucf11lib.intervals import estimate

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of R, G and B: ITU-R BT.601
MID_GREY = 128


def unchanged(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Leave the frames as they are: what every other condition is held against."""
    return frames


def shuffled(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Put each sequence's frames in an order of its own: the poses stay, their order is gone.

    Args:
        frames: uint8 (n, T, H, W, 3).
        indices: int (n,), the sequences' numbers; each fixes its order, whatever the batch it comes in.
    """
    orders = [np.random.default_rng([7, int(i)]).permutation(frames.shape[1]) for i in indices]
    return np.stack([sequence[order] for sequence, order in zip(frames, orders, strict=True)])


def time_reversed(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Play each sequence backwards: poses and the speed of every motion stay, its direction is turned."""
    return frames[:, ::-1]


def one_frame(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Repeat each sequence's middle frame: its poses and its motion are gone, one pose and the scene stay.

    The middle one, because it is the one that the one-frame baselines look at, and no frame is nearer to all others.
    """
    return _held(frames[:, frames.shape[1] // 2], frames)


def mean_frame(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Show each sequence's mean frame all the time: a long exposure, in which motion is a blur without an order."""
    return _held(np.rint(frames.mean(axis=1, dtype=np.float32)), frames)


def grey(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Give all three channels the luma of ITU-R BT.601: colour is gone, light and shape stay."""
    return np.broadcast_to(np.rint(frames @ LUMA)[..., None], frames.shape).astype(np.uint8)


def background_only(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Show each sequence's median frame all the time: what stands still for half of it.

    Under a camera that moves that is no background, and who stands still belongs to it.
    """
    return _held(_median(frames), frames)


def background_removed(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Take each sequence's median frame off every frame, around mid-grey: what `background_only` leaves out.

    Nothing is segmented, so what moves does not keep its colours but shows its difference from what it hides; a
    difference of more than half the grey levels is cut off. Recipe `repaired` subtracts the mean frame anyway, and
    loses no more by it than the cut.
    """
    difference = frames.astype(np.int16) - _median(frames)[:, None]
    return np.clip(difference + MID_GREY, 0, 255).astype(np.uint8)


def _median(frames: np.ndarray) -> np.ndarray:
    """The median frames, uint8 (n, H, W, 3); of an even number of frames the upper median, a level that occurred.

    Bit by bit, the highest first: `numpy.partition` along time takes four times as long.
    """
    middle, median = frames.shape[1] // 2, np.zeros_like(frames[:, 0])
    for bit in 1 << np.arange(7, -1, -1, dtype=np.uint8):
        tried = median | bit
        median = np.where((frames < tried[:, None]).sum(axis=1, dtype=np.uint16) <= middle, tried, median)
    return median


def _held(pictures: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Show a picture a sequence, (n, H, W, 3), for as long as `frames` are."""
    return np.repeat(pictures[:, None], frames.shape[1], axis=1).astype(np.uint8)


# Each maps uint8 (n, T, H, W, 3) and the sequences' numbers, int (n,), to frames of the same shape and type.
CHANGES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "as they are": unchanged,
    "frames shuffled": shuffled,
    "time reversed": time_reversed,
    "one frame repeated": one_frame,
    "mean frame only": mean_frame,
    "grey": grey,
    "background only": background_only,
    "background removed": background_removed,
}


def accuracy_under(model: keras.Model, store: ClipStore, indices: np.ndarray, change: str) -> float:
    """Return the accuracy on sequences changed by `CHANGES[change]`."""
    outputs = training.make_predict(model)(store, indices, CHANGES[change])
    return float((outputs.argmax(axis=1) == store.labels[indices]).mean())


def conditions(model: keras.Model, store: ClipStore, indices: np.ndarray) -> pd.DataFrame:
    """Measure the accuracy on held-out sequences under each of `CHANGES`.

    A model whose input normalisation subtracts the sequence's own mean frame (`inputs="sequence"`, as in recipe
    `repaired`) is given nothing but zeros where all frames are equal: one frame repeated, mean frame, background only.
    It then answers every sequence alike, and its accuracy is the share of that class: chance, by construction. That
    says how the input is made, and nothing more.

    Args:
        model: uint8 frames in, an output a class.
        store, indices: the held-out sequences, int (n,).

    Returns:
        A row a condition, named by the index, with the columns of `intervals.estimate` and `answers`: the number of
        different classes that the model answered; where it is 1 the model did not look.
    """
    predict, rows = training.make_predict(model), {}
    for name, change in tqdm(CHANGES.items(), leave=False, disable=None, desc="conditions"):
        answers = predict(store, indices, change).argmax(axis=1)
        found = estimate(answers == store.labels[indices], store.groups[indices])
        rows[name] = found | {"answers": len(np.unique(answers))}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("condition")
