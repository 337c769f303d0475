"""The training loop, of the 2019 protocol's shape, on one device or several.

An epoch is a number of batches, then the complete validation part.
"""

from __future__ import annotations  # TensorFlow may be missing, see `backend`

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from ucf11lib import models
from ucf11lib.backend import keras, tf
from ucf11lib.data import ClipStore
from ucf11lib.data.batches import Stream, training_batches
from ucf11lib.data.splits import Split
from ucf11lib.errors import UserError
from ucf11lib.evaluation.predict import EVALUATION_BATCH, make_predict, probabilities
from ucf11lib.runs import RunConfig
from ucf11lib.runs.environment import fastest_precision
from ucf11lib.training import workers
from ucf11lib.training.health import Finding, Monitor
from ucf11lib.training.step import make_optimizer, make_step, score

MAX_REPEATS = 4  # of the training part in one batch


@dataclass(frozen=True)
class Epoch:
    """One line of `history.csv`."""

    epoch: int
    loss: float  # both means over the epoch's training sequences, while the weights were changing
    accuracy: float
    val_loss: float  # both of the complete validation part, after the epoch
    val_accuracy: float
    seconds: float  # since the start, validation included

    def line(self, epochs: int) -> str:
        """Return one line for a log or a notebook."""
        train = f"loss {self.loss:.4f}  accuracy {self.accuracy:6.1%}"
        validation = f"val_loss {self.val_loss:.4f}  val_accuracy {self.val_accuracy:6.1%}"
        return f"epoch {self.epoch:3d}/{epochs}  {train}  {validation}  after {self.seconds:6.1f} s"


@dataclass
class Progress:
    """Finished epochs with their answers, health findings, and steps with their seconds."""

    epochs: list[Epoch] = field(default_factory=list)
    answers: list[list[int]] = field(default_factory=list)  # labels, of the validation part
    findings: list[Finding] = field(default_factory=list)
    steps: int = 0
    step_seconds: float = 0.0


@dataclass
class Trainer:
    """One training: a model that learns in place, an epoch at a time; `Trainer.of` builds it."""

    config: RunConfig
    store: ClipStore
    split: Split
    strategy: tf.distribute.Strategy
    model: keras.Model
    optimizer: keras.Optimizer
    step: Callable[..., tf.Tensor]  # trains on one of `batches`; see `make_step`
    predict: Callable[..., np.ndarray]  # see `make_predict`
    stream: Stream  # the order of the training part
    progress: Progress  # a resumed training is given its own
    monitor: Monitor | None  # watches, and may stop, the training
    outputs: np.ndarray | None = None  # of the validation part after the last epoch, (n, classes)

    @classmethod
    def of(
        cls,
        config: RunConfig,
        store: ClipStore,
        split: Split,
        *,
        strategy: tf.distribute.Strategy | None = None,
        classes: int | None = None,
        log: Callable[[str], None] = print,
    ) -> Trainer:
        """Build all that a training of `config` needs; only `split.train` moves weights.

        `strategy` is where the step runs, by default one device; `classes` the outputs, by default
        the store's; `log` gets the line of each health finding. Raises a `UserError` for a batch
        size, normalisation or precision that the devices do not allow.
        """
        recipe, profile = config.recipe, config.profile
        strategy = strategy or tf.distribute.get_strategy()
        classes = classes or len(store.classes)
        _check_workers(config, strategy)
        if recipe.batch_size > MAX_REPEATS * len(split.train):
            sizes = f"batch_size={recipe.batch_size} of {len(split.train)} training sequences"
            raise UserError(f"{sizes}; choose at most {MAX_REPEATS * len(split.train)}")
        if config.precision == "bfloat16" and fastest_precision() == "float32":
            log("bfloat16 will be slow: this processor has no instructions for it")
        with strategy.scope():
            model = build_model(config, store, split, classes)
            total_steps = profile.epochs * profile.steps_per_epoch
            optimizer = make_optimizer(recipe, total_steps, config.precision)
            optimizer.build(model.trainable_variables)
        step = make_step(model, optimizer, recipe, strategy, watched=config.health)
        predict, stream = make_predict(model), Stream(split.train, config.seed)
        progress, scaled = Progress(), config.precision == "float16"
        monitor = Monitor(classes, recipe.batch_size, log, scaled, progress.findings)
        parts = (model, optimizer, step, predict, stream, progress)
        return cls(config, store, split, strategy, *parts, monitor if config.health else None)

    def batches(self, first_step: int, steps: int) -> Iterable:
        """Return global batches, each (frames, draws, labels), per-replica as `step` needs them."""

        def pipeline(context: tf.distribute.InputContext) -> tf.data.Dataset:
            part = {"first_step": first_step, "steps": steps}
            part["replicas"] = context.num_replicas_in_sync
            part |= {"workers": context.num_input_pipelines, "worker": context.input_pipeline_id}
            return training_batches(self.store, self.stream, self.config.recipe.batch_size, **part)

        return self.strategy.distribute_datasets_from_function(pipeline)

    def epochs(self) -> Iterator[Epoch]:
        """Train and yield each epoch that is left, until the recipe's target or the last one.

        An epoch in which the monitor stops the training is cut short and is the last. Nothing runs
        ahead of the caller.
        """
        progress = self.progress
        seconds_before = progress.epochs[-1].seconds if progress.epochs else 0.0
        start = time.perf_counter() - seconds_before
        if self.monitor and not progress.epochs:
            frames = self.store.take(self.stream.positions(0, self.config.recipe.batch_size))
            inputs = keras.ops.cast(self.model.get_layer("normalise")(frames), "float32")
            self.monitor.frames(frames, np.asarray(inputs))
        while not self._finished():
            loss, accuracy = self._train_epoch()
            self.outputs = self._validate()
            validation = score(self.outputs, self.store.labels[self.split.validation])
            number, seconds = len(progress.epochs) + 1, time.perf_counter() - start
            progress.epochs.append(Epoch(number, loss, accuracy, *validation, seconds))
            y_prob = probabilities(self.outputs, self.config.recipe.head)
            progress.answers.append(y_prob.argmax(axis=1).tolist())
            yield progress.epochs[-1]

    def _finished(self) -> bool:
        epochs, target = self.progress.epochs, self.config.recipe.target_accuracy
        stopped = self.monitor and self.monitor.stopped
        reached = epochs and target is not None and epochs[-1].val_accuracy >= target
        return bool(stopped or reached or len(epochs) >= self.config.profile.epochs)

    def _train_epoch(self) -> tuple[float, float]:
        """Return the means of loss and accuracy over the epoch's sequences."""
        start = time.perf_counter()
        steps, rows = self.config.profile.steps_per_epoch, []
        if self.monitor:
            self.monitor.begin_epoch(self.progress.steps)
        batches = self.batches(self.progress.steps, steps)
        title = f"epoch {len(self.progress.epochs) + 1}"
        for batch in tqdm(batches, title, steps, leave=False, disable=None, unit="step"):
            rows.append(self.step(*batch))
            if self.monitor and self.monitor.look(rows, last=len(rows) == steps):
                break
        sums = np.stack(rows)[:, :2].sum(axis=0, dtype=np.float64)
        loss, accuracy = sums / (len(rows) * self.config.recipe.batch_size)
        self.progress.steps += len(rows)
        self.progress.step_seconds += time.perf_counter() - start
        return float(loss), float(accuracy)

    def _validate(self) -> np.ndarray:
        """Return the outputs of the validation part; each worker computes its share of batches."""
        worker, indices = workers.worker_of(self.strategy), self.split.validation
        batch = np.arange(len(indices)) // EVALUATION_BATCH
        share = batch % len(worker.addresses) == worker.index
        outputs = np.zeros((len(indices), self.model.output_shape[-1]), np.float32)
        if share.any():
            outputs[share] = self.predict(self.store, indices[share])
        return workers.total(self.strategy, outputs)  # alike to the last digit on all workers


def _check_workers(config: RunConfig, strategy: tf.distribute.Strategy) -> None:
    replicas, recipe = strategy.num_replicas_in_sync, config.recipe
    if recipe.batch_size % replicas:
        size = f"batch size {recipe.batch_size}"
        raise UserError(f"{size} cannot be shared by {replicas} replicas; choose a multiple")
    if replicas > 1 and recipe.norm == "batch":
        raise UserError("norm=batch: each replica would have its own statistics; choose norm=group")
    if replicas > 1 and config.precision == "float16":  # Keras would see one replica's overflow
        raise UserError("float16 is for one device; choose --precision float32 or bfloat16")


def build_model(config: RunConfig, store: ClipStore, split: Split, classes: int) -> keras.Model:
    """Return the untrained network; with inputs=dataset it reads a part of the store."""
    window, size = store.frames.shape[1:3]
    sizes = {"classes": classes, "window": window, "size": size, "width": config.profile.width}
    if config.recipe.inputs == "dataset":
        sizes["mean"], sizes["std"] = store.channel_statistics(split.train)
    policy, mixed = keras.config.dtype_policy(), config.precision != "float32"
    keras.config.set_dtype_policy(f"mixed_{config.precision}" if mixed else "float32")
    try:
        model = models.build(config.model, config.recipe, seed=config.seed, **sizes)
    finally:
        keras.config.set_dtype_policy(policy)
    pools_time = any(isinstance(layer, keras.layers.MaxPooling3D) for layer in model.layers)
    if config.precision == "float16" and pools_time and not tf.config.list_logical_devices("GPU"):
        pools = "TensorFlow pools float16 over time on GPUs only"
        raise UserError(f"{config.model}: {pools}; choose bfloat16")
    return model
