import math

import numpy as np
import pytest

from ucf11lib.backend import keras, tf
from ucf11lib.runs import RunConfig
from ucf11lib.training import step


def recipe(**changes):
    return RunConfig.of(model="c3d", **changes).recipe


def test_score_is_softmax_cross_entropy_from_logits():
    logits = np.random.default_rng(0).normal(0, 3, (5, 11)).astype(np.float32)
    labels = np.array([0, 3, 10, 2, 2])
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    loss, accuracy = step.score(logits, labels)
    assert loss == pytest.approx(-log_p[np.arange(5), labels].mean(), rel=1e-5)
    assert accuracy == (logits.argmax(axis=1) == labels).mean()


def test_learning_rate_warms_up_and_ends_at_zero():
    rate = step.learning_rate(recipe(warmup=0.1, learning_rate=2e-3), 100)
    values = [float(rate(number)) for number in range(101)]
    assert values[0] == 0.0
    assert max(values) == values[10] == pytest.approx(2e-3)
    assert values[100] == pytest.approx(0.0, abs=1e-9)
    assert step.learning_rate(recipe(recipe="2019"), 100) == 1e-3
    without = step.learning_rate(recipe(warmup=0.0, learning_rate=2e-3), 100)
    assert float(without(0)) == pytest.approx(2e-3)


@pytest.mark.parametrize("name", step.OPTIMIZERS)
def test_make_optimizer_scales_the_loss_of_float16(name):
    optimizer = step.make_optimizer(recipe(optimizer=name), 10)
    scaled = step.make_optimizer(recipe(optimizer=name), 10, "float16")
    assert float(optimizer.scale_loss(1.0)) == 1.0 < float(scaled.scale_loss(1.0))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_make_step_takes_the_gradient_of_the_batch_mean(smoothing):
    """A linear model of frames that are all 1: the gradient is known in closed form."""
    unchanged = {"schedule": "constant", "flip": False, "shift": 0, "label_smoothing": smoothing}
    plain = recipe(batch_size=4, optimizer="sgd", learning_rate=1.0, **unchanged)
    frames = keras.Input((2, 2, 2, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.ops.cast(frames, "float32"))
    model = keras.Model(frames, keras.layers.Dense(3, kernel_initializer="zeros")(x))
    optimizer = step.make_optimizer(plain, 1)
    run = step.make_step(model, optimizer, plain, tf.distribute.get_strategy())
    labels = np.array([0, 0, 0, 1], np.int32)
    row = run(np.ones((4, 2, 2, 2, 3), np.uint8), np.zeros((4, 4), np.float32), labels).numpy()
    gradient = np.full(3, 1 / 3) - [3 / 4, 1 / 4, 0]
    gradient *= 1 - smoothing
    assert row[0] == pytest.approx(4 * math.log(3))  # of the labels as they are
    assert row[2] == pytest.approx((24 + 1) * (gradient**2).sum(), rel=1e-5)
    assert row[4:].tolist() == [4, 0, 0]
    kernel, bias = (weight.numpy() for weight in model.trainable_variables)
    assert bias == pytest.approx(-gradient, rel=1e-5)
    assert kernel == pytest.approx(np.tile(-gradient, (24, 1)), rel=1e-5)
