import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ucf11lib import models, recipes, training
from ucf11lib.backend import tf
from ucf11lib.data import splits
from ucf11lib.errors import UserError

PROFILE = replace(recipes.profile("smoke", "cnn_lstm"), epochs=3, steps_per_epoch=4)


def trainer(store, name="cnn_lstm", profile=PROFILE, seed=0, strategy=None, **changes):
    recipe = replace(recipes.recipe("repaired", name), **changes)
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        model = models.build(name, recipe, width=profile.width, seed=seed)
    return training.Trainer(model, store, splits.split(store, "group"), recipe, profile, seed, strategy)


def test_loss_is_softmax_cross_entropy_from_logits():
    logits = np.random.default_rng(0).normal(0, 3, (5, 11)).astype(np.float32)
    labels = np.array([0, 3, 10, 2, 2])
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    found = training.loss_of(tf.constant(labels, tf.int32), tf.constant(logits)).numpy()
    assert found == pytest.approx(-log_p[np.arange(5), labels], rel=1e-5)


def test_a_trained_model_has_learnt_its_training_part(store):
    profile = replace(PROFILE, width=0.25, epochs=1, steps_per_epoch=60)
    job = trainer(store, profile=profile)
    before, _ = training.score(job.predict(store, job.split.train), store.labels[job.split.train])
    assert before == pytest.approx(math.log(11), abs=1.0)
    list(job.epochs())
    after, accuracy = training.score(job.predict(store, job.split.train), store.labels[job.split.train])
    assert after < 0.6 * before
    assert accuracy > 0.6


def test_held_out_sequences_move_no_weight(store):
    job, other = trainer(store), trainer(store)
    other.split = splits.Split(other.split.train, other.split.validation[:4])
    for a, b in zip(job.epochs(), other.epochs(), strict=True):
        assert (a.loss, a.accuracy) == (b.loss, b.accuracy)


def test_it_stops_at_the_target_and_not_without_one(store):
    assert [epoch.epoch for epoch in trainer(store, target_accuracy=0.0).epochs()] == [1]
    assert [epoch.epoch for epoch in trainer(store, target_accuracy=None).epochs()] == [1, 2, 3]


def test_nothing_runs_ahead_of_the_caller(store):
    job = trainer(store)
    epochs = job.epochs()
    next(epochs)
    after_one = [w.copy() for w in job.model.get_weights()]
    assert all(np.array_equal(a, b) for a, b in zip(after_one, job.model.get_weights(), strict=True))
    assert int(job.optimizer.iterations) == 4


def test_epochs_are_means_over_their_sequences(store):
    """With a learning rate of zero the epoch's mean loss is that of its sequences under the fixed weights."""
    job = trainer(store, learning_rate=0.0, flip=False, shift=0, schedule="constant")
    epoch = next(job.epochs())
    stream = training.batches.Stream(job.split.train, 0)
    seen = stream.positions(0, 4 * job.recipe.batch_size)
    loss, accuracy = training.score(job.predict(store, seen), store.labels[seen])
    assert epoch.loss == pytest.approx(loss, rel=1e-4)
    assert epoch.accuracy == pytest.approx(accuracy, abs=1e-6)


def test_the_cosine_schedule_warms_up_and_ends_at_zero():
    recipe = replace(recipes.recipe("repaired", "c3d"), warmup=0.1, learning_rate=2e-3)
    rate = training.learning_rate(recipe, 100)
    values = [float(rate(step)) for step in range(101)]
    assert values[0] == 0.0
    assert max(values) == pytest.approx(2e-3)
    assert values.index(max(values)) == 10
    assert values[100] == pytest.approx(0.0, abs=1e-9)
    assert training.learning_rate(recipes.recipe("2019", "c3d"), 100) == 1e-3


def test_the_line_of_an_epoch_is_one_clean_line():
    line = training.Epoch(3, 1.5, 0.25, 2.0, 0.125, 61.04).line(12)
    assert line == ("epoch   3/12  loss 1.5000  accuracy  25.0%  val_loss 2.0000  val_accuracy  12.5%    61.0 s")


def test_replicas_must_share_the_batch(store):
    class Three:
        num_replicas_in_sync = 3

    with pytest.raises(UserError, match="batch size 16 cannot be shared by 3 replicas"):
        training.Trainer(None, store, None, recipes.recipe("2019", "c3d"), PROFILE, 0, Three())


MIRRORED = """
import json, sys
from dataclasses import replace
from ucf11lib.backend import tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from ucf11lib import models, recipes, training
from ucf11lib.data import splits
from ucf11lib.data.store import ClipStore
store = ClipStore.open(sys.argv[1])
recipe = replace(recipes.recipe("repaired", "c3d"), dropout=float(sys.argv[2]))
profile = replace(recipes.profile("smoke", "c3d"), epochs=2, steps_per_epoch=5)
found = []
for strategy in (tf.distribute.OneDeviceStrategy("CPU:0"), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
    with strategy.scope():
        model = models.build("c3d", recipe, width=profile.width)
    job = training.Trainer(model, store, splits.split(store, "group"), recipe, profile, 0, strategy)
    found.append([(e.loss, e.accuracy, e.val_loss) for e in job.epochs()])
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_two_replicas_get_the_loss_of_one(store, dropout):
    command = [sys.executable, "-c", MIRRORED, str(store.path), str(dropout)]
    out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    one, two = json.loads(out.splitlines()[-1])
    if dropout:  # the masks differ between replicas, so the losses are those of another draw
        assert np.isfinite(two).all()
    else:
        assert np.array(two) == pytest.approx(np.array(one), rel=1e-4)
