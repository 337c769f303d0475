import os

import numpy as np
import pytest

from ucf11lib.backend import keras
from ucf11lib.errors import RunFailed
from ucf11lib.runs.environment import fastest_precision
from ucf11lib.studies import bench, load, speed


@pytest.mark.slow
def test_bench_times_each_model_and_profile(monkeypatch):
    monkeypatch.setattr(speed, "run_in_process", lambda function, config: function(config))
    monkeypatch.setattr(speed, "PRODUCT_SIDE", 64)
    monkeypatch.setattr(speed, "SECONDS_A_REPEAT", 0)
    monkeypatch.setattr(speed, "REPEATS", 2)
    row, *others = bench(["cnn_lstm"], ["smoke"]).to_dict("records")
    precisions = [row["precision"], *(other["precision"] for other in others)]
    assert precisions == list(dict.fromkeys([fastest_precision(), "float32"]))
    assert (row["model"], row["profile"], row["batch_size"]) == ("cnn_lstm", "smoke", 16)
    numbers = [value for value in row.values() if isinstance(value, float)]
    assert len(numbers) >= 12
    assert np.isfinite(numbers).all()
    assert row["sequences_per_second"] == pytest.approx(16 / row["store_seconds"])
    assert load("speed").table["part"].value_counts()["step"] == 12


def test_step_flops_have_no_gradient_of_the_frames():
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(4, 3, padding="same")(x)
    model = keras.Model(x, keras.layers.Dense(5)(keras.layers.Flatten()(y)))
    convolution, dense = 2 * 64 * 27 * 4, 2 * 256 * 5
    assert speed.step_flops(model) == 2 * convolution + 3 * dense


def test_time_interleaved_reverses_every_other_repeat():
    calls = []
    cases = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = speed.time_interleaved(cases, 3, calls.append)
    assert "".join(calls) == "aabb" + "bbaa" + "aabb"
    assert all(len(values) == 3 for values in seconds.values())


@pytest.mark.slow
def test_run_in_process_returns_what_the_function_does():
    assert speed.run_in_process(max, 3, 4) == 4
    with pytest.raises(RunFailed, match="a measurement's process was killed; free some memory"):
        speed.run_in_process(os._exit, 1)
