"""Baselines without a network: of appearance, and one of motion alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ucf11lib.backend import tf
from ucf11lib.data.splits import Split
from ucf11lib.data.store import ClipStore
from ucf11lib.evaluation.intervals import accuracy_with_interval
from ucf11lib.evaluation.perturbations import LUMA

HISTOGRAM_BINS = 8  # a channel
THUMBNAIL = (16, 16)  # pixels
THUMBNAIL_FRAMES = 8  # a sequence
FLOW_CELLS, FLOW_FIELDS = 8, 4  # a side of the picture: one vector each, one histogram each
DIRECTIONS = 8
FASTEST = 4.0  # pixels a frame; brightness says little of a longer way
NOISE = 4.0  # squared grey levels a pixel; lets a cell without texture stand still
READ_SEQUENCES = 8  # at a time; more do not fit into the cache of a processor


def majority(store: ClipStore, split: Split) -> np.ndarray:
    """Return the training part's most frequent class for every sequence: int (n_val,)."""
    return np.full(len(split.validation), np.bincount(store.labels[split.train]).argmax())


def colour_histogram_regression(store: ClipStore, split: Split) -> np.ndarray:
    """Return answers by logistic regression on one frame's colour histogram: int (n_val,)."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    return _answers(model, colour_histograms, store, split)


def optical_flow_regression(store: ClipStore, split: Split) -> np.ndarray:
    """Return answers by logistic regression on optical flow alone: int (n_val,)."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    return _answers(model, flow_histograms, store, split)


def nearest_neighbour(store: ClipStore, split: Split) -> np.ndarray:
    """Return the class of the nearest training sequence, by pixels: int (n_val,).

    A high accuracy shows that validation sequences have near copies in the training part.
    """
    model = KNeighborsClassifier(n_neighbors=1, algorithm="brute")
    return _answers(model, thumbnails, store, split)


def _answers(model, features: Callable, store: ClipStore, split: Split) -> np.ndarray:
    """Fit a scikit-learn model to features, with few sequences in memory at a time; predict."""
    parts = []
    for indices in (split.train, split.validation):
        starts = range(0, len(indices), READ_SEQUENCES)
        read = [features(store.take(indices[i : i + READ_SEQUENCES])) for i in starts]
        parts.append(np.concatenate(read))
    return model.fit(parts[0], store.labels[split.train]).predict(parts[1])


def colour_histograms(frames: np.ndarray) -> np.ndarray:
    """Return the square root of the middle frame's colour histogram: float (n, 512)."""
    middle = frames[:, frames.shape[1] // 2].astype(int) * HISTOGRAM_BINS // 256
    rows = (middle @ [HISTOGRAM_BINS**2, HISTOGRAM_BINS, 1]).reshape(len(frames), -1)
    counts = [np.bincount(row, minlength=HISTOGRAM_BINS**3) for row in rows]
    return np.sqrt(np.stack(counts) / rows.shape[1])


def flow_histograms(frames: np.ndarray) -> np.ndarray:
    """Return histograms of the flow's directions, weighted by speed: float (n, 256).

    They are means and standard deviations over time, in 4 x 4 fields, of the motion against the
    picture's median motion, which a moving camera has (Laptev et al., CVPR 2008). One frame has no
    motion.
    """
    if frames.shape[1] == 1:
        frames = frames.repeat(2, axis=1)
    flow = optical_flow(frames)
    flow -= np.median(flow, axis=(2, 3), keepdims=True)
    right, down = flow[..., 0], flow[..., 1]
    turns = np.arctan2(down, right) / (2 * np.pi)
    direction = np.rint(turns * DIRECTIONS).astype(int) % DIRECTIONS
    speed = np.minimum(np.hypot(right, down), FASTEST)
    votes = np.eye(DIRECTIONS)[direction] * speed[..., None]
    field = FLOW_CELLS // FLOW_FIELDS
    shape = (*votes.shape[:2], FLOW_FIELDS, field, FLOW_FIELDS, field, DIRECTIONS)
    histograms = votes.reshape(shape).mean(axis=(3, 5))
    over_time = histograms.mean(axis=1), histograms.std(axis=1)
    return np.sqrt(np.stack(over_time, axis=1)).reshape(len(frames), -1)


def optical_flow(frames: np.ndarray) -> np.ndarray:
    """Return the motion right and down, pixels a frame, between frames: float (n, T - 1, 8, 8, 2).

    One vector for each of 8 x 8 cells, by least squares (Lucas and Kanade, IJCAI 1981).
    """
    grey = frames.astype(np.float32) @ LUMA
    start, end = grey[:, :-1], grey[:, 1:]
    gradient: Any = np.gradient((start + end) / 2, axis=(2, 3))
    down, right = gradient
    later = end - start
    first_pixels = [np.arange(FLOW_CELLS) * side // FLOW_CELLS for side in grey.shape[2:]]

    def cells(products: np.ndarray) -> np.ndarray:
        rows = np.add.reduceat(products, first_pixels[0], axis=2)
        return np.add.reduceat(rows, first_pixels[1], axis=3)

    noise = NOISE * cells(np.ones_like(later))
    rr = cells(right * right) + noise
    dd = cells(down * down) + noise
    rd = cells(right * down)
    rt, dt = cells(right * later), cells(down * later)
    solved = np.stack([rd * dt - dd * rt, rd * rt - rr * dt], axis=-1)
    return solved / (rr * dd - rd**2)[..., None]


def thumbnails(frames: np.ndarray) -> np.ndarray:
    """Return 8 evenly spaced frames as 16 x 16 means of R, G and B: float32 (n, 6144)."""
    numbers = np.linspace(0, frames.shape[1] - 1, THUMBNAIL_FRAMES).round().astype(int)
    flat = frames[:, numbers].reshape(-1, *frames.shape[2:])
    return tf.image.resize(flat, THUMBNAIL, method="area").numpy().reshape(len(frames), -1)


COLOURS = "colour histogram, logistic regression"
FLOW = "optical flow, logistic regression"
BASELINES = {
    "majority class": majority,
    COLOURS: colour_histogram_regression,
    FLOW: optical_flow_regression,
    "pixels, nearest neighbour": nearest_neighbour,
}


def baselines_table(store: ClipStore, split: Split) -> pd.DataFrame:
    """Return a row a baseline, with the columns of `accuracy_with_interval`."""
    labels, groups = store.labels[split.validation], store.groups[split.validation]
    rows = {}
    for name, answers in BASELINES.items():
        rows[name] = accuracy_with_interval(answers(store, split) == labels, groups)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("baseline")
