import math

import numpy as np
import pandas as pd
import pytest

from ucf11lib.backend import tf
from ucf11lib.runs import REPORTED, RunConfig
from ucf11lib.studies import load, signal


@pytest.mark.slow
@pytest.mark.parametrize("model", REPORTED)
@pytest.mark.parametrize("init", ["normal", "he"])
def test_layer_gains_are_as_predicted(model, init, monkeypatch):
    """Narrow layers draw few weights, so the bar is at half width, over five networks."""
    monkeypatch.setattr(signal, "NETWORKS", 5)
    monkeypatch.setattr(signal, "SEQUENCES", 2)
    flat = {"recipe": "2019", "profile": "smoke", "groups": 3, "width": 0.5}
    config = RunConfig.of(model=model, init=init, precision="float32", **flat)
    table = pd.DataFrame(signal.layer_gains(config))
    assert table["gain"].to_numpy() == pytest.approx(table["predicted"].to_numpy(), rel=0.25)
    assert table["layer"].iloc[0] == "conv1"
    assert table["layer"].iloc[-1] == "logits"
    if init == "normal":
        simple = 0.1 * math.sqrt(table["fan_in"].iloc[1] / 2)
        assert table["simple"].iloc[1] == pytest.approx(simple, rel=0.05)


@pytest.mark.parametrize(
    ("size", "kernel"),
    [((4, 4), (3, 3)), ((3, 4, 4), (3, 3, 3)), ((8, 8), (2, 2)), ((5,), (5,))],
)
def test_taps_inside_are_counted_as_the_framework_pads(size, kernel):
    layer = {1: tf.nn.conv1d, 2: tf.nn.conv2d, 3: tf.nn.conv3d}[len(size)]
    strides = 1 if len(size) < 3 else [1] * 5
    counts = layer(tf.ones((1, *size, 1)), tf.ones((*kernel, 1, 1)), strides, "SAME").numpy()
    assert signal.taps_inside(size, kernel) == pytest.approx(counts.mean() / np.prod(kernel))


def test_amplification_is_last_over_first():
    part = {"gain": [1.0, 2.0], "predicted": [1.0, 1.6], "simple": [2.0, 2.0], "first_loss": 3.0}
    table = pd.DataFrame({"model": "c3d", "recipe": "2019", "std": [2.0, 8.0]} | part)
    row = signal.amplification(table).iloc[0]
    assert (row["amplification"], row["first_loss"]) == (4, 3)
    assert (row["off"], row["off_simple"]) == (pytest.approx(0.25), 0.5)


def test_committed_results_are_as_predicted():
    table = signal.amplification(load("signal").table)
    assert len(table) == 9
    assert table["off"].max() < 0.25
