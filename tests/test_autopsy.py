import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ucf11lib import (
    ablation,
    amplification,
    autopsy,
    dissection,
    experiments,
    figures_autopsy,
    health,
    jobs,
    recipes,
    training,
)
from ucf11lib.backend import tf
from ucf11lib.config import RunConfig
from ucf11lib.data import batches, splits

DEAD = RunConfig("c3d", recipe="2019", profile="smoke", settings="batch_size=2,width=0.5")


def test_c3d_of_2019_lies_on_the_lattice_without_a_gradient(store):
    found = autopsy.trace(DEAD, store, 12)
    assert list(found["step"]) == list(range(1, 13))
    assert found["gradient_norm"].iloc[1:].eq(0).all()
    assert health.off_lattice(found["loss"].iloc[1:], 11, 2).max() < 1e-4
    summary = autopsy.on_lattice(found, 11, 2)
    assert summary["gradient_norm"] == 0
    assert summary["without_gradient"] == 1
    assert set(summary["losses"]) <= {1.543, 2.043, 2.543}


def test_other_numbers_of_outputs_have_other_lattices(store):
    found = autopsy.trace(DEAD, store, 6, classes=12)
    assert health.off_lattice(found["loss"].iloc[1:], 12, 2).max() < 1e-4
    assert health.off_lattice(found["loss"].iloc[1:], 11, 2).min() > 0.01


def test_a_trace_is_the_beginning_of_the_training(store, tmp_path):
    config = RunConfig("cnn_lstm", profile="smoke", settings="epochs=1")
    found = autopsy.trace(config, store, config.resolved()[1].steps_per_epoch)
    run = jobs.train(config, tmp_path / "r", store=store, say=lambda line: None)
    assert found["loss"].mean() == pytest.approx(run.history["loss"].iloc[0], rel=1e-6)
    assert found["accuracy"].mean() == pytest.approx(run.history["accuracy"].iloc[0])


def test_each_rate_starts_where_a_training_of_its_own_does(store):
    config = RunConfig("cnn_lstm", recipe="2019", profile="smoke")
    tracer = autopsy.Tracer(config, store)
    tracer.trace(2, 0.1)
    alone = autopsy.trace(config.having("learning_rate=0.01"), store, 3)
    pd.testing.assert_frame_equal(tracer.trace(3, 0.01), alone, rtol=1e-5)


def test_the_gradient_norm_is_that_of_all_weights(store):
    config = RunConfig("cnn_lstm", profile="smoke", settings="flip=false,shift=0")
    found = autopsy.trace(config, store, 1)
    split = splits.split(store, "group")
    model = jobs.build(config, store, split)
    indices = batches.Stream(split.train, 0).positions(0, config.resolved()[0].batch_size)
    with tf.GradientTape() as tape:
        logits = model(store.take(indices), training=True)
        loss = tf.reduce_mean(training.loss_of(tf.constant(store.labels[indices], tf.int32), logits))
    gradients = [g.numpy().ravel() for g in tape.gradient(loss, model.trainable_variables)]
    assert found["gradient_norm"][0] == pytest.approx(np.linalg.norm(np.concatenate(gradients)), rel=1e-5)


def test_the_gradient_through_two_softmaxes_dies():
    gaps = np.array([0.0, 1.0, 10.0, 60.0, 120.0])
    found = autopsy.largest_gradient(gaps, 11)
    p = np.exp(gaps) / (np.exp(gaps) + 10)
    assert found["once"].to_numpy() == pytest.approx(np.maximum(p, 1 - np.exp(-gaps) * p), rel=1e-4)
    assert found["twice"].iloc[-1] == 0
    assert found["twice"].iloc[3] == pytest.approx(found["twice"].iloc[2] * math.exp(-50), rel=1e-3)


def test_the_reports_losses_fit_ten_outputs_best_and_prove_little():
    found = autopsy.readings().set_index(["classes", "batch_size"])
    assert found.index[0] == (10, 2)
    assert found.loc[(10, 2), "worst"] == pytest.approx(0.00815, abs=1e-5)
    assert found.loc[(11, 2), "worst"] == pytest.approx(0.09004, abs=1e-5)
    assert (found.loc[(10, 2), "points"], found.loc[(10, 16), "points"]) == (3, 17)
    assert (found["by_chance"] * found.index.get_level_values("batch_size") == 0.5).all()


@pytest.mark.parametrize("model", recipes.MODELS)
@pytest.mark.parametrize("settings", ["", "init=he"])
def test_each_layer_amplifies_as_the_law_says(model, settings, store):
    """Narrow layers draw few weights, so the bar of 25 % is held at half width, over five networks."""
    config = RunConfig(model, recipe="2019", settings=",".join(filter(None, ["width=0.5", settings])))
    found = amplification.signal(config, store, sequences=2, networks=5)
    assert found["gain"].to_numpy() == pytest.approx(found["predicted"].to_numpy(), rel=0.25)
    assert found["layer"].iloc[0] == "conv1"
    assert found["layer"].iloc[-1] == "logits"
    if not settings:
        assert found["simple"].iloc[1] == pytest.approx(0.1 * math.sqrt(found["fan_in"].iloc[1] / 2), rel=0.05)


@pytest.mark.parametrize(("size", "kernel"), [((4, 4), (3, 3)), ((3, 4, 4), (3, 3, 3)), ((8, 8), (2, 2)), ((5,), (5,))])
def test_taps_inside_are_counted_as_the_framework_pads(size, kernel):
    layer = {1: tf.nn.conv1d, 2: tf.nn.conv2d, 3: tf.nn.conv3d}[len(size)]
    strides = 1 if len(size) < 3 else [1] * 5
    counts = layer(tf.ones((1, *size, 1)), tf.ones((*kernel, 1, 1)), strides, "SAME").numpy()
    assert amplification._taps_inside(size, kernel) == pytest.approx(counts.mean() / np.prod(kernel))


def test_no_rate_moves_a_dead_network(store):
    found = autopsy.rates(autopsy.Tracer(replace(DEAD, settings="batch_size=2,width=0.25"), store), 3)
    assert len(found) == 8
    assert (found["largest later"] < 1e-12).all()


def test_the_ladder_leads_from_2019_to_repaired():
    for model in recipes.MODELS:
        rungs = ablation.ladder(model)
        original, *_, last = [rung.config(0).resolved()[0] for rung in rungs]
        assert original == replace(recipes.recipe("2019", model), target_accuracy=None)
        assert last == replace(recipes.recipe("repaired", model), batch_size=16)
        assert len({rung.config(0).resolved()[1] for rung in rungs}) == 1  # all are equally long
        for before, after in itertools.pairwise(rungs):
            differ = set(recipes.changes(before.config(0).resolved()[0], after.config(0).resolved()[0])["setting"])
            assert differ <= {name.replace("_", " ") for name in ablation.CHANGES[after.change]}
            assert differ


def test_a_dead_network_runs_to_its_end_in_the_ablation():
    assert not ablation.ladder("c3d")[0].config(0).health
    assert ablation.ladder("vgg9")[0].config(0).health


def test_the_ablations_table_has_means_ranges_and_differences():
    def row(change, accuracy, seconds):
        return {"model": "c3d", "change": change, "accuracy": accuracy, "seconds_to_75": seconds, "seeds": [0, 1, 2]}

    found = ablation.table(
        [row("2019", [0.1, 0.1, 0.1], [None] * 3), row("logits head", [0.7, 0.8, 0.9], [None, 30.0, 20.0])]
    )
    assert list(found["change"]) == ["2019", "and logits head"]
    assert list(found["points"]) == ["", "+70.0"]
    assert found["held-out accuracy"][1] == "80.0 % (70.0 to 90.0)"
    assert list(found["seconds to 75 %"]) == ["never", "25 (20 to 30)"]
    assert found["reached"][1] == "2 of 3"


@pytest.mark.slow
def test_the_experiment_measures_what_the_figures_and_tables_read(store, videos, monkeypatch):
    monkeypatch.setattr(autopsy, "RATES", (0.1, 1e-8))
    monkeypatch.setattr(autopsy, "OPTIMIZERS", ("sgd",))
    real = experiments._weizmann_store(videos)
    found = dissection.dissect(store, real, width=0.0625, steps=3, profile="smoke")
    assert len(found["cells"]) == 8
    assert [row["classes"] for row in found["rows"]] == [11, 11, 10, 11]
    assert {len(rows) for rows in found["grid"].values()} == {2}
    assert len(dissection.factorial_table(found["cells"])) == 8
    assert set(amplification.summary(found["signals"])["model"]) == set(recipes.MODELS)
    for figure in (figures_autopsy.lattice, figures_autopsy.signal):
        assert figure(found["rows" if figure is figures_autopsy.lattice else "signals"], note="n").axes
    assert figures_autopsy.grid(found["grid"], note="n").axes
