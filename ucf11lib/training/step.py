"""One training step: augmentation, forward pass, loss, gradient, update; the loss is here."""

from __future__ import annotations  # TensorFlow may be missing, see `backend`

import functools
from collections.abc import Callable

import numpy as np

from ucf11lib.backend import keras, tf
from ucf11lib.data import batches
from ucf11lib.evaluation.metrics import answered_right
from ucf11lib.runs.recipes import Recipe
from ucf11lib.training.adam import Adam

SUM_TOLERANCE = 1e-4  # of outputs that sum to 1

OPTIMIZERS = {
    "adam": Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "momentum": functools.partial(keras.optimizers.SGD, momentum=0.9),
    "sgd": keras.optimizers.SGD,
}


def loss_of(labels: tf.Tensor, logits: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """Softmax cross-entropy of each sequence from logits: (N,) and (N, classes) -> (N,).

    `smoothing` is the share of a target that all classes get alike, 0..1.
    """
    classes = logits.shape[-1]
    targets = tf.one_hot(labels, classes) * (1.0 - smoothing) + smoothing / classes
    return tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)


def score(outputs: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return mean loss and accuracy of outputs (n, classes) under the loss of the training."""
    losses = loss_of(tf.constant(labels, tf.int32), tf.constant(outputs)).numpy()
    return float(losses.mean(dtype=np.float64)), float(answered_right(outputs, labels).mean())


def learning_rate(recipe: Recipe, total_steps: int):
    """Return the recipe's learning rate: a number, or a schedule over `total_steps`."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if not recipe.warmup:
        return keras.optimizers.schedules.CosineDecay(recipe.learning_rate, total_steps)
    warmup = max(1, round(recipe.warmup * total_steps))
    steps = {"warmup_steps": warmup, "decay_steps": max(1, total_steps - warmup)}
    return keras.optimizers.schedules.CosineDecay(0.0, **steps, warmup_target=recipe.learning_rate)


def make_optimizer(recipe: Recipe, total_steps: int, precision: str = "float32") -> keras.Optimizer:
    """Return the recipe's optimiser with its schedule; with float16 it scales the loss."""
    optimizer = OPTIMIZERS[recipe.optimizer](learning_rate(recipe, total_steps))
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "float16" else optimizer


def make_step(
    model: keras.Model,
    optimizer: keras.Optimizer,
    recipe: Recipe,
    strategy: tf.distribute.Strategy,
    watched: bool = True,
) -> Callable[..., tf.Tensor]:
    """Return the compiled step: `(frames, draws, labels)` of every replica -> float32 vector.

    The vector is (2,): sum of losses, number right. A watched step's is (4 + classes,), which
    `health.Signals.of` reads. The gradient is that of the mean over the global batch, with smoothed
    labels if the recipe has them; the losses are without, to be compared with the validation's.
    """

    def replica_step(frames, draws, labels):
        frames = batches.augment(frames, draws, recipe)
        with tf.GradientTape() as tape:
            logits = model(frames, training=True)
            smoothed = loss_of(labels, logits, recipe.label_smoothing)
            # the optimiser adds up the replicas' gradients, so each divides by the global size
            loss = optimizer.scale_loss(tf.reduce_sum(smoothed) / recipe.batch_size)
        gradients = tape.gradient(loss, model.trainable_variables)
        scale = optimizer.scale_loss(tf.ones([]))  # `apply` may change it
        optimizer.apply(gradients, model.trainable_variables)
        predicted = tf.argmax(logits, axis=-1, output_type=tf.int32)
        right = tf.reduce_sum(tf.cast(predicted == labels, tf.float32))
        sums = tf.stack([tf.reduce_sum(loss_of(labels, logits)), right])
        if not watched:
            return sums
        return tf.concat([sums, _signals(gradients, scale, logits, predicted)], axis=0)

    @tf.function(autograph=False, reduce_retracing=True)
    def step(frames, draws, labels):
        sums = strategy.run(replica_step, args=(frames, draws, labels))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    return step


def _signals(gradients, scale, logits, predicted) -> tf.Tensor:
    """Return what `health.Signals` has beside loss and number right, (2 + classes,)."""
    squared = 2.0 * tf.add_n([tf.nn.l2_loss(gradient) for gradient in gradients])
    sums_to_one = tf.abs(tf.reduce_sum(logits, axis=-1) - 1.0) < SUM_TOLERANCE
    distributions = sums_to_one & (tf.reduce_min(logits, axis=-1) >= 0.0)
    counts = tf.reduce_sum(tf.one_hot(predicted, logits.shape[-1]), axis=0)
    first = [squared / tf.square(scale), tf.reduce_sum(tf.cast(distributions, tf.float32))]
    return tf.concat([first, counts], axis=0)
