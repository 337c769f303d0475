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


@pytest.mark.parametrize("of_kernel", [convolutions.by_outputs, convolutions.by_pictures])
@pytest.mark.parametrize(
    ("shape", "filters", "kernel"),
    [
        ((11, 9, 8, 3), 8, (3, 3)),
        ((11, 9, 8, 3), 8, (2, 4)),
        ((5, 4, 6, 16), 12, (5, 3)),
        ((1, 3, 3, 2), 4, (1, 1)),
        ((convolutions.PICTURES + 3, 2 * convolutions.LINES + 1, 5, 4), 8, (3, 3)),
    ],
)
def test_a_kernel_learns_as_that_of_keras_however_its_gradient_is_computed(
    of_kernel, shape, filters, kernel, monkeypatch
):
    monkeypatch.setattr(convolutions, "sooner", lambda sizes: of_kernel)
    own, theirs = (learnt(kind, shape, filters, kernel, compiled=True) for kind in OWN[2])
    for mine, other in zip(own, theirs, strict=True):
        assert mine == pytest.approx(other, abs=2e-5 * float(np.abs(other).max()))


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="a GPU takes the framework's own")
@pytest.mark.parametrize(
    ("processor", "environment", "wide", "middling"),
    [
        ({"AVX2": True, "AVX512F": True}, "", convolutions.by_outputs, None),
        ({"AVX2": True, "AVX512F": True}, "AVX2", convolutions.by_pictures, convolutions.by_pictures),
        ({"AVX2": True, "AVX512F": False}, "", convolutions.by_pictures, convolutions.by_pictures),
        ({"AVX2": False, "AVX512F": False}, "", None, None),
    ],
)
def test_the_processor_decides_how_the_gradient_of_a_2d_kernel_is_computed(
    processor, environment, wide, middling, monkeypatch
):
    monkeypatch.setattr(convolutions, "processor", processor)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", environment)
    assert convolutions.sooner((3, 3, 512, 512)) is wide
    assert convolutions.sooner((3, 3, 64, 128)) is middling
    assert convolutions.sooner((5, 5, 64, 128)) is None
    assert convolutions.sooner((3, 3, 32, 64)) is None


def test_frame_by_frame_is_sooner_for_3d_kernels_of_few_outputs_alone(monkeypatch):
    found, plain = [], convolutions.convolve_narrow
    monkeypatch.setattr(
        convolutions, "convolve_narrow", lambda x, kernel: found.append(kernel.shape[-1]) or plain(x, kernel)
    )
    for case in CASES.values():
        learnt(OWN[len(case[2])][0], *case, compiled=False)
    assert found == ([] if tf.config.list_physical_devices("GPU") else [8, convolutions.NARROW])


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
