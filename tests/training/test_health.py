"""Thirteen planted faults, each named by its check; tests/slow has twelve healthy trainings."""

import math
import re

import numpy as np
import pytest

from ucf11lib import paths
from ucf11lib.backend import keras, tf
from ucf11lib.data import ClipStore, split
from ucf11lib.data.writer import create
from ucf11lib.errors import RunFailed
from ucf11lib.runs import RunConfig
from ucf11lib.training import Trainer, health, print_result, train
from ucf11lib.training.step import loss_of, make_step

SHORT = {"profile": "smoke", "epochs": 2, "steps_per_epoch": 10, "target_accuracy": None}


def behind(function):
    """Put something behind the outputs."""
    return lambda model: keras.Model(model.input, keras.layers.Lambda(function)(model.output))


def nan_weights(model):
    layer = model.get_layer("conv2")
    layer.kernel.assign(layer.kernel * math.nan)


def dead_relus(model):
    layer = model.get_layer("conv1")
    layer.bias.assign(layer.bias - 1e6)


def one_hot_twice(z):
    """A saturated double softmax that no longer sums to 1: the loss does not see the added 1."""
    return 1.0 + keras.ops.softmax(1e6 * z)


def changed(store, folder, change):
    """A copy of a store with other frames."""
    with create(folder, source="synthetic", classes=store.info.classes, origin={}) as writer:
        for i, label in enumerate(store.labels):
            place = {"label": int(label), "group": store.groups[i], "clip": f"{store.clips[i]}_{i}"}
            writer.add(change(store.frames[i])[None], **place)
    return ClipStore.open(folder)


BLOW_UP = {"model": "vgg9", "optimizer": "sgd", "learning_rate": 1e6, "schedule": "constant"}
C3D_2019 = {"model": "c3d", "recipe": "2019"}
MEAN_OF_SOFTMAXES = {"model": "vgg9_mean", "recipe": "2019", "head": "softmax"}
SATURATED_TANH = {"tamper": behind(lambda z: keras.ops.tanh(1e6 * z))}
ONE_CLASS = {"learning_rate": 1e-9, "batch_size": 12}  # 120 predictions an epoch are enough
PLANTED = {
    "a softmax in the head": ("double_softmax", {"head": "softmax"}),
    "C3D as in 2019": ("double_softmax", C3D_2019),
    "a mean of the frames' softmaxes": ("double_softmax", MEAN_OF_SOFTMAXES),
    "a softmax behind a sound model": ("double_softmax", {"tamper": behind(keras.ops.softmax)}),
    "a saturated double softmax in disguise": ("lattice", {"tamper": behind(one_hot_twice)}),
    "a saturated tanh behind the logits": ("dead_gradient", SATURATED_TANH),
    "a learning rate of 1e6": ("non_finite", BLOW_UP),
    "weights that are no numbers": ("non_finite", {"tamper": nan_weights}),
    "ReLUs that died": ("one_class", {"tamper": dead_relus, **ONE_CLASS}),
    "grey levels fed as they are": ("frames", {"inputs": "raw", "learning_rate": 1e-6}),
    "N(0, 0.1) on C3D": ("first_loss", {"model": "c3d", "init": "normal", "width": 0.125}),
    "frames scaled before they were stored": ("frames", {"change": lambda frames: frames // 128}),
    "black frames": ("frames", {"change": np.zeros_like}),
}


def test_checks_are_all_planted():
    assert {check for check, _ in PLANTED.values()} == set(health.CHECKS)


@pytest.mark.slow
@pytest.mark.parametrize("fault", PLANTED)
def test_monitor_names_a_planted_fault(fault, store, tmp_path):
    check, options = PLANTED[fault]
    flat = {"model": "cnn_lstm"} | SHORT | options
    if change := flat.pop("change", None):
        store = changed(store, tmp_path / "s", change)
    tamper = flat.pop("tamper", None)
    config, lines = RunConfig.of(**flat), []
    job = Trainer.of(config, store, split(store, config), log=lines.append)
    if tamper:
        job.model = tamper(job.model) or job.model
        job.step = make_step(job.model, job.optimizer, config.recipe, job.strategy)
    epochs, stops = len(list(job.epochs())), check in health.STOPPING
    finding = job.monitor.findings[0]
    line = rf"health: {check} at step \d+: .*; usually {re.escape(health.CHECKS[check])}"
    assert re.fullmatch(line, finding.line), job.monitor.findings
    assert lines[0] == finding.line + ("; stopped, --no-health continues" if stops else "")
    assert len(lines) == len(job.monitor.findings)
    assert job.monitor.status.startswith(f"{'stopped' if stops else 'warned'}: {check}")
    assert epochs == 1 or not stops


def vector(loss=2.4, norm=1.0):
    """A step's row: 11 classes, a batch of 4 that is all predicted as class 0."""
    return np.array([loss * 4, 1, norm**2, 0, 4] + [0] * 10)


@pytest.mark.parametrize(
    ("first", "rows", "scaled", "status"),
    [
        (0, [vector(loss=0.01)], False, "warned: first_loss"),
        (1, [vector(loss=1e-9, norm=1e-12)] * 16, False, "ok"),  # memorised, not dead
        (1, [vector(norm=0.0)] * 7, False, "ok"),
        (1, [vector(norm=0.0)] * 8, False, "stopped: dead_gradient"),
        (1, [vector(norm=math.inf)] * 3 + [vector()], True, "ok"),
        (1, [vector(norm=math.inf)] * 23 + [vector()], True, "ok"),  # the scale is lower then
        (1, [vector(norm=math.inf)] * 24, True, "stopped: non_finite"),
        (1, [vector(norm=math.inf)], False, "stopped: non_finite"),
    ],
)
def test_look_judges_rows(first, rows, scaled, status):
    monitor = health.Monitor(11, 4, lambda line: None, scaled)
    monitor.begin_epoch(first)
    assert monitor.look(rows, last=True) == status.startswith("stopped")
    assert monitor.status == status


def test_look_needs_two_rows_that_sum_to_one():
    """With two classes and a batch of one, a guess's logits may do so by chance."""
    row = np.array([0.7, 1, 1.0, 1, 1, 0])
    for rows, status in ([row], "ok"), ([row, row], "stopped: double_softmax"):
        monitor = health.Monitor(2, 1, lambda line: None)
        monitor.look(rows, last=True)
        assert monitor.status == status


def test_look_sees_habits_within_an_epoch_only():
    """A resumed run starts with an epoch and must have the findings of an undisturbed one."""
    monitor = health.Monitor(11, 4, lambda line: None)
    for first in (1, 8):
        monitor.begin_epoch(first)
        assert not monitor.look([vector(norm=0.0)] * 7, last=True)
    assert monitor.findings == []


@pytest.mark.parametrize(("classes", "batch_size"), [(11, 2), (10, 2), (11, 16)])
def test_lattice_is_what_a_double_softmax_costs(classes, batch_size):
    """Closed form against the loss of saturated outputs, k of the batch right."""
    for k in range(batch_size + 1):
        predicted = np.arange(batch_size) % classes
        labels = np.where(np.arange(batch_size) < k, predicted, (predicted + 1) % classes)
        outputs = tf.nn.softmax(tf.one_hot(predicted, classes) * 1e4)
        loss = float(tf.reduce_mean(loss_of(tf.constant(labels, tf.int32), outputs)))
        assert loss == pytest.approx(health.lattice(classes, batch_size)[k], abs=1e-6)
    assert health.lattice(11, 2) == pytest.approx([2.5430, 2.0430, 1.5430], abs=5e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("check", "flat"), [("double_softmax", C3D_2019), ("non_finite", BLOW_UP)])
def test_train_stopped_leaves_a_complete_folder(check, flat, store, tmp_path):
    run = train(RunConfig.of(profile="smoke", **flat), tmp_path / "r", store=store)
    with pytest.raises(RunFailed, match=f"stopped: {check}; .*metrics.json has the findings"):
        print_result(run)
    assert run.metrics["findings"][0].startswith(f"health: {check}")
    readme = (paths.ROOT / "README.md").read_text()
    assert (run.metrics["findings"][0] in readme) == (check == "double_softmax")
    assert (run.metrics["val_loss"] is None) == (check == "non_finite")
    assert (len(run.history), len(run.predictions["index"])) == (1, run.metrics["n_val"])


@pytest.mark.slow
def test_train_without_health_continues(store, tmp_path):
    config = RunConfig.of(**C3D_2019, profile="smoke", health=False, target_accuracy=None)
    run = train(config, tmp_path / "r", store=store)
    assert (len(run.history), run.metrics["status"]) == (2, "unchecked")
