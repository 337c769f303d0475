import ast
import shutil

import numpy as np
import pandas as pd
import pytest

from ucf11lib import models, paths
from ucf11lib.backend import tf
from ucf11lib.data import split
from ucf11lib.runs import Run, RunConfig
from ucf11lib.training import Trainer, record, train
from ucf11lib.training.record import Events
from ucf11lib.training.trainer import Epoch

# The contract with those who read metrics.json.
KEYS = """accuracy accuracy_batch_mean accuracy_clip classes confusion ece epochs findings fold
    interval macro_f1 model n_train n_val parameters peak_rss_mb per_class_accuracy
    per_class_precision precision profile recipe seconds seconds_to_75 seed sequences_per_second
    sequences_to_75 sha256 source split status top2 val_loss"""
HISTORY = [Epoch(n, 2.0 / n, 0.1 * n, 2.5 / n, 0.2 * n, 10.0 * n) for n in (1, 2, 3)]


def test_add_writes_each_epoch_once_also_after_a_resume(tmp_path):
    config = RunConfig.of(model="cnn_lstm", profile="smoke", epochs=3)
    Events(tmp_path, config).add(HISTORY[:1])
    resumed = Events(tmp_path, config)
    resumed.add(HISTORY[:2])
    resumed.add(HISTORY)
    values = {}
    for file in tmp_path.iterdir():
        for one in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(one.numpy())
            for value in event.summary.value:
                values.setdefault(value.tag, []).append((event.step, value.simple_value))
    rates = [rate for _, rate in values.pop("learning_rate")]
    assert config.recipe.learning_rate > rates[0] > rates[1] > rates[2] > 0
    assert set(values) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    for name, rows in values.items():
        assert rows == [(e.epoch, pytest.approx(getattr(e, name))) for e in HISTORY]


def test_train_leaves_what_the_run_was(trained, store):
    m, sides = trained.metrics, pd.read_csv(trained.path / "split.csv")["side"]
    assert sorted(m) == KEYS.split()
    what = ("cnn_lstm", "repaired", "smoke", "synthetic", "group", "", 0)
    names = ("model", "recipe", "profile", "source", "split", "fold", "seed")
    assert tuple(m[name] for name in names) == what
    assert m["precision"] == trained.config.precision
    assert m["classes"] == list(store.classes)
    assert m["n_train"] == (sides == "train").sum()
    assert m["parameters"] == models.load(trained).count_params()
    assert m["val_loss"] == pytest.approx(trained.history["val_loss"].iloc[-1])
    assert m["seconds"] == pytest.approx(trained.history["seconds"].iloc[-1])
    assert 100 < m["peak_rss_mb"] < 100_000


def test_a_resume_leaves_what_a_user_put_beside_the_events(tmp_path):
    config = RunConfig.of(model="cnn_lstm", profile="smoke", epochs=3)
    Events(tmp_path, config).add(HISTORY[:1])
    (old,) = tmp_path.iterdir()
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "other").mkdir()
    Events(tmp_path, config).add(HISTORY)
    (new,) = {path.name for path in tmp_path.iterdir()} - {"notes.txt", "other"}
    assert new != old.name
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_begin_tells_of_each_code_that_trained(store, tmp_path, monkeypatch):
    config = RunConfig.of(model="frame_cnn", profile="smoke")
    trainer = Trainer.of(config, store, split(store, config))
    for digest, told in (("1", "1"), ("1", "1"), ("2", "1+2"), ("2", "1+2")):
        monkeypatch.setattr(record.environment, "code_digest", lambda *_: digest)  # noqa: B023
        record.begin(tmp_path / "r", trainer)
        assert Run(tmp_path / "r").data.code == told


def test_train_resumed_after_its_last_epoch_has_every_event(store, tmp_path):
    config = RunConfig.of(model="frame_cnn", profile="smoke")
    last = config.profile.epochs

    def copy_the_end(line):
        if line.startswith(f"epoch {last:3d}/"):
            shutil.copytree(tmp_path / "r", tmp_path / "killed")

    run = train(config, tmp_path / "r", store=store, log=copy_the_end)
    options = {"store": store, "resume": True, "tensorboard": True, "log": lambda line: None}
    resumed = train(config, tmp_path / "killed", **options)
    assert np.array_equal(resumed.predictions["y_prob"], run.predictions["y_prob"])
    (events,) = (resumed.path / "tensorboard").iterdir()
    assert len(list(tf.data.TFRecordDataset(str(events)))) == 1 + last  # the first is the version


def test_decides_has_what_the_trainer_imports():
    rooms = {"backend", "errors", "runs", "data", "models", "training"}  # their modules by name
    imported = set()
    for name in ("adam", "step", "trainer"):
        tree = ast.parse((paths.ROOT / "ucf11lib" / "training" / f"{name}.py").read_text())
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        ours = [node.module for node in nodes if node.module.startswith("ucf11lib.")]
        imported |= {name.removeprefix("ucf11lib.").replace(".", "/") for name in ours}
    decides = {place.removesuffix(".py") for place in record.DECIDES}
    assert {name for name in imported - decides - rooms if not name.startswith("runs/")} == set()
