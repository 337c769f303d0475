"""The loop: `strategy.run` on one CPU, one GPU, several GPUs or several machines, unchanged.

The 2019 protocol gives its shape: an epoch is a number of batches, then the whole validation part; training stops when
the validation accuracy reaches the recipe's target, or after the profile's epochs.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from ucf11lib.data import batches
from ucf11lib.data.splits import Split
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError
from ucf11lib.recipes import Profile, Recipe

HISTORY = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"]


@dataclass(frozen=True)
class Epoch:
    """One line of `history.csv`.

    Attributes:
        epoch: 1, 2, ...
        loss, accuracy: means over the epoch's training sequences, while the weights were changing.
        val_loss, val_accuracy: over the whole validation part, after the epoch.
        seconds: of training since the start, validation included.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float

    def line(self, epochs: int) -> str:
        """Return one clean line for a log or a notebook."""
        return (
            f"epoch {self.epoch:3d}/{epochs}  loss {self.loss:.4f}  accuracy {self.accuracy:6.1%}  "
            f"val_loss {self.val_loss:.4f}  val_accuracy {self.val_accuracy:6.1%}  {self.seconds:6.1f} s"
        )


def quiet_gpus() -> list[str]:
    """Let GPU memory grow instead of taking it all, and return the GPUs' names; call before the first operation."""
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return [gpu.name for gpu in gpus]


def loss_of(labels: tf.Tensor, logits: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """Softmax cross-entropy of each sequence from logits: (N,) and (N, classes) -> (N,)."""
    classes = logits.shape[-1]
    targets = tf.one_hot(labels, classes) * (1.0 - smoothing) + smoothing / classes
    return tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)


def learning_rate(recipe: Recipe, total_steps: int):
    """Return the recipe's learning rate: a number, or a schedule over `total_steps`."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    warmup = max(1, round(recipe.warmup * total_steps))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup,
        decay_steps=max(1, total_steps - warmup),
    )


def make_optimizer(recipe: Recipe, total_steps: int, mixed_precision: bool = False) -> keras.optimizers.Optimizer:
    """Return Adam with the recipe's schedule; under mixed precision it scales the loss."""
    optimizer = keras.optimizers.Adam(learning_rate(recipe, total_steps))
    return keras.optimizers.LossScaleOptimizer(optimizer) if mixed_precision else optimizer


def make_step(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, recipe: Recipe, strategy: tf.distribute.Strategy
) -> Callable:
    """Return the compiled step: `(frames, draws, labels)` of every replica -> float32 (2,): loss sum, number right.

    The gradient is that of the mean over the global batch whatever the number of replicas: each replica divides its sum
    by the global size, and the optimiser adds the replicas' gradients up.
    """

    def replica_step(frames, draws, labels):
        frames = batches.augment(frames, draws, recipe)
        with tf.GradientTape() as tape:
            logits = model(frames, training=True)
            losses = loss_of(labels, logits, recipe.label_smoothing)
            loss = tf.reduce_sum(losses) / recipe.batch_size
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        right = tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32) == labels, tf.float32)
        return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(right)])

    @tf.function(reduce_retracing=True)
    def step(frames, draws, labels):
        sums = strategy.run(replica_step, args=(frames, draws, labels))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    return step


def make_predict(model: keras.Model) -> Callable[[ClipStore, np.ndarray], np.ndarray]:
    """Return a function from a store and indices to what the model's last layer gives: float32 (n, classes)."""

    @tf.function(reduce_retracing=True)
    def forward(frames):
        return model(frames, training=False)

    def predict(store: ClipStore, indices: np.ndarray, batch_size: int = 16) -> np.ndarray:
        found = [forward(frames).numpy() for (frames,) in batches.evaluation_batches(store, indices, batch_size)]
        return np.concatenate(found)

    return predict


def steps_per_epoch(recipe: Recipe, profile: Profile, n_train: int) -> int:
    """Return the batches of an epoch: the profile's number, else one pass over the training part."""
    return profile.steps_per_epoch or math.ceil(n_train / recipe.batch_size)


def fit(
    model: keras.Model,
    store: ClipStore,
    split: Split,
    recipe: Recipe,
    profile: Profile,
    *,
    seed: int,
    strategy: tf.distribute.Strategy | None = None,
    mixed_precision: bool = False,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> list[Epoch]:
    """Train `model` in place.

    Args:
        model: built under `strategy.scope()`.
        store, split: the data; only `split.train` moves weights.
        recipe, profile: the method and how much of it.
        seed: of order and augmentation.
        strategy: the default strategy (one device) if None.
        mixed_precision: scale the loss; the model must have been built under a mixed policy.
        on_epoch: called after each epoch, before the next begins.

    Returns:
        One `Epoch` for each that was run.

    Raises:
        UserError: a batch size that the replicas cannot share.
    """
    strategy = strategy or tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    if recipe.batch_size % replicas:
        raise UserError(f"batch size {recipe.batch_size} cannot be shared by {replicas} replicas; choose a multiple")
    n_steps = steps_per_epoch(recipe, profile, len(split.train))
    with strategy.scope():
        optimizer = make_optimizer(recipe, n_steps * profile.epochs, mixed_precision)
        optimizer.build(model.trainable_variables)
    step, predict = make_step(model, optimizer, recipe, strategy), make_predict(model)
    stream = batches.Stream(split.train, seed)
    history, start = [], time.perf_counter()
    for number in range(1, profile.epochs + 1):
        source = distribute(strategy, store, stream, recipe.batch_size, (number - 1) * n_steps, n_steps)
        sums = [step(*batch) for batch in tqdm(source, total=n_steps, leave=False, disable=None, desc=f"epoch {number}")]
        loss, right = np.sum(np.stack(sums), axis=0) / (n_steps * recipe.batch_size)
        val_loss, val_accuracy = score(predict(store, split.validation), store.labels[split.validation])
        history.append(Epoch(number, float(loss), float(right), val_loss, val_accuracy, time.perf_counter() - start))
        on_epoch(history[-1])
        if recipe.target_accuracy is not None and val_accuracy >= recipe.target_accuracy:
            break
    return history


def distribute(
    strategy: tf.distribute.Strategy, store: ClipStore, stream: batches.Stream, batch_size: int, first: int, steps: int
):
    """Return `steps` global batches from step `first` on, each as the strategy's per-replica values."""
    replicas = strategy.num_replicas_in_sync

    def pipeline(context: tf.distribute.InputContext) -> tf.data.Dataset:
        parts = batches.training_batches(
            store, stream, batch_size, first_step=first, steps=steps, replicas=replicas
        )
        return parts.shard(context.num_input_pipelines, context.input_pipeline_id)

    return strategy.distribute_datasets_from_function(pipeline)


def score(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return mean loss and accuracy of outputs (n, classes) under the loss that the training uses."""
    losses = loss_of(tf.constant(labels, tf.int32), tf.constant(logits)).numpy()
    return float(losses.mean(dtype=np.float64)), float((logits.argmax(axis=1) == labels).mean())
