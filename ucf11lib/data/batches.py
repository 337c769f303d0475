"""From a store to the device: shuffled, augmented, batched; uint8 until it is on the device.

The seed alone fixes the training stream: each pass is its own permutation of the training part, and
each position has its own augmentation draws, whatever the workers, replicas or resumed runs.
"""

from __future__ import annotations  # TensorFlow may be missing, see `backend`

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ucf11lib.backend import tf
from ucf11lib.data.store import ClipStore
from ucf11lib.runs.recipes import Recipe

READING_THREADS = 2  # no number depends on it


@dataclass(frozen=True)
class Stream:
    """The endless, shuffled order of a training part, int (n,), and its augmentation."""

    indices: np.ndarray
    seed: int

    def positions(self, start: int, count: int) -> np.ndarray:
        """Return the store indices at positions `start` .. `start + count - 1`: int64 (count,)."""
        n = len(self.indices)
        first = start // n
        every = range(first, (start + count - 1) // n + 1)
        passes = [np.random.default_rng([self.seed, 1, p]).permutation(n) for p in every]
        order = np.concatenate(passes)[start - first * n :][:count]
        return self.indices[order]

    def draws(self, start: int, count: int) -> np.ndarray:
        """Return four uniform numbers in [-1, 1) a position: flip, down, right, brightness."""
        every = range(start, start + count)
        rows = [np.random.default_rng([self.seed, 2, p]).uniform(-1, 1, 4) for p in every]
        return np.asarray(rows, np.float32)


def training_batches(
    store: ClipStore,
    stream: Stream,
    batch_size: int,
    *,
    first_step: int,
    steps: int,
    replicas: int = 1,
    workers: int = 1,
    worker: int = 0,
) -> tf.data.Dataset:
    """Return `steps` global batches of `(frames, draws, labels)`, each in `replicas` equal parts.

    `first_step` counts from the training's start; `batch_size` is a multiple of `replicas`, and
    that of `workers`. Each worker reads its own parts and no others.
    """
    part = batch_size // replicas

    def load(number: np.ndarray) -> tuple[np.ndarray, ...]:
        start = int(number) * part
        indices = stream.positions(start, part)
        labels = store.labels[indices].astype(np.int32)
        return store.take(indices), stream.draws(start, part), labels

    numbers = tf.data.Dataset.range(first_step * replicas, (first_step + steps) * replicas)
    frames = tf.TensorSpec((part, *store.frames.shape[1:]), tf.uint8)
    draws = tf.TensorSpec((part, 4), tf.float32)
    labels = tf.TensorSpec((part,), tf.int32)
    return _loaded(numbers.shard(workers, worker), load, frames, draws, labels)


def evaluation_batches(
    store: ClipStore,
    indices: np.ndarray,
    batch_size: int,
    change: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> tf.data.Dataset:
    """Return `frames` of `indices` in order, the last batch possibly smaller.

    `change` maps each batch's uint8 (n, window, size, size, 3) and its indices to as many frames.
    """

    def load(start: np.ndarray) -> tuple[np.ndarray]:
        batch = indices[start : start + batch_size]
        frames = store.take(batch)
        return (change(frames, batch) if change else frames,)

    starts = tf.data.Dataset.range(0, len(indices), batch_size)
    return _loaded(starts, load, tf.TensorSpec((None, *store.frames.shape[1:]), tf.uint8))


def _loaded(numbers: tf.data.Dataset, load: Callable, *specs: tf.TensorSpec) -> tf.data.Dataset:
    def fetch(number: tf.Tensor) -> tuple[tf.Tensor, ...]:
        parts = tf.numpy_function(load, [number], [spec.dtype for spec in specs], stateful=False)
        return tuple(map(tf.ensure_shape, parts, [spec.shape for spec in specs]))

    # Nothing needs tuning, and the tuning thread sleeps ever longer, which delays an epoch's end.
    options = tf.data.Options()
    options.autotune.enabled = False
    batches = numbers.map(fetch, num_parallel_calls=READING_THREADS, deterministic=True)
    return batches.prefetch(2).with_options(options)


def augment(frames: tf.Tensor, draws: tf.Tensor, recipe: Recipe) -> tf.Tensor:
    """Flip, shift and brighten uint8 (N, T, H, W, 3), alike for all frames of a sequence.

    `draws` is float32 (N, 4), uniform in [-1, 1): flip, shift down, shift right, brightness. Edges
    are repeated where the picture moved away. Runs on the device.
    """
    height, width = frames.shape[2], frames.shape[3]
    if recipe.shift:
        rows = _shifted(height, draws[:, 1], recipe.shift)
        frames = tf.gather(frames, rows, axis=2, batch_dims=1)
    if recipe.shift or recipe.flip:
        columns = _shifted(width, draws[:, 2], recipe.shift)
        if recipe.flip:
            columns = tf.where(draws[:, :1] < 0, columns, width - 1 - columns)
        frames = tf.gather(frames, columns, axis=3, batch_dims=1)
    if recipe.brightness:
        factor = (1.0 + recipe.brightness * draws[:, 3])[:, None, None, None, None]
        bright = tf.clip_by_value(tf.cast(frames, tf.float32) * factor, 0.0, 255.0)
        frames = tf.cast(tf.round(bright), tf.uint8)
    return frames


def _shifted(length: int, draw: tf.Tensor, most: int) -> tf.Tensor:
    """Pixel numbers (N, length) after a shift of up to `most` pixels, edges repeated."""
    by = tf.cast(tf.round(draw * most), tf.int32)[:, None]
    return tf.clip_by_value(tf.range(length)[None, :] - by, 0, length - 1)
