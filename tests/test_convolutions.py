"""Against Keras's own layer: the same outputs and gradients but for rounding."""

import numpy as np
import pytest

from ucf11lib.backend import keras, tf
from ucf11lib.models import convolutions

CASES = {
    "odd": ((5, 9, 8, 3), 6, (3, 3)),
    "even": ((5, 9, 8, 3), 6, (2, 2)),
    "wide": ((3, 4, 5, convolutions.WIDE), convolutions.WIDE, (3, 3)),
    "wide on one side": ((3, 4, 5, 8), convolutions.WIDE, (3, 3)),
}


def learnt(kind, shape, filters, kernel, compiled):
    """Outputs of a layer, and the gradients of its input, kernel and bias."""
    rng = np.random.default_rng(0)
    layer = kind(filters, kernel, padding="same")
    x = tf.constant(rng.normal(size=shape), tf.float32)
    layer.build(shape)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape) / np.prod(weight.shape[:-1]) ** 0.5)
    pull = tf.constant(rng.normal(size=(*shape[:-1], filters)), tf.float32)

    def run():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(pull * keras.ops.relu(y))
        return y, *tape.gradient(loss, [x, layer.kernel.value, layer.bias.value])

    return [value.numpy() for value in (tf.function(run) if compiled else run)()]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_layer_learns_as_that_of_keras(case, compiled):
    own = learnt(convolutions.Conv2D, *CASES[case], compiled)
    theirs = learnt(keras.layers.Conv2D, *CASES[case], compiled)
    for mine, other in zip(own, theirs, strict=True):
        assert mine == pytest.approx(other, abs=2e-5 * float(np.abs(other).max()))


def test_both_sides_wide_take_the_gradient_in_parts_and_no_others(monkeypatch):
    taken = []
    plain = convolutions.convolve_wide
    monkeypatch.setattr(convolutions, "convolve_wide", lambda *args: taken.append(1) or plain(*args))
    for case in CASES.values():
        learnt(convolutions.Conv2D, *case, compiled=False)
    assert len(taken) == (0 if tf.config.list_physical_devices("GPU") else 1)


def test_half_precision_stays_half_precision():
    layer = convolutions.Conv2D(4, 3, padding="same", dtype="mixed_float16")
    x = tf.ones((2, 6, 6, 3))
    with tf.GradientTape() as tape:
        y = layer(x)
        loss = tf.reduce_sum(tf.cast(y, tf.float32))
    assert y.dtype == tf.float16
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert [gradient.dtype for gradient in gradients] == [tf.float32, tf.float32]
    assert gradients[1].numpy() == pytest.approx(2 * 6 * 6)
