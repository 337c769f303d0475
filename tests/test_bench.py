import json

import numpy as np
import pytest

from ucf11lib import bench, bench_data, bench_step, figures_bench, growth, timing
from ucf11lib.backend import tf
from ucf11lib.config import RunConfig
from ucf11lib.models import convolutions

QUICKLY = bench.Effort(turns=2, seconds=0, side=64)
STEP = {"memory_seconds", "store_seconds", "ratio", "share", "memory_share", "sequences_per_second", "peak_mb"}


@pytest.fixture
def here(monkeypatch):
    """What has a process of its own is called in this one: TensorFlow is here already."""
    for module in (bench, bench_data, growth):
        monkeypatch.setattr(module, "alone", lambda function, *arguments: timing._measured(function, *arguments))


def test_a_bench_says_what_it_measured_and_on_what(here, monkeypatch, tmp_path):
    measure = bench.measure
    monkeypatch.setattr(bench, "measure", lambda models, profiles: measure(models, profiles, QUICKLY))
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "1")  # which it sets, in a process of its own
    found, folder = bench.run(["cnn_lstm"], ["smoke"], tmp_path / "b")
    assert json.loads((folder / "bench.json").read_text()) == found
    assert "<svg" in (folder / "bench.svg").read_text()
    assert found["command"] == "python -m ucf11lib bench --models cnn_lstm --profile smoke"
    assert found["processor"]
    assert len(found["product"]) == 2
    (row,) = found["rows"]
    assert all(np.isfinite(row[key]) and row[key] > 0 for key in STEP)
    assert row["sequences_per_second"] == pytest.approx(16 / row["store_seconds"])
    assert set(row["inference"]) == {"1", "32"}
    (parts,) = found["operations"]
    assert sum(parts["kinds"].values()) == pytest.approx(parts["seconds"])
    assert all(parts["kinds"][kind] > 0 for kind in bench_step.OPERATIONS)
    assert parts["convolution_share"] > 0
    assert [row["layer"] for row in found["layers"]] == ["conv1", "conv2", "conv3"]
    assert all(row[part] > 0 for row in found["layers"] for part in ("forward", "kernel"))
    assert ["input" in row for row in found["layers"]] == [False, True, True]
    (start,) = found["start"]
    parts = [start[part] for part in ("process", "imports", "build", "trace")]
    assert sum(parts) == pytest.approx(start["seconds"])
    text = bench.text(found)
    assert "CNN+LSTM" in text
    assert "share of product" in text


def test_a_profile_counts_all_that_a_gradient_by_pictures_takes_as_the_convolution_that_it_is():
    x, upstream = (tf.random.stateless_normal((70, 8, 8, n), (0, 1)) for n in (16, 32))
    gradient = tf.function(lambda: convolutions.by_pictures(x, upstream, tf.TensorShape((3, 3, 16, 32))))
    gradient()
    _, taken = bench_step._profiled(gradient)
    counted = {name: seconds for name, seconds in taken.items() if "by_pictures" in name}
    assert sum(counted.values()) > 0.9 * sum(taken.values())
    assert not [name for name in taken if "Conv" in name or "Transpose" in name]


def test_the_limit_of_a_step_is_its_convolutions_one_after_the_other():
    layer = {"model": "c3d", "width": 1.0, "layer": "conv1", "flops": 10, "forward": 1, "kernel": 0.5}
    rows = [layer, layer | {"layer": "conv2", "flops": 30, "input": 1.5}]
    (limit,) = bench.limits_table(rows)["its convolutions alone"]
    # 10 + 20 and 30 + 20 + 60 instead of 3 times 40
    assert limit == bench.percent(120 / 140, 1)
    assert list(bench.layers_table(rows)["of the arithmetic"]) == [bench.percent(0.25), bench.percent(0.75)]


def test_the_steps_that_are_timed_train(store):
    job = bench_step.Job(RunConfig("cnn_lstm", profile="smoke"), store)
    before = [np.array(values) for values in job.model.get_weights()]
    job.steps(job.all_of(store))
    assert int(job.optimizer.iterations) == len(store) // job.recipe.batch_size
    assert not all(np.array_equal(a, b) for a, b in zip(before, job.model.get_weights(), strict=True))


def test_growth_is_measured_over_stores_of_their_own_and_over_fields(here, store):
    rows = growth.measure(store, {"sequences": (16, 32), "batch_size": (2, 4)}, turns=1)
    assert [row["against"] for row in rows] == ["sequences", "batch_size"]
    assert all(len(row["seconds"]) == len(row["peak_mb"]) == 2 and min(row["seconds"]) > 0 for row in rows)
    assert all(row["time_exponent"] == growth.exponent(row["values"], row["seconds"]) for row in rows)
    assert not [path for path in store.path.parent.iterdir() if path != store.path]


def test_turns_change_their_order_and_time_each_kind():
    calls = []
    seconds = timing.turn_about({name: lambda name=name: calls.append(name) for name in "ab"}, 3, calls.append)
    assert "".join(calls) == "aabb" + "bbaa" + "aabb"
    assert all(len(values) == 3 for values in seconds.values())


def test_exponents_are_slopes_of_logarithms():
    values = [1, 2, 4, 8]
    assert growth.exponent(values, [3 * value**1.5 for value in values]) == pytest.approx(1.5)
    assert growth.exponent(values, [7] * 4) == pytest.approx(0)


def test_shares_are_bars_with_the_step_from_memory_marked():
    rows = [
        {"model": "c3d", "width": 1.0, "share": 0.9, "memory_share": 0.91},
        {"model": "cnn_lstm", "width": 0.25, "share": 0.5, "memory_share": 1.2},
    ]
    figure = figures_bench.shares(rows, note="n")
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [0.9, 0.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["C3D, width 1", "CNN+LSTM, width 0.25"]
    assert list(axes.lines[0].get_xdata()) == [0.91, 1.2]
    assert axes.get_xlim()[1] > 1.2


def test_growth_is_drawn_in_multiples_of_the_smallest():
    row = {"against": "width", "values": [0.25, 0.5, 1], "seconds": [2, 4, 12], "peak_mb": [10, 10, 10],
           "time_exponent": 1.29, "memory_exponent": 0}  # fmt: skip
    time, memory = figures_bench.growth([row], note="n").axes
    assert list(time.lines[1].get_xdata()) == [1, 2, 4]
    assert list(time.lines[1].get_ydata()) == [1, 2, 6]
    assert list(memory.lines[1].get_ydata()) == [1, 1, 1]
    assert time.get_legend().get_texts()[0].get_text() == "width: exponent 1.29"
    assert time.get_xscale() == time.get_yscale() == "log"
