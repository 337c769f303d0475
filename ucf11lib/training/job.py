"""One training from its configuration to a finished run folder."""

from __future__ import annotations  # TensorFlow may be missing, see `backend`

import contextlib
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ucf11lib import models, paths
from ucf11lib.backend import tf
from ucf11lib.data import ClipStore, open_or_prepare, split
from ucf11lib.data.sources import store_path
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs import Run, RunConfig
from ucf11lib.runs.environment import code_digest
from ucf11lib.runs.folder import lock_file
from ucf11lib.runs.parsing import check_utf8
from ucf11lib.training import checkpoints, record, workers
from ucf11lib.training.trainer import Trainer


def train(
    config: RunConfig,
    path: Path | str | None = None,
    *,
    store: ClipStore | None = None,
    resume: bool = False,
    tensorboard: bool = False,
    log: Callable[[str], None] = print,
    strategy: tf.distribute.Strategy | None = None,
    wait: bool = False,
) -> Run:
    """Train, evaluate on the held-out part, and leave a run folder.

    `path` is `runs/<config.name>` by default, `store` the config's source. `resume` continues a run
    at `path` after its last epoch, begins one, or returns a finished one. `tensorboard` writes
    TensorBoard's event files, too. `log` gets a line before the training, one an epoch, and one for
    each health finding. `strategy` is one device by default; of several workers, which all see the
    folder, the first writes and logs. `wait`: until no other process trains in the folder.

    Raises a `UserError` for a folder that exists or is in use, or data that cannot be trained on; a
    `RunFailed` if memory is exhausted or another worker is gone; and a `KeyboardInterrupt` at a
    signal: the epochs until then are in the folder.
    """
    models.check_model(config.model)
    path = Path(path) if path else paths.runs_dir() / config.name
    check_utf8(str(path), "choose another --run")
    strategy = strategy or tf.distribute.get_strategy()
    with workers.together(strategy) as worker:
        try:
            if not worker.chief:
                return _train(config, path, store, resume, tensorboard, strategy, lambda line: None)
            with paths.lock(lock_file(paths.resolved(path)), wait=wait):
                return _train(config, path, store, resume, tensorboard, strategy, log)
        except paths.Locked:
            remedy = "wait for it, or choose another --run"
            raise UserError(f"{path}: another process trains in it; {remedy}") from None
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            raise _out_of_memory(error) from None


def train_or_load(config: RunConfig, *, log: Callable[[str], None] = print) -> Run:
    """Return the finished run of `config` under `runs/`; train or resume it if there is none.

    A folder of that name that holds anything else, such as a run on what the data were before or
    of other code (`record.DECIDES`), is left as it is, and the run goes to `<config.name>-2`, or
    the next free number. If another process is training it, wait for that one.
    """
    store = open_or_prepare(config.data)
    return train(config, _own_path(config, store), store=store, resume=True, log=log, wait=True)


def finished_run(config: RunConfig) -> Run | None:
    """Return the finished run of `config` and today's data under `runs/`; None for none."""
    store = open_or_prepare(config.data)
    path = _own_path(config, store)
    return Run(path) if _content(path, config) == "finished" else None


def print_result(run: Run) -> None:
    """Print a run's accuracy and folder; raise a `RunFailed` if the health checks stopped it."""
    metrics, path = run.metrics, paths.display(run.path)
    print(f"held out: {metrics['accuracy']:.1%} of {metrics['n_val']} sequences ({run.note})")
    print(f"run: {path}")
    if metrics["status"].startswith("stopped"):
        raise RunFailed(f"{metrics['status']}; {path}/metrics.json has the findings")


def _own_path(config: RunConfig, store: ClipStore) -> Path:
    """Return the folder under `runs/` of the run of `config`, else the first free name."""
    names = itertools.chain([config.name], (f"{config.name}-{n}" for n in itertools.count(2)))
    folders = (paths.runs_dir() / name for name in names)
    of_today = (store.info.sha256, code_digest(*record.DECIDES))
    return next(path for path in folders if _content(path, config, of_today) != "other")


def _content(
    path: Path, config: RunConfig, of_today: tuple[dict[str, str], str] | None = None
) -> Literal["nothing", "begun", "finished", "other"]:
    """Return what a folder holds: nothing, a begun or finished run of `config`, anything else.

    A run on a store of other checksums, or by code of another digest, is something else if those
    `of_today` are given.
    """
    if (path / "config.json").is_file():
        with contextlib.suppress(UserError):
            run = Run(path)
            if run.config == config and (of_today is None or _is_of(run, *of_today)):
                return "finished" if (path / "metrics.json").is_file() else "begun"
        return "other"
    if path.is_dir() and all(map(paths.is_torn, path.iterdir())):
        return "nothing"  # a process was killed before it had written the first file
    return "other" if path.exists() else "nothing"


def _is_of(run: Run, store_sha256: dict[str, str], code: str) -> bool:
    """Return whether a run is on such a store, and by such code; an older one does not tell."""
    return run.data.store_sha256 == store_sha256 and run.data.code in ("", code)


def _train(config: RunConfig, path: Path, store, resume, tensorboard, strategy, log) -> Run:
    """Train, as `train` does, in a folder that no other process uses; only the chief writes."""
    chief = workers.worker_of(strategy).chief
    if chief:
        _check_folder(path, config, store, resume)
    store = store or open_or_prepare(config.data)
    _check_store(store, config, path)
    if resume and _content(path, config) == "finished":
        log(f"{paths.display(path)}: finished already")
        if chief:
            checkpoints.clean(Run(path))
        return Run(path)
    store.verify()
    if config.data.folder:
        log(store.formatted())
    sides = split(store, config)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    trainer = Trainer.of(config, store, sides, strategy=strategy, log=log)
    if chief:
        record.begin(path, trainer)
    sizes = f"{len(sides.train)} training and {len(sides.validation)} held-out sequences"
    log(f"{config.name}: {sizes}, {trainer.model.count_params():,} parameters")
    if resume:
        checkpoints.restore(path, trainer, log)
    events = record.Events(path / "tensorboard", config) if tensorboard and chief else None
    if events:
        events.add(trainer.progress.epochs)  # of a resumed training, which may have no other
    for epoch in trainer.epochs():
        if chief:
            record.save_history(path, trainer)
            checkpoints.save(path, trainer)
        if events:
            events.add(trainer.progress.epochs)
        log(epoch.line(config.profile.epochs))
    if chief:
        record.finish(path, trainer)
        checkpoints.clean(Run(path))
    return Run(path)


def _check_folder(path: Path, config: RunConfig, store: ClipStore | None, resume: bool) -> None:
    content = _content(path, config)
    if content == "nothing" or (content in ("begun", "finished") and resume):
        return
    if content == "finished":
        checkpoints.clean(Run(path))  # which a process left that was killed before it did
    if (path / "metrics.json").exists():
        data = store.path if store else store_path(config.data)
        other = content == "finished" and Path(Run(path).data.store).name != data.name
        what = f"a finished run on other data than {data.name}" if other else "a finished run"
        raise UserError(f"{path}: {what}; choose another --run or delete it")
    if not (path / "config.json").is_file():
        raise UserError(
            f"{path}: exists already, and is no run (no config.json); choose another --run"
        )
    if not resume:
        remedy = "continue with --resume, choose another --run or delete it"
        raise UserError(f"{path}: exists already; {remedy}")
    differ = set(Run(path).config.flat().items()) ^ set(config.flat().items())
    names = ", ".join(sorted({name for name, _ in differ}))
    raise UserError(f"{path}: begun with another {names}; choose the same, or another --run")


def _check_store(store: ClipStore, config: RunConfig, path: Path) -> None:
    if store.source != config.data.source:
        sources = f"its source is {store.source}, not {config.data.source}"
        raise UserError(f"{store.path}: {sources}; give --source {store.source}")
    if (path / "config.json").is_file() and Run(path).data.store_sha256 != store.info.sha256:
        remedy = "bring that back, or choose another --run"
        raise UserError(f"{store.path}: not the data that {path} was begun with; {remedy}")


def _out_of_memory(error: Exception) -> RunFailed:
    shape = re.search(r"tensor with shape(\[.*?\])", str(error))
    what = f" for a tensor of shape {shape[1]}" if shape else ""
    remedy = "begin a run with --set batch_size=8, --set width=0.5 or --precision bfloat16"
    return RunFailed(f"out of memory{what}; {remedy}, or free some and resume")
