import math

import numpy as np
import pytest

from ucf11lib.backend import keras
from ucf11lib.data import split
from ucf11lib.data.splits import Split
from ucf11lib.errors import UserError
from ucf11lib.runs import RunConfig
from ucf11lib.training import Trainer, checkpoints
from ucf11lib.training import trainer as trainer_module
from ucf11lib.training.step import score
from ucf11lib.training.trainer import Epoch

SHORT = {"model": "cnn_lstm", "profile": "smoke", "epochs": 3, "steps_per_epoch": 4}


def trainer(store, sides=None, classes=None, **flat):
    config = RunConfig.of(**(SHORT | flat))
    return Trainer.of(config, store, sides or split(store, config), classes=classes)


@pytest.mark.slow
def test_epochs_learn_the_training_part(store):
    job = trainer(store, width=0.125, epochs=1, steps_per_epoch=80)
    labels = store.labels[job.split.train]
    before, _ = score(job.predict(store, job.split.train), labels)
    assert before == pytest.approx(math.log(11), abs=1.0)
    list(job.epochs())
    after, accuracy = score(job.predict(store, job.split.train), labels)
    assert after < 0.6 * before
    assert accuracy > 0.6


@pytest.mark.slow
def test_epochs_held_out_sequences_move_no_weight(store):
    job = trainer(store)
    fewer = Split(job.split.train, job.split.validation[:4])
    for a, b in zip(job.epochs(), trainer(store, fewer).epochs(), strict=True):
        assert (a.loss, a.accuracy) == (b.loss, b.accuracy)


@pytest.mark.parametrize(("target", "epochs"), [(0.0, [1]), (None, [1, 2, 3])])
def test_epochs_stop_at_the_target(store, target, epochs):
    assert [epoch.epoch for epoch in trainer(store, target_accuracy=target).epochs()] == epochs


def test_epochs_are_means_over_their_sequences_and_run_nothing_ahead(store):
    """With a tiny learning rate the epoch's loss is that of its sequences, fixed weights."""
    plain = {"flip": False, "shift": 0, "schedule": "constant", "optimizer": "sgd"}
    job = trainer(store, learning_rate=1e-12, **plain)
    epoch = next(job.epochs())
    assert int(job.optimizer.iterations) == job.progress.steps == 4
    seen = job.stream.positions(0, 4 * job.config.recipe.batch_size)
    loss, accuracy = score(job.predict(store, seen), store.labels[seen])
    assert epoch.loss == pytest.approx(loss, rel=1e-4)
    assert epoch.accuracy == pytest.approx(accuracy, abs=1e-6)


@pytest.mark.slow
def test_step_on_batches_is_what_epochs_do(store):
    """The studies train step by step."""
    by_step, by_epoch = trainer(store, epochs=1), trainer(store, epochs=1)
    rows = [by_step.step(*batch).numpy() for batch in by_step.batches(0, 4)]
    (epoch,) = by_epoch.epochs()
    assert epoch.loss == pytest.approx(sum(row[0] for row in rows) / 32, rel=1e-6)
    weights = by_step.model.get_weights(), by_epoch.model.get_weights()
    assert all(map(np.array_equal, *weights))


def test_of_builds_for_other_classes_and_restores_the_policy(store):
    job = trainer(store, classes=13, precision="bfloat16", health=False)
    assert (job.model.output_shape, job.monitor) == ((None, 13), None)
    assert job.model.get_layer("conv1").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"


def test_of_says_where_bfloat16_is_slow(store, monkeypatch):
    for fastest, lines in (("bfloat16", 0), ("float32", 1)):
        monkeypatch.setattr(trainer_module, "fastest_precision", lambda: fastest)  # noqa: B023
        said = []
        config = RunConfig.of(**SHORT, precision="bfloat16")
        Trainer.of(config, store, split(store, config), log=said.append)
        assert len(said) == lines


def test_of_reads_the_statistics_of_the_training_part(store):
    job = trainer(store, recipe="2019")
    layer = job.model.get_layer("normalise")
    expected = np.array(store.channel_statistics(job.split.train))
    assert np.array([layer.mean, layer.std]) == pytest.approx(expected)


@pytest.mark.parametrize(("changes", "message"), [
    ({"batch_size": 16}, "batch size 16 cannot be shared by 3 replicas; choose a multiple"),
    ({"norm": "batch"}, "norm=batch: each replica .* own statistics; choose norm=group"),
    ({"precision": "float16"}, "float16 is for one device; choose --precision float32 or bfloat16"),
])  # fmt: skip
def test_of_refuses_what_replicas_cannot_share(store, changes, message):
    class Three:
        num_replicas_in_sync = 3

    config = RunConfig.of(**SHORT | {"batch_size": 15} | changes)
    with pytest.raises(UserError, match=f"^{message}$"):
        Trainer.of(config, store, None, strategy=Three())


def test_checkpoint_of_an_epoch_without_a_finite_loss_is_read_again(store, tmp_path):
    job = trainer(store)
    job.progress.epochs += [Epoch(1, 2.0, 0.25, math.nan, 0.125, 1.0), Epoch(2, *[1.0] * 5)]
    checkpoints.save(tmp_path, job)
    again = trainer(store)
    checkpoints.restore(tmp_path, again, lambda line: None)
    assert repr(again.progress) == repr(job.progress)  # a NaN is unlike itself


def test_line_of_an_epoch():
    line = "loss 1.5000  accuracy  25.0%  val_loss nan  val_accuracy  12.5%  after   61.0 s"
    assert Epoch(3, 1.5, 0.25, math.nan, 0.125, 61.04).line(12) == f"epoch   3/12  {line}"
