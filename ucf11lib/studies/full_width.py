"""What do the networks of 2019 do at their full width, on data as large as the course's?

Recipe 2019 at profile `full`: 256 batches of 16 an epoch, 7272 sequences, a stop at 75 %; VGG9
also with its frames' results averaged; then the repaired recipe. Two cores would take days, so it
is trained apart, by plain Keras, where a GPU is at hand (JAX is enough), within given minutes; the
same command resumes. Without --minutes, the finished runs are collected.

Expect: with the random split VGG9 reaches the stop in one or two epochs, while its loss is in the
tens; CNN+LSTM, whose channels are our choice, does not in eight. JAX's default precision of float32
products is the device's, which may be TensorFloat-32.

    python -m ucf11lib study full_width --minutes 9 --workers 4    # 36 trainings, on a GPU
    python -m ucf11lib study full_width --force                    # a minute on 2 cores
"""

import os
import time
from collections.abc import Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from ucf11lib import figures, paths
from ucf11lib.backend import keras
from ucf11lib.data import open_or_prepare, split
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs import REPORTED, RunConfig
from ucf11lib.runs.parsing import read_json
from ucf11lib.studies.speed import process_pool
from ucf11lib.studies.study import Changes, Study, over
from ucf11lib.training import portable

PART_STEPS = 32  # an eighth of an epoch
AVERAGED: Mapping[str, Changes] = {
    "vgg9 mean of logits": {"model": "vgg9_mean"},
    "vgg9 mean of softmaxes": {"model": "vgg9_mean", "head": "softmax", "epochs": 2},
    "vgg9 log of mean softmax": {"model": "vgg9_log_mean"},
}
COLUMNS = {"step": "steps", "loss": "losses", "accuracy": "accuracies"}  # of a part, of a row
COLUMNS |= {"val_loss": "val_losses", "val_accuracy": "val_accuracies", "seconds": "seconds"}
LEARNING = over("model", ("vgg9", "cnn_lstm"))
C3D: Mapping[str, Changes] = {"c3d": {"model": "c3d", "epochs": 2}}


@dataclass(frozen=True)
class Record:
    """What a training leaves: `runs/full_width/<name>.json`."""

    device: str
    backend: str  # of Keras, with its version
    parts: list[portable.Part] = field(default_factory=list)
    status: str = "running"  # "ok" at its end


def train(minutes: float, workers: int | None = None, log=print) -> None:
    """Train what is not finished yet, a seed after the other, and stop after `minutes`.

    `workers` processes share the device. A training that is cut short starts again the next time.
    Raises a `UserError` for less than a minute or a worker.
    """
    workers = 1 if workers is None else workers
    if not minutes >= 1 or workers < 1:
        raise UserError(f"--minutes {minutes:g} --workers {workers}: give 1 or more of each")
    deadline = time.time() + 60 * minutes
    configs = [config for stage in STUDY.stages([]) for config in stage.points()]
    open_or_prepare(configs[0].data)
    left = [one for one in configs if (record := _record(one)) is None or record.status != "ok"]
    left.sort(key=lambda config: config.seed)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # of JAX, for several processes
    with process_pool(workers) as pool:
        statuses = pool.map(partial(run, deadline=deadline), left)
        try:
            for config, status in zip(left, statuses, strict=True):
                log(f"{config.name}: {status}")
        except BrokenProcessPool:
            remedy = "free some memory or give fewer --workers; finished trainings stay"
            raise RunFailed(f"full_width: a worker was killed; {remedy}") from None
    finished = sum(record.status == "ok" for record in map(_record, configs) if record)
    log(f"{finished} of {len(configs)} trainings are finished")


def run(config: RunConfig, deadline: float) -> str:
    """Train one configuration until `deadline`, in Unix seconds; return the record's status."""
    if time.time() > deadline:
        return "not begun: out of time"
    keras.utils.clear_session()
    keras.config.disable_interactive_logging()
    store = open_or_prepare(config.data)
    name = keras.backend.backend()
    record = Record(_device(), f"{name} {version(name)}, Keras {keras.__version__}")
    for part in portable.parts(config, store, split(store, config), steps=PART_STEPS):
        record.parts.append(part)
        paths.write_json(_file(config), asdict(record))
        if time.time() > deadline:
            return f"cut short at step {part.step}: out of time"
    paths.write_json(_file(config), asdict(replace(record, status="ok")))
    return f"ok, {len(record.parts) * PART_STEPS} steps in {record.parts[-1].seconds:.0f} s"


def measure(config: RunConfig) -> list[dict]:
    """Return the row of a finished training, none of another; a `UserError` if there is none."""
    if not list(_file(config).parent.glob("*.json")):
        remedy = "train on a GPU with 'python -m ucf11lib study full_width --minutes 9 --workers 4'"
        raise UserError(f"{paths.display(_file(config).parent)}: no finished training; {remedy}")
    record = _record(config)
    if record is None or record.status != "ok":
        return []
    parts, target = record.parts, config.recipe.target_accuracy
    accuracies = [part.val_accuracy for part in parts if part.val_accuracy is not None]
    reached = target is not None and accuracies[-1] >= target
    numbers = {one: [getattr(part, one) for part in parts] for one in COLUMNS}
    lists = {COLUMNS[one]: [x and round(x, 4) for x in row] for one, row in numbers.items()}
    return [
        {
            "accuracy": accuracies[-1],
            "reached_target": reached,
            "epochs": parts[-1].step / config.profile.steps_per_epoch,
            "device": record.device,
            "backend": record.backend,
            **lists,
        }
    ]


def _record(config: RunConfig) -> Record | None:
    file = _file(config)
    return read_json(file, Record, "delete it, and train again") if file.exists() else None


def _file(config: RunConfig) -> Path:
    return paths.runs_dir() / "full_width" / f"{config.name}.json"


def _device() -> str:
    """Return the name of the device that Keras computes on."""
    if keras.backend.backend() != "jax":
        return ", ".join(keras.distribution.list_devices())
    import jax  # noqa: PLC0415 - no dependency: only where Keras runs on it

    return jax.devices()[0].device_kind


def draw(table, note):
    """Draw losses and accuracies over steps, a line a run, a panel a network of 2019."""
    part = table[table["model"].isin(REPORTED)]
    long = part.explode(["steps", "losses", "val_accuracies"])
    names = {"steps": "step", "losses": "training loss", "val_accuracies": "held-out accuracy"}
    long = long.rename(columns=names).astype(dict.fromkeys(names.values(), float))
    columns = {"x": "step", "y": ("training loss", "held-out accuracy"), "panel": "model"}
    options = {"line": "protocol", "log": "training loss", "target": 0.75}
    return figures.lines(long, **columns, **options, note=f"{note}; full width, float32")


RANDOM = Study(
    name="full_width",
    question="What do the networks of 2019 do at full width, on data as large as the course's?",
    base=RunConfig.of(
        model="vgg9", recipe="2019", profile="full", precision="float32", epochs=8, health=False
    ),
    axes={"protocol": {"2019, random split": {"split": "random"}}}
    | {"model": {**C3D, **LEARNING, **AVERAGED}},
    measure=measure,
    figure=draw,
)
GROUP = replace(RANDOM, axes={"protocol": {"2019, group split": {}}, "model": LEARNING})
REPAIRED = replace(
    RANDOM,
    axes={
        "protocol": {"repaired, group split": {"recipe": "repaired", "epochs": 12}},
        "model": over("model", REPORTED) | {"vgg9 mean of logits": {"model": "vgg9_mean"}},
    },
)
STUDY = replace(RANDOM, then=(GROUP, REPAIRED))
