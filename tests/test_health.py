"""Twelve planted faults, each named by its check; twelve healthy trainings, no false alarm."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ucf11lib import health, jobs, models, recipes, training
from ucf11lib.backend import keras, tf
from ucf11lib.config import RunConfig
from ucf11lib.data import splits
from ucf11lib.data.store import ClipStore, create
from ucf11lib.overfit import overfit
from ucf11lib.runs import Run

SHORT = {"epochs": 2, "steps_per_epoch": 10}


def network(store, name, recipe, width, seed=0):
    mean, deviation = store.channel_statistics(np.arange(len(store)))
    return models.build(name, recipe, width=width, seed=seed, mean=mean, deviation=deviation,
                        classes=len(store.classes))  # fmt: skip


def watch(store, name="cnn_lstm", *, base="repaired", tamper=None, width=None, seed=0, epochs=2, **changes):
    """Train for a few real steps under a monitor; `tamper` may replace the model."""
    profile = replace(recipes.profile("smoke", name), steps_per_epoch=10, epochs=epochs)
    recipe = replace(recipes.recipe(base, name), target_accuracy=None, **changes)
    model = network(store, name, recipe, width or profile.width, seed)
    model = (tamper and tamper(model)) or model
    said = []
    monitor = health.Monitor(len(store.classes), recipe.batch_size, said.append)
    strategy = tf.distribute.get_strategy()
    parts = splits.split(store, "group")
    job = training.Trainer(model, store, parts, recipe, profile, seed, strategy, monitor=monitor)
    history = list(job.epochs())
    assert len(said) == len(monitor.findings)
    return monitor, history


def behind(layer):
    """Put something behind the outputs."""
    return lambda model: keras.Model(model.input, layer(model.output))


def nan_weights(model):
    layer = model.get_layer("conv2")
    layer.kernel.assign(layer.kernel * math.nan)


def dead_relus(model):
    layer = model.get_layer("conv1")
    layer.bias.assign(layer.bias - 1e6)


def one_hot_twice(model):
    """A saturated double softmax that no longer sums to 1: the loss does not see the added 1."""
    hot = keras.layers.Lambda(lambda z: 1.0 + keras.ops.softmax(1e6 * z))
    return keras.Model(model.input, hot(model.output))


def changed(store, folder, change):
    """A copy of a store with other frames."""
    info = store.info
    with create(folder, source=info["source"], classes=info["classes"], origin=info["origin"]) as writer:
        for i, (label, group, clip) in enumerate(zip(store.labels, store.groups, store.clips, strict=True)):
            writer.add(change(store.frames[i])[None], label=int(label), group=group, clip=f"{clip}_{i}")
    return ClipStore.open(folder)


BATCH_12 = {"batch_size": 12}  # 120 answers an epoch: enough to call them all of one class
PLANTED = {
    "a softmax in the head": ("double_softmax", {"head": "softmax"}),
    "C3D as in 2019": ("double_softmax", {"name": "c3d", "base": "2019"}),
    "a softmax layer put behind a sound model": ("double_softmax", {"tamper": behind(keras.layers.Softmax())}),
    "a saturated double softmax in disguise": ("lattice", {"tamper": one_hot_twice}),
    "a saturated tanh behind the logits": (
        "dead_gradient",
        {"tamper": behind(keras.layers.Lambda(lambda z: keras.ops.tanh(1e6 * z)))},
    ),
    "a learning rate of 1e30": ("non_finite", {"learning_rate": 1e30, "schedule": "constant"}),
    "weights that are no numbers": ("non_finite", {"tamper": nan_weights}),
    "ReLUs that died": ("one_class", {"tamper": dead_relus, "learning_rate": 1e-9, **BATCH_12}),
    "grey levels fed as they are": ("frames", {"inputs": "raw", "learning_rate": 1e-6}),
    "N(0, 0.1) on C3D with a sound head": ("first_loss", {"name": "c3d", "init": "normal", "width": 0.25}),
    "frames scaled to 0..1 before they were stored": ("frames", {"change": lambda frames: frames // 128}),
    "black frames": ("frames", {"change": np.zeros_like}),
}
HEALTHY = {
    "c3d": {"name": "c3d"},
    "c3d, seed 1": {"name": "c3d", "seed": 1},
    "c3d, wider": {"name": "c3d", "width": 0.125},
    "c3d, dataset input": {"name": "c3d", "inputs": "dataset"},
    "vgg9": {"name": "vgg9"},
    "vgg9, seed 1": {"name": "vgg9", "seed": 1},
    "vgg9, batch normalisation": {"name": "vgg9", "norm": "batch"},
    "cnn_lstm": {},
    "cnn_lstm, seed 1": {"seed": 1},
    "cnn_lstm as in 2019": {"base": "2019"},
    "cnn_lstm, batches of 4, x / 255": {"batch_size": 4, "inputs": "unit"},
    "cnn_lstm, wide, dropout, SGD": {"width": 0.5, "dropout": 0.3, "optimizer": "momentum"},
}


def test_twelve_of_each():
    assert len(PLANTED) == len(HEALTHY) == 12
    assert {check for check, _ in PLANTED.values()} == set(health.CHECKS)


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_named(fault, store, tmp_path):
    check, options = PLANTED[fault]
    options = dict(options)
    if change := options.pop("change", None):
        store = changed(store, tmp_path / "s", change)
    monitor, history = watch(store, **options)
    finding = monitor.findings[0]
    assert finding.check == check, monitor.findings
    stops, means, remedy = health.CHECKS[check]
    assert finding.line.startswith(f"health: {check} at step {finding.step}: ")
    assert finding.line.endswith(f"; usually {means}; change: {remedy}")
    assert "\n" not in finding.line
    if stops:
        assert monitor.status == f"stopped: {check}"
        assert len(history) == 1
    else:
        assert monitor.status.startswith(f"warned: {check}")


@pytest.mark.parametrize("case", HEALTHY)
def test_a_healthy_training_raises_no_alarm(case, store):
    monitor, history = watch(store, **HEALTHY[case])
    assert monitor.findings == []
    assert monitor.status == "ok"
    assert len(history) == 2


def test_a_healthy_training_on_real_video_raises_no_alarm(videos):
    from ucf11lib.data import sources

    real = sources.ensure("videos", data=str(videos / "weizmann"), profile=recipes.profile("smoke", "c3d"))
    assert [watch(real, name)[0].status for name in recipes.MODELS] == ["ok"] * 3


def vector(loss=2.4, batch=4, norm=1.0, distributions=0, predicted=0):
    row = np.zeros(4 + 11)
    row[:4] = loss * batch, 1, norm**2, distributions
    row[4 + predicted] = batch
    return row


def test_a_first_loss_far_below_chance_is_found():
    monitor = health.Monitor(11, 4, lambda line: None)
    monitor.steps(1, [vector(loss=0.01)])
    assert [finding.check for finding in monitor.findings] == ["first_loss"]


def test_a_fitted_model_is_not_dead():
    monitor = health.Monitor(11, 4, lambda line: None)
    monitor.steps(2, [vector(loss=1e-9, norm=1e-12)] * 20)
    assert monitor.findings == []


def test_habits_do_not_cross_epochs():
    """A resumed run starts at an epoch's beginning and must find what the undisturbed one finds."""
    monitor = health.Monitor(11, 4, lambda line: None)
    for first in (2, 2 + health.EVERY - 1):
        monitor.begin_epoch()
        monitor.steps(first, [vector(norm=0.0)] * (health.EVERY - 1))
    assert monitor.findings == []
    monitor.steps(100, [vector(norm=0.0)])
    assert [finding.check for finding in monitor.findings] == ["dead_gradient"]


def test_loss_scaling_may_overflow_now_and_then():
    for scaling, rows, status in (
        (True, [vector(norm=math.inf)] * 3 + [vector()], "ok"),
        (True, [vector(norm=math.inf)] * health.EVERY, "stopped: non_finite"),
        (False, [vector(norm=math.inf)], "stopped: non_finite"),
    ):
        monitor = health.Monitor(11, 4, lambda line: None, loss_scaling=scaling)
        monitor.steps(2, rows)
        assert monitor.status == status


@pytest.mark.parametrize(("classes", "batch_size"), [(11, 2), (10, 2), (11, 16)])
def test_the_lattice_is_what_a_double_softmax_costs(classes, batch_size):
    """Closed form against the loss of saturated outputs, k of the batch right."""
    for k in range(batch_size + 1):
        answers = np.arange(batch_size) % classes
        labels = np.where(np.arange(batch_size) < k, answers, (answers + 1) % classes)
        outputs = tf.nn.softmax(tf.one_hot(answers, classes) * 1e4)
        loss = float(tf.reduce_mean(training.loss_of(tf.constant(labels, tf.int32), outputs)))
        assert loss == pytest.approx(health.lattice(classes, batch_size)[k], abs=1e-6)
    assert health.lattice(11, 2) == pytest.approx([2.5430, 2.0430, 1.5430], abs=5e-5)


def test_watching_changes_no_number(store, tmp_path):
    configs = [RunConfig("cnn_lstm", profile="smoke", health=watched) for watched in (True, False)]
    a, b = (jobs.train(c, tmp_path / str(c.health), store=store, say=lambda line: None) for c in configs)
    pd.testing.assert_frame_equal(
        a.history.drop(columns="seconds"), b.history.drop(columns="seconds"), check_exact=True
    )
    assert (a.metrics["status"], b.metrics["status"]) == ("ok", "unchecked")


def test_a_stopped_run_is_a_whole_run_folder(store, tmp_path, cli):
    folder = tmp_path / "r"
    done = cli("train", "c3d", "--recipe", "2019", "--profile", "smoke", "--store", store.path, "--run", folder)
    assert done.returncode == 1
    assert "health: double_softmax at step 1" in done.stdout
    assert done.stderr.startswith("error: stopped: double_softmax")
    assert len(done.stderr.splitlines()) == 1
    run = Run.open(folder)
    assert run.metrics["status"] == "stopped: double_softmax"
    assert run.metrics["findings"][0].startswith("health: double_softmax")
    assert len(run.history) == 1
    assert len(run.predictions["index"]) == run.metrics["n_val"]


def test_a_training_that_blows_up_is_a_whole_run_folder_too(store, cli, tmp_path):
    done = cli("train", "cnn_lstm", "--profile", "smoke", "--store", store.path, "--run", tmp_path / "r",
               "--set", "learning_rate=1e38", "--set", "schedule=constant")  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: stopped: non_finite")
    run = Run.open(tmp_path / "r")
    assert run.metrics["val_loss"] is None
    assert len(run.history) == 1


def test_no_health_lets_it_go_on(store, tmp_path):
    config = RunConfig("c3d", recipe="2019", profile="smoke", health=False, settings="target_accuracy=none")
    run = jobs.train(config, tmp_path / "r", store=store, say=lambda line: None)
    assert len(run.history) == 2
    assert run.metrics["status"] == "unchecked"


def test_findings_survive_a_resume(store, tmp_path, monkeypatch):
    config = RunConfig("cnn_lstm", profile="smoke", settings="inputs=raw")
    with pytest.raises(KeyboardInterrupt):
        jobs.train(config, tmp_path / "r", store=store, say=stop_after_the_first_epoch)
    run = jobs.train(config, tmp_path / "r", store=store, resume=True, say=lambda line: None)
    assert run.metrics["status"].startswith("warned: frames")
    assert len(run.history) == 2


def stop_after_the_first_epoch(line):
    if line.startswith("epoch"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("model", recipes.MODELS)
def test_a_repaired_model_learns_eight_sequences_by_heart(model, store, cli):
    done = cli("train", model, "--profile", "smoke", "--store", store.path, "--overfit", 8)
    assert done.returncode == 0, done.stderr
    assert "can learn: the loss of 8 sequences is 0.0" in done.stdout


def test_c3d_of_2019_does_not(store, cli):
    done = cli("train", "c3d", "--recipe", "2019", "--profile", "smoke", "--store", store.path, "--overfit", 8)
    assert done.returncode == 1
    assert "health: double_softmax" in done.stdout
    assert "error: c3d, recipe 2019, cannot learn 8 sequences by heart" in done.stderr
    found = overfit(RunConfig("c3d", recipe="2019", profile="smoke", health=False), most=40, store=store)
    assert not found.fitted
    assert min(found.losses) >= health.lattice(11, 1)[1] - 1e-6


def test_overfitting_leaves_no_run_folder(store, cli, tmp_path):
    done = cli("train", "c3d", "--overfit", 8, "--run", tmp_path / "r", "--store", store.path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    done = cli("train", "c3d", "--overfit", 1000, "--profile", "smoke", "--store", store.path)
    assert done.returncode == 2
    assert "the training part has" in done.stderr
