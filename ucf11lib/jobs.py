"""One training from its configuration to a finished run folder."""

import contextlib
import math
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd

from ucf11lib import (
    checkpoints,
    evaluation,
    events,
    faults,
    health,
    models,
    paths,
    recipes,
    runs,
    strategies,
    training,
)
from ucf11lib.backend import keras, tf
from ucf11lib.config import RunConfig
from ucf11lib.data import sources, splits
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError
from ucf11lib.runs import Run

TARGET = 0.75  # the 2019 report's goal; `seconds_to_75` is measured against it
CHECKPOINT_MINUTES = 5.0


def train(
    config: RunConfig,
    path: Path | str | None = None,
    *,
    store: ClipStore | None = None,
    resume: bool = False,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    tensorboard: bool = False,
    say: Callable[[str], None] = print,
    strategy: tf.distribute.Strategy | None = None,
) -> Run:
    """Train, evaluate on the held-out part, and leave a run folder.

    Args:
        config: what to do.
        path: the run folder, `runs/<config.name>` by default.
        store: the data; the config's source is prepared or opened by default.
        resume: go on from the last checkpoint of an unfinished run at `path`; begin where there is none, and return a
            finished one as it is.
        checkpoint_minutes: of training from one checkpoint to the next; there is one after each epoch in any case.
        tensorboard: leave TensorBoard's event files in the run folder, too.
        say: gets one line before the training, one an epoch, and one for each finding of `ucf11lib.health`.
        strategy: one device by default; of several workers the first writes and says, and all see its folder.

    Returns:
        The run; its `status` says whether the health checks stopped it.

    Raises:
        UserError: the folder exists (and `resume` is off), another process trains in it, or data that cannot be
            trained on.
        RunFailed: out of memory, the store was changed meanwhile, or another worker is gone.
        Interrupted: SIGINT or SIGTERM came; what was learnt until then is in the folder.
    """
    path, strategy = Path(path) if path else paths.runs_dir() / config.name, strategy or tf.distribute.get_strategy()
    with strategies.together(strategy) as worker:
        if not worker.chief:
            done = resume and finished(config, path)
            return done or _train(config, path, store, resume, math.inf, _say_nothing, strategy)
        with _alone(path, refuse=f"{path}: another process trains in it; wait for it, or choose another --run"):
            if resume and finished(config, path):
                say(f"{path}: finished already")
                checkpoints.remove(path)
                return Run.open(path)
            return _train(config, path, store, resume, checkpoint_minutes, say, strategy, tensorboard)


def _say_nothing(line: str) -> None:
    pass


def ensure(config: RunConfig, *, retrain: bool = False, say: Callable[[str], None] = print) -> Run:
    """Return the finished run of `config` under `runs/`; train it if there is none, or a recipe or profile has changed.

    If another process is training it, wait for that one.

    Args:
        config: the run wanted.
        retrain: train it again in any case.
        say: as for `train`.
    """
    path = paths.runs_dir() / config.name
    with _alone(path):
        if not retrain and (run := finished(config)):
            say(f"{config.name}: trained before, at {paths.shown(run.path)}; retrain=True trains again")
            return run
        kept = runs.read_json(path / "config.json")
        if retrain or (kept is not None and _differences(kept, config)):
            shutil.rmtree(path, ignore_errors=True)
        return _train(config, path, None, path.exists(), CHECKPOINT_MINUTES, say, tf.distribute.get_strategy())


@contextlib.contextmanager
def _alone(path: Path, refuse: str = "") -> Iterator[None]:
    """Keep others out of a run folder, which need not exist yet, while the block runs."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with paths.turn(path.parent / f".{path.name}.lock", refuse=refuse):
        yield


def _train(
    config: RunConfig,
    path: Path,
    store: ClipStore | None,
    resume: bool,
    minutes: float,
    say: Callable[[str], None],
    strategy: tf.distribute.Strategy,
    tensorboard: bool = False,
) -> Run:
    """Do what `train` says, in a folder that no other process has; a worker that is not the chief writes nothing."""
    chief = strategies.worker_of(strategy).chief
    if chief:
        _check_folder(path, config, resume)
    recipe, profile = config.resolved()
    store = store or sources.ensure(config.source, data=config.data, profile=profile)
    _check_store(store, config, path)
    parts = config.parts(store)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    with faults.Stop() as stop, faults.in_one_line(store):
        if chief:
            _begin(path, _resolved(config, recipe, profile, store) | strategies.described(strategy))
        model = build(config, store, parts, strategy)
        say(f"{config.name}: {len(parts.train)} training and {len(parts.validation)} held-out sequences, "
            f"{model.count_params():,} parameters")  # fmt: skip
        watch = monitor(config, store, say)
        trainer = training.Trainer(
            model, store, parts, recipe, profile, config.seed, strategy, config.mixed_precision, watch
        )
        if resume:
            _restore(path, trainer, say)
        if not chief:
            _follow(trainer, stop)
            return Run(path)
        curves = events.Events(path, recipe, profile) if tensorboard else None
        _fit(path, trainer, minutes, stop, say, curves)
        _finish(path, config, trainer)
        if curves:
            curves.finish(Run.open(path))
    return Run.open(path)


def _begin(path: Path, resolved: dict) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for torn in path.glob(".partial-*"):  # of a process that was killed while it wrote
        torn.unlink()
    runs.write_json(path / "config.json", resolved)
    runs.write_json(path / "environment.json", runs.environment())


def finished(config: RunConfig, path: Path | None = None) -> Run | None:
    """Return the finished run of `config` at `path`; None if there is none, or a recipe or profile has changed.

    `path` is `runs/<config.name>` by default.
    """
    path = path or paths.runs_dir() / config.name
    kept = runs.read_json(path / "config.json")
    if kept is None or _differences(kept, config) or not (path / "metrics.json").exists():
        return None
    return Run.open(path)


def _differences(kept: dict, config: RunConfig) -> list[str]:
    """Return the fields in which a run folder's config.json is not that of `config` with today's recipe and profile."""
    recipe, profile = config.resolved()
    wanted = asdict(config) | {"recipe_fields": asdict(recipe), "profile_fields": asdict(profile)}
    known = _defaults(RunConfig) | kept  # an older version did not know each field
    known["recipe_fields"] = _defaults(recipes.Recipe) | kept.get("recipe_fields", {})
    known["profile_fields"] = _defaults(recipes.Profile) | kept.get("profile_fields", {})
    return [key for key, value in wanted.items() if known.get(key) != value]


def _defaults(kind: type) -> dict:
    return {field.name: field.default for field in fields(kind)}


def _check_folder(path: Path, config: RunConfig, resume: bool) -> None:
    if not path.exists():
        return
    if (path / "metrics.json").exists():
        raise UserError(f"{path}: a finished run; choose another --run or delete it")
    if not resume:
        raise UserError(f"{path}: exists already; go on with --resume, choose another --run or delete it")
    kept = runs.read_json(path / "config.json")
    if kept is None and any(not file.name.startswith(".partial-") for file in path.iterdir()):
        raise UserError(f"{path}: not a run that can be resumed (no config.json); choose another --run")
    if kept is not None and (differs := _differences(kept, config)):
        raise UserError(f"{path}: begun with another {', '.join(differs)}; choose the same, or another --run")


def _check_store(store: ClipStore, config: RunConfig, path: Path) -> None:
    if store.source != config.source:
        raise UserError(
            f"{store.path}: its source is {store.source}, not {config.source}; give --source {store.source}"
        )
    if len(store.classes) < 2:
        raise UserError(f"{store.path}: only class {store.classes[0]!r}; a classifier needs at least 2 class folders")
    kept = runs.read_json(path / "config.json")
    if kept is not None and kept["store_sha256"] != store.info["sha256"]:
        raise UserError(
            f"{store.path}: not the data that {path} was begun with; bring that back, or choose another --run"
        )


def _resolved(config: RunConfig, recipe: recipes.Recipe, profile: recipes.Profile, store: ClipStore) -> dict:
    return asdict(config) | {
        "recipe_fields": asdict(recipe),
        "profile_fields": asdict(profile),
        "store": str(store.path),
        "data_kind": store.kind,
        "store_sha256": store.info["sha256"],
        "classes": list(store.classes),
        "window": store.info["window"],
        "size": store.info["size"],
    }


def build(
    config: RunConfig,
    store: ClipStore,
    split: splits.Split,
    strategy: tf.distribute.Strategy | None = None,
    classes: int | None = None,
) -> keras.Model:
    """Return the untrained network of `config`, normalised by the training part, with the store's number of classes."""
    (recipe, profile), strategy = config.resolved(), strategy or tf.distribute.get_strategy()
    mean, deviation = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if recipe.inputs == "dataset":  # to find them, 512 sequences are read
        mean, deviation = store.channel_statistics(split.train)
    before = keras.config.dtype_policy()
    half = "mixed_float16" if tf.config.list_physical_devices("GPU") else "mixed_bfloat16"  # CPUs pool no float16
    keras.config.set_dtype_policy(half if config.mixed_precision else "float32")
    try:
        with strategy.scope():
            return models.build(
                config.model,
                recipe,
                classes=classes or len(store.classes),
                window=store.info["window"],
                size=store.info["size"],
                width=profile.width,
                seed=config.seed,
                mean=mean,
                deviation=deviation,
            )
    finally:
        keras.config.set_dtype_policy(before)


def monitor(config: RunConfig, store: ClipStore, say: Callable[[str], None]) -> health.Monitor | None:
    """Return what watches a training of `config`, or None if it is not to be watched."""
    if not config.health:
        return None
    recipe, _ = config.resolved()
    return health.Monitor(len(store.classes), recipe.batch_size, say, loss_scaling=config.mixed_precision)


def _restore(path: Path, trainer: training.Trainer, say: Callable[[str], None]) -> None:
    restored, progress = checkpoints.restore(path, trainer, say), trainer.progress
    done = np.float32([len(progress.epochs) * trainer.steps + len(progress.rows)])
    if strategies.total(trainer.strategy, done) != done * len(strategies.worker_of(trainer.strategy).addresses):
        raise UserError(
            f"{path}: not every worker finds the same checkpoint there; put it on a disk that all of them see"
        )
    if not restored:
        say("no checkpoint to resume from; beginning at the first step")
        return
    steps = f" and {len(progress.rows)} of {trainer.steps} steps" if progress.rows else ""
    say(f"resuming after epoch {len(progress.epochs)}{steps}")


def _fit(
    path: Path,
    trainer: training.Trainer,
    minutes: float,
    stop: faults.Stop,
    say: Callable[[str], None],
    curves: events.Events | None,
) -> None:
    """Run the epochs that are left; after each, history, checkpoint and best weights are on disk."""
    saved = time.monotonic()

    def pause() -> None:
        nonlocal saved
        if stop.asked or time.monotonic() - saved >= 60 * minutes:
            trainer.store.check()  # what was learnt from other data is not kept
            checkpoints.save(path, trainer)
            saved = time.monotonic()
            stop.check()

    trainer.pause, history = pause, trainer.progress.epochs
    for epoch in trainer.epochs():
        trainer.store.check()
        if epoch.val_accuracy == max(e.val_accuracy for e in history) and math.isfinite(epoch.val_loss):
            with paths.whole_file(path / "best.weights.h5", expect=_model_bytes(trainer.model)) as temporary:
                trainer.model.save_weights(temporary)
        with paths.whole_file(path / "history.csv") as temporary:
            pd.DataFrame([asdict(e) for e in history]).to_csv(temporary, index=False)
        if curves:
            curves.add(history)
        checkpoints.save(path, trainer)
        saved = time.monotonic()
        say(epoch.line(trainer.profile.epochs))
        stop.check()


def _follow(trainer: training.Trainer, stop: faults.Stop) -> None:
    """Run the epochs that are left along with the chief, which alone stops for a signal: it has to save first."""
    try:
        for _ in trainer.epochs():
            trainer.store.check()
    except strategies.GONE:
        stop.check()
        raise


def _model_bytes(model: keras.Model) -> int:
    """Return an upper bound of a model file's size; Keras builds the archive from a second copy on the same disk."""
    return 2 * sum(variable.value.dtype.size * int(np.prod(variable.shape)) for variable in model.variables) + 2**20


def _finish(path: Path, config: RunConfig, trainer: training.Trainer) -> None:
    """Write model, predictions, what stood on which side and, last, metrics."""
    store, index, recipe, history = trainer.store, trainer.split.validation, trainer.recipe, trainer.progress.epochs
    with paths.whole_file(path / "model.keras", expect=_model_bytes(trainer.model)) as temporary:
        trainer.model.save(temporary)
    outputs = trainer.predict(store, index) if trainer.outputs is None else trainer.outputs
    y_true, y_prob = store.labels[index], evaluation.probabilities(outputs, recipe.head)
    with paths.whole_file(path / "predictions.npz") as temporary:
        np.savez(temporary, index=index, y_true=y_true, y_prob=y_prob)
    with paths.whole_file(path / "split.csv") as temporary:
        splits.table(store, trainer.split).to_csv(temporary, index=False)
    reached = [e.seconds for e in history if e.val_accuracy >= TARGET]
    stopped = trainer.monitor.stopped if trainer.monitor else None
    steps = stopped.step if stopped else len(history) * trainer.steps
    metrics = asdict(config) | {
        "classes": list(store.classes),
        "n_train": len(trainer.split.train),
        "n_val": len(index),
        "parameters": trainer.model.count_params(),
        "epochs": len(history),
        **evaluation.measure(y_true, y_prob, store.clips[index], store.groups[index], recipe.batch_size),
        "val_loss": history[-1].val_loss if math.isfinite(history[-1].val_loss) else None,
        "seconds": history[-1].seconds,
        "seconds_to_75": reached[0] if reached else None,
        "sequences_per_second": steps * recipe.batch_size / history[-1].seconds,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "status": trainer.monitor.status if trainer.monitor else "unchecked",
        "findings": [finding.line for finding in trainer.monitor.findings] if trainer.monitor else [],
    }
    runs.write_json(path / "metrics.json", metrics)
    if not stopped or stopped.check != "non_finite":  # then the weights of the last checkpoint are the last good ones
        checkpoints.remove(path)


def evaluate(run: Run, store_path: Path | str | None = None) -> dict:
    """Measure a finished run again.

    Args:
        run: the run.
        store_path: a store to measure on, the whole of it; by default the run's own and its held-out part.

    Raises:
        UserError: a store of other classes, or one that changed since the run.
    """
    store = ClipStore.open(store_path) if store_path else own_store(run)
    if list(store.classes) != run.config["classes"]:
        raise UserError(f"{store.path}: its classes are not those of {run.path}; give a store of the same classes")
    index = np.arange(len(store)) if store_path else run.predictions["index"]
    outputs = training.make_predict(run.model())(store, index)
    y_prob = evaluation.probabilities(outputs, run.recipe.head)
    found = evaluation.measure(store.labels[index], y_prob, store.clips[index], store.groups[index])
    return {"store": str(store.path), "n": len(index), "classes": list(store.classes), **found}


def own_store(run: Run) -> ClipStore:
    """Open the store that a run was trained on.

    Raises:
        UserError: it changed since.
    """
    store = ClipStore.open(run.config["store"])
    if store.info["sha256"] != run.config["store_sha256"]:
        raise UserError(f"{store.path}: changed since {run.path} was trained; train again")
    return store


def answers(run: Run, flip: bool = False) -> dict[str, np.ndarray]:
    """Return `run.held_out`; with `flip`, probabilities are means over each sequence and its mirror image.

    Raises:
        UserError: with `flip`, a store that changed since the run.
    """
    side = run.held_out
    if not flip:
        return side
    outputs = training.make_predict(run.model())(
        own_store(run), run.predictions["index"], lambda frames, _: np.ascontiguousarray(frames[..., ::-1, :])
    )
    return side | {"y_prob": (side["y_prob"] + evaluation.probabilities(outputs, run.recipe.head)) / 2}
