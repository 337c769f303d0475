"""The loop: `strategy.run` on one CPU, one GPU, several GPUs or several machines, unchanged.

The 2019 protocol gives its shape: an epoch is a number of batches, then the whole validation part; training stops when
the validation accuracy reaches the recipe's target, or after the profile's epochs.
"""

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from ucf11lib import health, optimizers
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


def loss_of(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Softmax cross-entropy of each sequence from logits: (N,) and (N, classes) -> (N,)."""
    return tf.nn.softmax_cross_entropy_with_logits(labels=tf.one_hot(labels, logits.shape[-1]), logits=logits)


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
    """Return the recipe's optimiser with its schedule; under mixed precision it scales the loss."""
    make = {
        "adam": optimizers.Adam,
        "rmsprop": keras.optimizers.RMSprop,
        "momentum": functools.partial(keras.optimizers.SGD, momentum=0.9),
        "sgd": keras.optimizers.SGD,
    }[recipe.optimizer]
    optimizer = make(learning_rate(recipe, total_steps))
    return keras.optimizers.LossScaleOptimizer(optimizer) if mixed_precision else optimizer


def make_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    recipe: Recipe,
    strategy: tf.distribute.Strategy,
    watched: bool = True,
) -> Callable:
    """Return the compiled step: `(frames, draws, labels)` of every replica -> float32 (2,): loss sum, number right.

    A watched step returns (4 + classes,): behind those two the rest of `health.Signals`, the gradient norm squared.

    The gradient is that of the mean over the global batch whatever the number of replicas: each replica divides its sum
    by the global size, and the optimiser adds the replicas' gradients up.
    """

    def replica_step(frames, draws, labels):
        frames = batches.augment(frames, draws, recipe)
        with tf.GradientTape() as tape:
            logits = model(frames, training=True)
            losses = loss_of(labels, logits)
            loss = tf.reduce_sum(losses) / recipe.batch_size
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        answers = tf.argmax(logits, axis=-1, output_type=tf.int32)
        sums = tf.stack([tf.reduce_sum(losses), tf.reduce_sum(tf.cast(answers == labels, tf.float32))])
        return tf.concat([sums, signals(gradients, logits, answers)], axis=0) if watched else sums

    def signals(gradients, logits, answers):
        squared = 2.0 * tf.add_n([tf.nn.l2_loss(gradient) for gradient in gradients])
        squared /= tf.square(optimizer.scale_loss(tf.ones([])))
        ones = (tf.abs(tf.reduce_sum(logits, axis=-1) - 1.0) < 1e-4) & (tf.reduce_min(logits, axis=-1) >= 0.0)
        predicted = tf.reduce_sum(tf.one_hot(answers, logits.shape[-1]), axis=0)
        return tf.concat([[squared, tf.reduce_sum(tf.cast(ones, tf.float32))], predicted], axis=0)

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
        monitor: watches, and may stop, the training; None trains unwatched.

    Attributes:
        outputs: of the validation part after the last epoch, float32 (n, classes); None before the first.

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
    monitor: health.Monitor | None = None
    outputs: np.ndarray | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        replicas = self.strategy.num_replicas_in_sync
        if self.recipe.batch_size % replicas:
            raise UserError(f"batch size {self.recipe.batch_size} cannot be shared by {replicas} replicas; "
                            "choose a multiple")  # fmt: skip
        self.steps = self.profile.steps_per_epoch
        with self.strategy.scope():
            self.optimizer = make_optimizer(self.recipe, self.steps * self.profile.epochs, self.mixed_precision)
            self.optimizer.build(self.model.trainable_variables)
        watched = self.monitor is not None
        self.step = make_step(self.model, self.optimizer, self.recipe, self.strategy, watched)
        self.predict = make_predict(self.model)

    def epochs(self, done: Sequence[Epoch] = ()) -> Iterator[Epoch]:
        """Train and yield each epoch after those `done`, until the recipe's target or the profile's number.

        An epoch in which the monitor stops the training is the last, and is yielded as far as it got. The caller may
        write, save or stop between epochs; nothing runs ahead of it.
        """
        last = done[-1] if done else None
        before, start = last.seconds if last else 0.0, time.perf_counter()
        if self.monitor and not done:
            self._watch_frames()
        while not self._finished(last):
            number = last.epoch + 1 if last else 1
            loss, accuracy = self._train_epoch(number)
            self.outputs = self.predict(self.store, self.split.validation)
            val_loss, val_accuracy = score(self.outputs, self.store.labels[self.split.validation])
            last = Epoch(number, loss, accuracy, val_loss, val_accuracy, before + time.perf_counter() - start)
            yield last

    def _finished(self, last: Epoch | None) -> bool:
        target = self.recipe.target_accuracy
        if self.monitor and self.monitor.stopped:
            return True
        return last is not None and (
            last.epoch >= self.profile.epochs or (target is not None and last.val_accuracy >= target)
        )

    def _train_epoch(self, number: int) -> tuple[float, float]:
        """Return the means of loss and accuracy over the epoch's sequences."""
        stream, done = batches.Stream(self.split.train, self.seed), (number - 1) * self.steps
        source = distribute(self.strategy, self.store, stream, self.recipe.batch_size, done, self.steps)
        bar = tqdm(source, total=self.steps, leave=False, disable=None, desc=f"epoch {number}", unit="step")
        rows = self._watched(bar, done) if self.monitor else [self.step(*batch) for batch in bar]
        sums = np.sum(np.stack(rows)[:, :2], axis=0, dtype=np.float64)
        loss, right = sums / (len(rows) * self.recipe.batch_size)
        return float(loss), float(right)

    def _watched(self, source: Iterable, done: int) -> list[np.ndarray]:
        """Take an epoch's steps under the monitor's eyes; `done` steps were taken before."""
        self.monitor.begin_epoch()
        rows, seen = [], 0
        for batch in source:
            rows.append(self.step(*batch))
            if len(rows) in (1, self.steps) or len(rows) % health.EVERY == 0:  # to look is to wait for the device
                self.monitor.steps(done + seen + 1, [np.asarray(row) for row in rows[seen:]])
                seen = len(rows)
                if self.monitor.stopped:
                    break
        self.monitor.end_epoch(done + len(rows))
        return rows

    def _watch_frames(self) -> None:
        """Show the monitor the first batch, before and after the normalisation."""
        first = batches.Stream(self.split.train, self.seed).positions(0, self.recipe.batch_size)
        frames = self.store.take(first)
        self.monitor.frames(frames, np.asarray(self.model.get_layer("normalise")(frames), np.float32))


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
