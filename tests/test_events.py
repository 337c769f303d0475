from dataclasses import replace

import pandas as pd
import pytest

from ucf11lib import recipes
from ucf11lib.backend import tf
from ucf11lib.events import Events
from ucf11lib.runs import Run
from ucf11lib.training import Epoch

HISTORY = [Epoch(n, 2.0 / n, 0.1 * n, 2.5 / n, 0.2 * n, 10.0 * n) for n in (1, 2, 3)]
RECIPE, PROFILE = recipes.recipe("repaired", "cnn_lstm"), replace(recipes.profile("smoke", "cnn_lstm"), epochs=3)


def written(path):
    """What event files hold: (tag, step, value) in order, an image as its three parts."""
    found = []
    for file in sorted((path / "tensorboard").iterdir()):
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            found += [(v.tag, event.step, tf.make_ndarray(v.tensor), v.metadata) for v in event.summary.value]
    return found


@pytest.fixture
def run(tmp_path):
    config = {"model": "cnn_lstm", "recipe": "repaired", "profile": "smoke", "split": "group", "seed": 0}
    run = Run(tmp_path)
    run.__dict__["config"] = config | {"data_kind": "synthetic data", "classes": ["biking", "walking"]}
    run.__dict__["history"] = pd.DataFrame([vars(epoch) for epoch in HISTORY])
    run.__dict__["metrics"] = {"confusion": [[3, 1], [0, 4]], "epochs": 3}
    return run


def test_every_epoch_stands_once_also_after_a_resume(tmp_path, run):
    killed = Events(tmp_path, RECIPE, PROFILE)
    killed.add(HISTORY[:1])
    killed.add(HISTORY[:2])
    resumed = Events(tmp_path, RECIPE, PROFILE)
    resumed.add(HISTORY[:2])
    resumed.finish(run)
    found = written(tmp_path)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        values = [(step, float(value)) for tag, step, value, _ in found if tag == name]
        assert values == [(e.epoch, pytest.approx(getattr(e, name))) for e in HISTORY]
    rates = [float(value) for tag, _, value, _ in found if tag == "learning_rate"]
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < rates[0] < RECIPE.learning_rate
    assert {metadata.plugin_data.plugin_name for _, _, _, metadata in found[:-1]} == {"scalars"}
    tag, step, (width, height, png), metadata = found[-1]
    assert (tag, step, metadata.plugin_data.plugin_name) == ("confusion", 3, "images")
    assert tf.io.decode_png(png).shape[:2] == (int(height), int(width))
