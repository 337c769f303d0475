"""A training by plain Keras on any of its backends, for devices where TensorFlow is missing.

The same network, stream, augmentation, loss and optimiser as `trainer.Trainer`, fed to
`keras.Model.fit`; without checkpoints, health checks, several devices or brightness. From the same
first weights the losses are the same, but a seed gives other weights on another backend.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

from ucf11lib.backend import keras
from ucf11lib.data import ClipStore, Split
from ucf11lib.data.batches import Stream
from ucf11lib.data.splits import HELD_OUT_2019
from ucf11lib.evaluation.metrics import answered_right
from ucf11lib.evaluation.predict import EVALUATION_BATCH
from ucf11lib.runs import RunConfig
from ucf11lib.runs.recipes import Recipe
from ucf11lib.training.step import make_optimizer
from ucf11lib.training.trainer import build_model

LOADING_THREADS = 3  # no number depends on it


@dataclass(frozen=True)
class Part:
    """A part of an epoch.

    Held-out numbers are None after a part that was not validated. A loss that is not finite is NaN
    at first, and None when it is read from the file.
    """

    step: int  # the last one, from 1
    loss: float | None  # mean over the part's training sequences, while the weights were changing
    accuracy: float  # likewise, 0..1
    val_loss: float | None  # both of the complete validation part
    val_accuracy: float | None
    seconds: float  # since the start, compilation and validation included


class Batches(keras.utils.PyDataset):
    """Augmented frames, uint8 (batch, window, size, size, 3), and one-hot labels, as `fit` needs.

    A batch a step from `first_step` on, counted from the training's start.
    """

    def __init__(
        self, config: RunConfig, store: ClipStore, stream: Stream, first_step: int, steps: int
    ):
        super().__init__(workers=LOADING_THREADS, max_queue_size=2 * LOADING_THREADS)
        self.recipe, self.store, self.stream = config.recipe, store, stream
        self.first_step, self.steps = first_step, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batch `number`, from 0."""
        size = self.recipe.batch_size
        start = (self.first_step + number) * size
        indices = self.stream.positions(start, size)
        frames = augment(self.store.take(indices), self.stream.draws(start, size), self.recipe)
        return frames, np.eye(len(self.store.classes), dtype="float32")[self.store.labels[indices]]


def augment(frames: np.ndarray, draws: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Flip and shift uint8 (N, T, H, W, 3) as `batches.augment` does on TensorFlow."""
    if not (recipe.shift or recipe.flip):
        return frames
    changed = np.empty_like(frames)
    pixels = np.arange(frames.shape[2]), np.arange(frames.shape[3])
    for number, (flip, *shifts, _) in enumerate(draws):
        by = np.rint(np.multiply(shifts, recipe.shift)).astype(int)
        rows, columns = (np.clip(p - b, 0, len(p) - 1) for p, b in zip(pixels, by, strict=True))
        if recipe.flip and flip >= 0:
            columns = len(columns) - 1 - columns
        changed[number] = frames[number][:, rows][:, :, columns]
    return changed


def compiled(model: keras.Model, config: RunConfig) -> keras.Model:
    """Return the model, ready for `fit`: optimiser, loss, and the loss without label smoothing."""
    smoothing = config.recipe.label_smoothing
    total_steps = config.profile.epochs * config.profile.steps_per_epoch
    model.compile(
        make_optimizer(config.recipe, total_steps, config.precision),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing),
        metrics=[keras.metrics.CategoricalCrossentropy("plain_loss", from_logits=True), "accuracy"],
    )
    return model


def parts(
    config: RunConfig,
    store: ClipStore,
    split: Split,
    *,
    steps: int,
    model: keras.Model | None = None,
) -> Iterator[Part]:
    """Train and yield each `steps` steps, until an epoch reaches the recipe's target or is last.

    `steps` divides an epoch. `model` is by default a new one of the configuration. The validation
    part is evaluated after each epoch; if it is no larger than 2019's, after each part.
    """
    model = compiled(model or build_model(config, store, split, len(store.classes)), config)
    stream, recipe = Stream(split.train, config.seed), config.recipe
    an_epoch = config.profile.steps_per_epoch
    start = time.perf_counter()
    for step in range(steps, config.profile.epochs * an_epoch + 1, steps):
        batches = Batches(config, store, stream, step - steps, steps)
        logs = model.fit(batches, shuffle=False, verbose=0).history
        validation: tuple[float | None, float | None] = None, None
        epoch_ends = step % an_epoch == 0
        if epoch_ends or len(split.validation) <= HELD_OUT_2019:
            validation = evaluate(model, store, split.validation)
        seconds = time.perf_counter() - start
        yield Part(step, logs["plain_loss"][0], logs["accuracy"][0], *validation, seconds)
        accuracy, target = validation[1], recipe.target_accuracy
        if epoch_ends and target is not None and accuracy is not None and accuracy >= target:
            return


def evaluate(model: keras.Model, store: ClipStore, indices: np.ndarray) -> tuple[float, float]:
    """Return mean loss and accuracy of a compiled model on sequences of a store."""
    padded = np.resize(indices, -(-len(indices) // EVALUATION_BATCH) * EVALUATION_BATCH)
    batches = np.split(padded, len(padded) // EVALUATION_BATCH)  # of one size: compiled once
    rows = [model.predict_on_batch(store.take(batch)) for batch in batches]
    outputs = np.concatenate(rows)[: len(indices)].astype(np.float64)
    labels = store.labels[indices]
    losses = -log_softmax(outputs, axis=1)[np.arange(len(labels)), labels]
    return float(losses.mean()), float(answered_right(outputs, labels).mean())
