"""The loop: `strategy.run` on one CPU, one GPU, several GPUs or several machines, unchanged.

The 2019 protocol gives its shape: an epoch is a number of batches, then the whole validation part; training stops when
the validation accuracy reaches the recipe's target, or after the profile's epochs.
"""

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from ucf11lib import health, optimizers, strategies
from ucf11lib.backend import keras, tf
from ucf11lib.data import batches
from ucf11lib.data.splits import Split
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError
from ucf11lib.recipes import Profile, Recipe

EVALUATED = 16  # sequences a batch where no weights move


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


@dataclass
class Progress:
    """How far a training has come, beside its weights: what a checkpoint keeps and a resumed training begins with.

    Attributes:
        epochs: those that are done.
        rows: what each step of the epoch under way returned.
        seconds: of training, validation included, up to the last pause.
    """

    epochs: list[Epoch] = field(default_factory=list)
    rows: list[np.ndarray | tf.Tensor] = field(default_factory=list)
    seconds: float = 0.0


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

    @tf.function(autograph=False, reduce_retracing=True)
    def step(frames, draws, labels):
        sums = strategy.run(replica_step, args=(frames, draws, labels))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    return step


def make_predict(model: keras.Model) -> Callable[..., np.ndarray]:
    """Return `predict(store, indices, change=None, pause=None)`: what the last layer gives, float32 (n, classes).

    `change` is that of `batches.evaluation_batches`; `pause` is called after each batch.
    """

    @tf.function(autograph=False, reduce_retracing=True)
    def forward(frames):
        return model(frames, training=False)

    def predict(
        store: ClipStore, indices: np.ndarray, change: Callable | None = None, pause: Callable | None = None
    ) -> np.ndarray:
        outputs = []
        for (frames,) in batches.evaluation_batches(store, indices, EVALUATED, change):
            outputs.append(forward(frames).numpy())
            if pause:
                pause()
        return np.concatenate(outputs)

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
        pause: called after each step and each batch of the validation, when weights and `progress` fit each other: the
            caller may save them, or end the training by an exception.

    Attributes:
        progress: how far it has come; a resumed training is given its own before the first epoch.
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
    pause: Callable[[], None] | None = None
    progress: Progress = field(default_factory=Progress, init=False)
    outputs: np.ndarray | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        replicas = self.strategy.num_replicas_in_sync
        if self.recipe.batch_size % replicas:
            raise UserError(f"batch size {self.recipe.batch_size} cannot be shared by {replicas} replicas; "
                            "choose a multiple")  # fmt: skip
        if self.recipe.norm == "batch" and not strategies.worker_of(self.strategy).alone:
            raise UserError("norm=batch: each worker would have statistics of its own; take norm=group")
        self.steps = self.profile.steps_per_epoch
        with self.strategy.scope():
            self.optimizer = make_optimizer(self.recipe, self.steps * self.profile.epochs, self.mixed_precision)
            self.optimizer.build(self.model.trainable_variables)
        watched = self.monitor is not None
        self.step = make_step(self.model, self.optimizer, self.recipe, self.strategy, watched)
        self.predict = make_predict(self.model)

    def epochs(self) -> Iterator[Epoch]:
        """Train and yield each epoch that `progress` has not, until the recipe's target or the profile's number.

        An epoch in which the monitor stops the training is the last, and is yielded as far as it got. The caller may
        write, save or stop between epochs; nothing runs ahead of it.
        """
        progress, self._start = self.progress, time.perf_counter() - self.progress.seconds
        if self.monitor and not progress.epochs and not progress.rows:
            self._watch_frames()
        while not self._finished():
            loss, accuracy = self._train_epoch()
            stopped = self.monitor and self.monitor.stopped  # an epoch that is cut short is not gone on with
            self.outputs = self._validate(None if stopped else self._pause)
            val_loss, val_accuracy = score(self.outputs, self.store.labels[self.split.validation])
            progress.seconds, progress.rows = time.perf_counter() - self._start, []
            number = len(progress.epochs) + 1
            progress.epochs.append(Epoch(number, loss, accuracy, val_loss, val_accuracy, progress.seconds))
            yield progress.epochs[-1]

    def _finished(self) -> bool:
        target, epochs = self.recipe.target_accuracy, self.progress.epochs
        if self.monitor and self.monitor.stopped:
            return True
        return len(epochs) >= self.profile.epochs or (
            bool(epochs) and target is not None and epochs[-1].val_accuracy >= target
        )

    def _train_epoch(self) -> tuple[float, float]:
        """Return the means of loss and accuracy over the epoch's sequences, those of steps taken before among them."""
        stream, done = batches.Stream(self.split.train, self.seed), len(self.progress.epochs) * self.steps
        before, rows = self.progress.rows, []
        first, left = done + len(before), self.steps - len(before)
        source = distribute(self.strategy, self.store, stream, self.recipe.batch_size, first, left)
        desc = f"epoch {len(self.progress.epochs) + 1}"
        bar = tqdm(source, initial=len(before), total=self.steps, leave=False, disable=None, desc=desc, unit="step")
        if self.monitor:
            self.monitor.begin_epoch()
        # The monitor sees the steps of a resumed epoch again, in the same portions: it must stop where it would have.
        for row in itertools.chain(before, (self.step(*batch) for batch in bar)):
            rows.append(row)
            if self.monitor and self._sick(done, rows):
                break
            if len(rows) > len(before):
                self.progress.rows = rows
                self._pause()
        if self.monitor:
            self.monitor.end_epoch(done + len(rows))
        loss, right = np.sum(np.stack(rows)[:, :2], axis=0, dtype=np.float64) / (len(rows) * self.recipe.batch_size)
        return float(loss), float(right)

    def _sick(self, done: int, rows: list) -> bool:
        """Show the monitor the steps that it has not seen, if it is time; `done` steps were taken before the epoch."""
        taken, every = len(rows), health.EVERY
        if taken not in (1, self.steps) and taken % every:  # to look is to wait for the device
            return False
        seen = max((taken - 1) // every * every, min(taken - 1, 1))
        self.monitor.steps(done + seen + 1, [np.asarray(row) for row in rows[seen:]])
        return self.monitor.stopped is not None

    def _pause(self) -> None:
        self.progress.seconds = time.perf_counter() - self._start
        if self.pause:
            self.pause()

    def _validate(self, pause: Callable[[], None] | None) -> np.ndarray:
        """Return the outputs of the validation part; each worker computes its share of batches, and all have the whole.

        So the workers agree to the last digit on what decides when to stop, and the batches are those of one worker.
        """
        worker, indices = strategies.worker_of(self.strategy), self.split.validation
        mine = np.arange(len(indices)) // EVALUATED % len(worker.addresses) == worker.index
        outputs = np.zeros((len(indices), self.model.output_shape[-1]), np.float32)
        if mine.any():
            outputs[mine] = self.predict(self.store, indices[mine], pause=pause)
        return strategies.total(self.strategy, outputs)

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
        workers, worker = context.num_input_pipelines, context.input_pipeline_id
        return batches.training_batches(
            store, stream, batch_size, first_step=first, steps=steps, replicas=replicas, workers=workers, worker=worker
        )

    return strategy.distribute_datasets_from_function(pipeline)


def score(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return mean loss and accuracy of outputs (n, classes) under the loss that the training uses."""
    losses = loss_of(tf.constant(labels, tf.int32), tf.constant(logits)).numpy()
    return float(losses.mean(dtype=np.float64)), float((logits.argmax(axis=1) == labels).mean())
