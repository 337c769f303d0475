import math

import numpy as np
import pytest

from ucf11lib.backend import tf
from ucf11lib.data import batches, split
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs import RunConfig
from ucf11lib.studies import autopsy, check_overfit, load, overfit
from ucf11lib.training import Trainer
from ucf11lib.training.health import off_lattice
from ucf11lib.training.step import loss_of

EXACT = {"profile": "smoke", "precision": "float32"}
DEAD = RunConfig.of(model="c3d", recipe="2019", batch_size=2, width=0.5, **EXACT)
SMOKE = RunConfig.of(model="cnn_lstm", **EXACT)


@pytest.mark.slow
def test_trace_c3d_of_2019_is_on_the_lattice_without_a_gradient(store):
    steps = autopsy.trace(DEAD, store, 8, classes=12)
    assert list(steps["step"]) == list(range(1, 9))
    assert steps["gradient_norm"][1:].eq(0).all()
    assert off_lattice(steps["loss"][1:], 12, 2).max() < 1e-4
    assert off_lattice(steps["loss"][1:], 11, 2).min() > 0.01


def test_trace_is_the_beginning_of_the_training(store, trained):
    steps = autopsy.trace(trained.config, store, trained.config.profile.steps_per_epoch)
    first = trained.history.iloc[0]
    assert steps["loss"].mean() == pytest.approx(first["loss"], rel=1e-6)
    assert steps["accuracy"].mean() == pytest.approx(first["accuracy"])


def test_trace_gradient_norm_is_that_of_all_weights(store):
    config = SMOKE.with_(flip=False, shift=0, label_smoothing=0)
    norm = autopsy.trace(config, store, 1)["gradient_norm"][0]
    parts = split(store, config)
    model = Trainer.of(config, store, parts).model
    indices = batches.Stream(parts.train, 0).positions(0, config.recipe.batch_size)
    labels = tf.constant(store.labels[indices], tf.int32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(loss_of(labels, model(store.take(indices), training=True)))
    gradients = [g.numpy().ravel() for g in tape.gradient(loss, model.trainable_variables)]
    assert norm == pytest.approx(np.linalg.norm(np.concatenate(gradients)), rel=1e-5)


@pytest.mark.slow
def test_rates_table_no_rate_moves_a_dead_network(store, monkeypatch):
    monkeypatch.setattr(autopsy, "RATES", (0.1, 1e-8))
    table = autopsy.rates_table(DEAD.with_(width=0.25), store, 3)
    assert table["learning rate"].tolist() == ["0.1", "1e-08"]
    assert (table["largest later"] < 1e-12).all()


def test_rates_table_begins_each_rate_anew(store, monkeypatch):
    monkeypatch.setattr(autopsy, "RATES", (0.1, 1e-3))
    learns = SMOKE.with_(recipe="2019", batch_size=2)
    table = autopsy.rates_table(learns, store, 3)
    first = autopsy.trace(learns.with_(learning_rate=1e-3), store, 3)["gradient_norm"]
    assert table.loc[1, "gradient at step 1"] == pytest.approx(first[0], rel=1e-4)
    assert table.loc[1, "largest later"] == pytest.approx(first[1:].max(), rel=1e-3)


def test_largest_gradient_through_two_softmaxes_vanishes():
    gaps = np.array([0.0, 1.0, 10.0, 60.0, 120.0])
    table = autopsy.largest_gradient(gaps, 11)
    p = np.exp(gaps) / (np.exp(gaps) + 10)
    assert table["once"].to_numpy() == pytest.approx(np.maximum(p, 1 - np.exp(-gaps) * p), rel=1e-4)
    assert table["twice"].iloc[-1] == 0
    assert table["twice"][3] == pytest.approx(table["twice"][2] * math.exp(-50), rel=1e-3)


def test_readings_table_ten_outputs_fit_best_and_prove_little():
    table = autopsy.readings_table().set_index(["classes", "batch_size"])
    assert table.index[0] == (10, 2)
    assert table.loc[(10, 2), "worst"] == pytest.approx(0.00815, abs=1e-5)
    assert table.loc[(11, 2), "worst"] == pytest.approx(0.09004, abs=1e-5)
    assert (table.loc[(10, 2), "points"], table.loc[(10, 16), "points"]) == (3, 17)
    assert (table["by_chance"] * table.index.get_level_values("batch_size") == 0.5).all()


@pytest.mark.slow
def test_overfit_memorises_or_says_why_not(store, capsys):
    config = SMOKE.with_(width=0.25, learning_rate=3e-3)
    result = overfit(config, 4, store=store)
    assert result.memorised
    assert result.loss < 0.05
    assert result.steps % 10 == 0
    check_overfit(config, 4, store=store)
    assert "cnn_lstm can learn: the loss of 4 sequences is 0.0" in capsys.readouterr().out
    with pytest.raises(RunFailed, match="c3d, recipe 2019, cannot memorise"):
        check_overfit(DEAD.with_(width=0.0625), 4, store=store)


def test_overfit_refuses_numbers_of_sequences(store):
    for count in (0, 10_000):
        with pytest.raises(UserError, match=f"--overfit {count}: give 1 to"):
            overfit(SMOKE, count, store=store)


def test_committed_results_have_what_the_report_says():
    table = load("autopsy").table
    lattice = table[table["part"] == "lattice"]
    sizes = [(11, 2), (11, 2), (10, 2), (11, 16)]
    assert list(zip(lattice["classes"], lattice["batch_size"], strict=True)) == sizes
    assert (lattice["off_lattice"] < 1e-4).all()
    assert (lattice["gradient_norm"] == 0).all()
    memorise = table[table["part"] == "memorise"].groupby("recipe")["accuracy"].max()
    assert memorise["2019"] < 0.5
    assert memorise["repaired"] == 1
