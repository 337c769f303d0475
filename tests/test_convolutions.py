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
    "narrow in time": ((2, 7, 6, 5, 3), 8, (3, 3, 3)),
    "narrow and deep": ((2, 4, 6, 5, 3), convolutions.NARROW, (5, 3, 2)),
    "in time": ((2, 7, 6, 5, 3), convolutions.NARROW + 4, (3, 3, 3)),
}
OWN = {2: (convolutions.Conv2D, keras.layers.Conv2D), 3: (convolutions.Conv3D, keras.layers.Conv3D)}


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
    own, theirs = (learnt(kind, *CASES[case], compiled) for kind in OWN[len(CASES[case][2])])
    for mine, other in zip(own, theirs, strict=True):
        assert mine == pytest.approx(other, abs=2e-5 * float(np.abs(other).max()))


@pytest.mark.parametrize(
    ("name", "taken"), [("convolve_wide", ["wide"]), ("convolve_narrow", ["narrow in time", "narrow and deep"])]
)
def test_what_is_sooner_for_some_layers_is_done_for_no_others(name, taken, monkeypatch):
    found, plain = [], getattr(convolutions, name)
    monkeypatch.setattr(convolutions, name, lambda x, kernel: found.append(tuple(x.shape)) or plain(x, kernel))
    for case in CASES.values():
        learnt(OWN[len(case[2])][0], *case, compiled=False)
    assert found == ([] if tf.config.list_physical_devices("GPU") else [CASES[case][0] for case in taken])


@pytest.mark.parametrize(
    ("dimensions", "kind"), [(2, "mixed_float16"), (3, "mixed_bfloat16")]
)  # none but these on CPUs
def test_half_precision_stays_half_precision(dimensions, kind):
    layer = OWN[dimensions][0](4, 3, padding="same", dtype=kind)
    x = tf.ones((2, *[6] * dimensions, 3))
    with tf.GradientTape() as tape:
        y = layer(x)
        loss = tf.reduce_sum(tf.cast(y, tf.float32))
    assert y.dtype.name == kind.removeprefix("mixed_")
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert [gradient.dtype for gradient in gradients] == [tf.float32, tf.float32]
    assert gradients[1].numpy() == pytest.approx(2 * 6**dimensions)
