"""The loop: `strategy.run` on one CPU, one GPU, several GPUs or several machines, unchanged.

The 2019 protocol gives its shape: an epoch is a number of batches, then the whole validation part; training stops when
the validation accuracy reaches the recipe's target, or after the profile's epochs.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from ucf11lib.backend import keras, tf
from ucf11lib.data import batches
from ucf11lib.data.splits import Split
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError
from ucf11lib.recipes import Profile, Recipe


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


def make_predict(model: keras.Model) -> Callable[..., np.ndarray]:
    """Return `predict(store, indices, change=None)`: what the model's last layer gives, float32 (n, classes).

    `change` is that of `batches.evaluation_batches`.
    """

    @tf.function(reduce_retracing=True)
    def forward(frames):
        return model(frames, training=False)

    def predict(store: ClipStore, indices: np.ndarray, change: Callable | None = None) -> np.ndarray:
        source = batches.evaluation_batches(store, indices, 16, change)
        return np.concatenate([forward(frames).numpy() for (frames,) in source])

    return predict


@dataclass
class Trainer:
    """One training: a model that learns in place, an epoch at a time.

    Args:
        model: built under `strategy.scope()`.
        store, split: the data; only `split.train` moves weights.
        recipe, profile: the method and how much of it.
        seed: of order and augmentation.
        strategy: where the step runs; the default strategy is one device.
        mixed_precision: scale the loss; the model must have been built under a mixed policy.

    Raises:
        UserError: a batch size that the replicas cannot share.
    """

    model: keras.Model
    store: ClipStore
    split: Split
    recipe: Recipe
    profile: Profile
    seed: int
    strategy: tf.distribute.Strategy
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        replicas = self.strategy.num_replicas_in_sync
        if self.recipe.batch_size % replicas:
            raise UserError(f"batch size {self.recipe.batch_size} cannot be shared by {replicas} replicas; "
                            "choose a multiple")  # fmt: skip
        self.steps = self.profile.steps_per_epoch
        with self.strategy.scope():
            self.optimizer = make_optimizer(self.recipe, self.steps * self.profile.epochs, self.mixed_precision)
            self.optimizer.build(self.model.trainable_variables)
        self.step = make_step(self.model, self.optimizer, self.recipe, self.strategy)
        self.predict = make_predict(self.model)

    def epochs(self, done: Sequence[Epoch] = ()) -> Iterator[Epoch]:
        """Train and yield each epoch after those `done`, until the recipe's target or the profile's number.

        The caller may write, save or stop between epochs; nothing runs ahead of it.
        """
        last = done[-1] if done else None
        before, start = last.seconds if last else 0.0, time.perf_counter()
        while not self._finished(last):
            number = last.epoch + 1 if last else 1
            loss, accuracy = self._train_epoch(number)
            outputs = self.predict(self.store, self.split.validation)
            val_loss, val_accuracy = score(outputs, self.store.labels[self.split.validation])
            last = Epoch(number, loss, accuracy, val_loss, val_accuracy, before + time.perf_counter() - start)
            yield last

    def _finished(self, last: Epoch | None) -> bool:
        target = self.recipe.target_accuracy
        return last is not None and (
            last.epoch >= self.profile.epochs or (target is not None and last.val_accuracy >= target)
        )

    def _train_epoch(self, number: int) -> tuple[float, float]:
        """Return the means of loss and accuracy over the epoch's sequences."""
        stream = batches.Stream(self.split.train, self.seed)
        source = distribute(
            self.strategy, self.store, stream, self.recipe.batch_size, (number - 1) * self.steps, self.steps
        )
        bar = tqdm(source, total=self.steps, leave=False, disable=None, desc=f"epoch {number}", unit="step")
        sums = [self.step(*batch) for batch in bar]
        loss, right = np.sum(np.stack(sums), axis=0, dtype=np.float64) / (self.steps * self.recipe.batch_size)
        return float(loss), float(right)


def distribute(
    strategy: tf.distribute.Strategy, store: ClipStore, stream: batches.Stream, batch_size: int, first: int, steps: int
):
    """Return `steps` global batches from step `first` on, each as the strategy's per-replica values."""
    replicas = strategy.num_replicas_in_sync

    def pipeline(context: tf.distribute.InputContext) -> tf.data.Dataset:
        parts = batches.training_batches(store, stream, batch_size, first_step=first, steps=steps, replicas=replicas)
        return parts.shard(context.num_input_pipelines, context.input_pipeline_id)

    return strategy.distribute_datasets_from_function(pipeline)


def score(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return mean loss and accuracy of outputs (n, classes) under the loss that the training uses."""
    losses = loss_of(tf.constant(labels, tf.int32), tf.constant(logits)).numpy()
    return float(losses.mean(dtype=np.float64)), float((logits.argmax(axis=1) == labels).mean())
