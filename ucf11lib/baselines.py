"""What can be had without looking at motion: the yardsticks that a video model must beat."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ucf11lib import recipes, training
from ucf11lib.backend import keras, tf
from ucf11lib.data import store as stores
from ucf11lib.data.splits import Split
from ucf11lib.data.store import ClipStore
from ucf11lib.intervals import estimate
from ucf11lib.models.cnn_lstm import frame_features
from ucf11lib.models.layers import Builder, Normalise, fold_time

BINS = 8  # a channel
THUMBNAIL = (8, 16)  # frames a sequence and pixels a side: 6144 numbers
CHUNK = 32  # sequences read at a time


def _of_each(store: ClipStore, indices: np.ndarray, make: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return `make` of uint8 (k, T, H, W, 3) for all of `indices`, a few sequences in memory at a time."""
    starts = range(0, len(indices), CHUNK)
    return np.concatenate([make(store.take(indices[start : start + CHUNK])) for start in starts])


def colour_histogram(store: ClipStore, indices: np.ndarray) -> np.ndarray:
    """Return the square root of the middle frame's colour histogram: float (n, 512)."""

    def histograms(frames: np.ndarray) -> np.ndarray:
        r, g, b = np.moveaxis(frames[:, frames.shape[1] // 2].astype(int) * BINS // 256, -1, 0)
        colours = (r * BINS**2 + g * BINS + b).reshape(len(frames), -1)
        counts = np.stack([np.bincount(row, minlength=BINS**3) for row in colours])
        return np.sqrt(counts / colours.shape[1])

    return _of_each(store, indices, histograms)


def thumbnails(store: ClipStore, indices: np.ndarray) -> np.ndarray:
    """Return sequences reduced to 8 evenly spaced frames of 16 x 16 means of R, G and B: float32 (n, 6144)."""
    count, side = THUMBNAIL

    def reduced(frames: np.ndarray) -> np.ndarray:
        picked = frames[:, np.linspace(0, frames.shape[1] - 1, count).round().astype(int)]
        small = tf.image.resize(picked.reshape(-1, *frames.shape[2:]), (side, side), method="area")
        return small.numpy().reshape(len(frames), -1)

    return _of_each(store, indices, reduced)


def majority(store: ClipStore, split: Split) -> np.ndarray:
    """Answer every held-out sequence with the class that the training part has most of: int (n_val,)."""
    return np.full(len(split.validation), np.bincount(store.labels[split.train]).argmax())


def histogram(store: ClipStore, split: Split) -> np.ndarray:
    """Answer by logistic regression on one frame's colour histogram: int (n_val,)."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    model.fit(colour_histogram(store, split.train), store.labels[split.train])
    return model.predict(colour_histogram(store, split.validation))


def nearest(store: ClipStore, split: Split) -> np.ndarray:
    """Answer with the class of the training sequence that looks most alike, by Euclidean distance: int (n_val,).

    It knows nothing but what it has seen. Where it does well, held-out sequences have near copies in the training part,
    and a high accuracy there is no evidence of more than memory.
    """
    model = KNeighborsClassifier(n_neighbors=1, algorithm="brute")
    model.fit(thumbnails(store, split.train), store.labels[split.train])
    return model.predict(thumbnails(store, split.validation))


def single_frames(store: ClipStore, split: Split, count: int, seed: int, path: Path) -> tuple[ClipStore, Split]:
    """Write single frames as a store of their own: `count` of each training sequence, the middle one of the others.

    Returns:
        The store at `path`, whose sequences are one frame long, and the two parts of it in the order of `split`.
    """
    rng, window = np.random.default_rng([seed, 3]), store.info["window"]
    made = {"source": store.source, "classes": store.info["classes"], "origin": store.info["origin"]}
    with stores.create(path, **made, window=1, size=store.info["size"]) as writer:
        for place, i in enumerate(np.concatenate([split.train, split.validation])):
            chosen = rng.integers(window, size=count) if place < len(split.train) else [window // 2]
            frames = store.take([i])[0][chosen, None]
            writer.add(frames, label=int(store.labels[i]), group=str(store.groups[i]), clip=f"{store.clips[i]} {i}")
    single = ClipStore.open(path)
    return single, Split(*np.split(np.arange(len(single)), [count * len(split.train)]))


def frame_cnn(
    store: ClipStore,
    split: Split,
    *,
    bag: bool = False,
    epochs: int = 6,
    width: float = recipes.profile("quick", "cnn_lstm").width,
    seed: int = 0,
) -> np.ndarray:
    """Answer by CNN+LSTM's own CNN without the LSTM: no order, no motion.

    Args:
        store, split: the data.
        bag: average the class scores of all frames, instead of looking at one.
        epochs: passes over the training part, by other frames each time where it looks at one.
        width: the CNN+LSTM's.
        seed: of weights and order.

    Returns:
        int (n_val,).
    """
    recipe = replace(recipes.recipe("repaired", "cnn_lstm"), inputs="dataset", learning_rate=2e-3 if bag else 1e-3)
    recipe = replace(recipe, batch_size=16 if bag else 64)
    mean, deviation = store.channel_statistics(split.train)
    steps = epochs * -(-len(split.train) // recipe.batch_size)  # in one go: only the last answers are wanted
    profile = replace(recipes.profile("quick", "cnn_lstm"), epochs=1, steps_per_epoch=steps)
    make, classes = Builder(recipe, width, seed), len(store.classes)
    with tempfile.TemporaryDirectory() as scratch:
        if not bag:  # all frames of a sequence would be read and moved about for the sake of one
            store, split = single_frames(store, split, epochs, seed, Path(scratch) / "frames")
        frames = keras.Input(store.frames.shape[1:], dtype="uint8")
        x = Normalise("dataset", mean, deviation)(fold_time(frames))
        x = make.head(keras.layers.ReLU()(frame_features(x, make)), classes)
        x = keras.ops.mean(keras.ops.reshape(x, (-1, store.info["window"], classes)), axis=1)
        model = keras.Model(frames, x)
        trainer = training.Trainer(model, store, split, recipe, profile, seed, tf.distribute.get_strategy())
        list(trainer.epochs())
    return trainer.outputs.argmax(axis=1)


BASELINES = {
    "majority class": majority,
    "colour histogram, logistic regression": histogram,
    "pixels, nearest neighbour": nearest,
    "one frame, CNN of CNN+LSTM": frame_cnn,
}


def table(store: ClipStore, split: Split) -> pd.DataFrame:
    """Return a row a baseline, named by the index, with the columns of `intervals.estimate`: what needs no motion."""
    labels, groups = store.labels[split.validation], store.groups[split.validation]
    rows = {name: estimate(answer(store, split) == labels, groups) for name, answer in BASELINES.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("baseline")
