import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ucf11lib.backend import keras, tf
from ucf11lib.data import batches, split
from ucf11lib.runs import RunConfig
from ucf11lib.training import Trainer, portable

SMALL = {"profile": "smoke", "precision": "float32", "split": "random", "batch_size": 4}
STEPS = 3
# What a process without TensorFlow is asked for: first losses of networks from given weights.
WITHOUT_TENSORFLOW = """
import json, sys
sys.modules["tensorflow"] = None
from ucf11lib.backend import keras
from ucf11lib.data import ClipStore, split
from ucf11lib.runs import RunConfig
from ucf11lib.training import portable
portable.HELD_OUT_2019 = 0  # nothing is validated before the epoch's end
losses = [keras.backend.backend()]
for file, flat in json.loads(sys.argv[2]).items():
    config, store = RunConfig.of(**flat), ClipStore.open(sys.argv[1])
    model = keras.saving.load_model(file, compile=False)
    parts = portable.parts(config, store, split(store, config), steps=1, model=model)
    losses.append([next(parts).loss for _ in range(3)])
print(json.dumps(losses))
"""


def trainer_of(store, **flat):
    config = RunConfig.of(**SMALL | flat)
    return Trainer.of(config, store, split(store, config), log=lambda line: None)


@pytest.mark.slow
def test_first_losses_without_tensorflow_are_those_of_the_trainer(store, tmp_path):
    asked, expected = {}, []
    for model, recipe in (("c3d", "2019"), ("vgg9", "repaired"), ("cnn_lstm", "repaired")):
        flat = {"model": model, "recipe": recipe, "dropout": 0.0, "steps_per_epoch": 2 * STEPS}
        trainer = trainer_of(store, **flat)
        file = str(tmp_path / f"{model}.keras")
        trainer.model.save(file)
        asked[file] = SMALL | flat
        sums = [np.asarray(trainer.step(*batch))[0] for batch in trainer.batches(0, STEPS)]
        expected.append(np.divide(sums, 4))
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, str(store.path), json.dumps(asked)]
    environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # it compiles for minutes
    options = {"capture_output": True, "text": True, "check": False}
    done = subprocess.run(command, env=environment, **options)
    assert not done.returncode, done.stderr
    backend, *losses = json.loads(done.stdout)
    assert backend == "jax"
    np.testing.assert_allclose(losses, expected, rtol=2e-3)


@pytest.mark.parametrize("changes", [{}, {"flip": True}, {"shift": 5}, {"flip": True, "shift": 3}])
def test_augment_is_that_of_the_batches(store, changes):
    recipe = RunConfig.of(model="c3d", recipe="2019", **changes).recipe
    frames = store.take(np.arange(6))
    draws = np.random.default_rng(0).uniform(-1, 1, (6, 4)).astype(np.float32)
    expected = batches.augment(tf.constant(frames), tf.constant(draws), recipe).numpy()
    assert np.array_equal(portable.augment(frames, draws, recipe), expected)


def parts(store, **flat):
    config = RunConfig.of(**{"model": "cnn_lstm"} | SMALL | flat)
    return list(portable.parts(config, store, split(store, config), steps=1))


@pytest.mark.slow
def test_parts_end_with_the_epoch_that_reaches_the_target(store):
    found = parts(store, target_accuracy=0.0, epochs=3, steps_per_epoch=2)
    assert [part.step for part in found] == [1, 2]
    assert all(part.val_accuracy is not None for part in found)  # few are held out


@pytest.mark.slow
def test_parts_go_to_the_last_epoch_without_a_target(store):
    found = parts(store, target_accuracy=None, epochs=2, steps_per_epoch=2)
    assert [part.step for part in found] == [1, 2, 3, 4]


@pytest.mark.slow
def test_parts_validate_a_large_part_after_each_epoch_only(store, monkeypatch):
    monkeypatch.setattr(portable, "HELD_OUT_2019", 3)
    found = parts(store, epochs=2, steps_per_epoch=2, target_accuracy=None)
    assert [part.val_loss is None for part in found] == [True, False, True, False]


def test_evaluate_is_the_mean_over_sequences_of_any_number(store):
    trainer = trainer_of(store, model="cnn_lstm")
    model, indices = portable.compiled(trainer.model, trainer.config), np.arange(37)
    loss, accuracy = portable.evaluate(model, store, indices)
    outputs = trainer.predict(store, indices)
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert loss == pytest.approx(float(expected(store.labels[indices], outputs)), rel=1e-4)
    assert accuracy == (outputs.argmax(axis=1) == store.labels[indices]).mean()
