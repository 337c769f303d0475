from dataclasses import replace

import numpy as np
import pytest

from ucf11lib import models
from ucf11lib.backend import keras, tf
from ucf11lib.errors import UserError
from ucf11lib.evaluation import saliency
from ucf11lib.runs import REPORTED, named_recipe

METHODS = (saliency.grad_cam, saliency.gradient_norms)
FRAME = 11  # the frame that a planted per-frame network uses
USED = {"c3d": range(8, 16), "vgg9": [FRAME], "cnn_lstm": [FRAME]}


def noise(n):
    return np.random.default_rng(0).integers(0, 256, (n, 30, 64, 64, 3), dtype=np.uint8)


def network(name, recipe="repaired", **settings):
    recipe = replace(named_recipe(recipe, name), **settings)
    return models.build(name, recipe, width=0.0625, seed=1)


def planted(name):
    """A network that adds up red, of one frame (C3D: of one cell of eight frames), for class 3.

    Its convolutions pass on red and green, one to one, so green reaches the last of them too.
    """
    model = network(name, inputs="unit")
    for layer in model.layers:
        weights = [np.zeros_like(w) for w in layer.get_weights()]
        if layer.name.startswith("conv") and weights:
            centre = tuple(k // 2 if k % 2 else 0 for k in weights[0].shape[:-2])
            weights[0][(*centre, 0, 0)] = weights[0][(*centre, 1, 1)] = 1
        elif layer.name in ("dense2", "dense3"):
            weights[0][0, 0] = 1
        elif layer.name in ("dense1", "lstm_inputs"):
            channels = model.get_layer("flatten").input.shape[-1]
            red = weights[0].reshape(-1, channels, weights[0].shape[1])[:, 0, 0]
            # C3D: the second of 3 cells of 4 x 4 positions
            red[slice(16, 32) if name == "c3d" else slice(None)] = 1
        elif layer.name == "lstm":
            # into the cell, where no tanh is saturated; the gates ignore the input
            weights[0][0, 2 * layer.units] = 1e-3
            weights[2][layer.units : 2 * layer.units] = -100  # clears the cell at each step
        elif layer.name == "logits":
            place = 0 if name == "c3d" else FRAME * (len(weights[0]) // 30)
            weights[0][place, 3] = 1
        layer.set_weights(weights)
    return model


def red_and_green():
    """A red square at the upper left and a green one at the lower right, in all frames."""
    frames = np.zeros((2, 30, 64, 64, 3), np.uint8)
    frames[:, :, 8:24, 8:24, 0] = 200
    frames[:, :, 40:56, 40:56, 1] = 200
    return frames


@pytest.mark.parametrize("name", REPORTED)
def test_maps_have_a_sum_or_maximum_of_one_and_do_not_depend_on_the_batch(name):
    model = network(name)
    frames = noise(saliency.SALIENCY_BATCH + 2)
    maps, norms = (method(model, frames) for method in METHODS)
    assert (maps.shape, maps.dtype) == ((len(frames), 30, 64, 64), np.float32)
    assert (norms.shape, norms.dtype) == ((len(frames), 30), np.float32)
    assert 0 <= maps.min() < maps.max() == 1
    assert np.all(norms >= 0)
    assert norms.sum(axis=1) == pytest.approx(1, abs=1e-5)
    for method, together in zip(METHODS, (maps, norms), strict=True):
        assert together[-1:] == pytest.approx(method(model, frames[-1:]), abs=1e-3)


@pytest.mark.parametrize("name", REPORTED)
def test_maps_show_where_and_when_the_planted_feature_is(name):
    model = planted(name)
    maps = saliency.grad_cam(model, red_and_green())
    used = maps[:, USED[name]]
    assert {8 <= place < 24 for place in divmod(used.mean(axis=(0, 1)).argmax(), 64)} == {True}
    assert used[..., :32, :32].sum() > 0.99 * used.sum()
    assert maps[..., 40:56, 40:56].max() == 0
    if name != "c3d":
        assert np.flatnonzero(maps.any(axis=(0, 2, 3))).tolist() == USED[name]
    norms = saliency.gradient_norms(model, noise(2))
    assert norms[:, USED[name]].sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_grad_cam_of_c3d_shows_when_the_planted_feature_is():
    frames = red_and_green()
    frames[:, :8] = 0
    frames[:, 12:] = 0
    by_frame = saliency.grad_cam(planted("c3d"), frames).mean(axis=(0, 2, 3))
    assert 8 <= by_frame.argmax() < 12
    assert by_frame[6:14].sum() > 0.99 * by_frame.sum()


def test_gradient_norms_are_from_before_a_saturated_softmax():
    model = network("c3d", "2019")
    assert np.asarray(model(noise(3))).max(axis=1) == pytest.approx(1)
    assert saliency.gradient_norms(model, noise(3)).sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["vgg9_mean", "vgg9_log_mean"])
def test_gradient_norms_are_of_the_answer_where_frames_are_averaged(name):
    model, frames = network(name), noise(2)
    back = keras.Model(model.get_layer("normalise").output, model.output)
    inputs = tf.Variable(model.get_layer("normalise")(frames))
    with tf.GradientTape() as tape:
        answer = tf.reduce_sum(tf.reduce_max(back(inputs), axis=1))
    norms = np.sqrt(np.square(tape.gradient(answer, inputs)).sum(axis=(2, 3, 4)))
    expected = norms / norms.sum(axis=1, keepdims=True)
    assert saliency.gradient_norms(model, frames) == pytest.approx(expected, rel=1e-3)


def test_maps_of_a_constant_answer_are_zero():
    model = network("vgg9")
    model.get_layer("logits").kernel.assign(model.get_layer("logits").kernel * 0)
    assert not any(method(model, noise(1)).any() for method in METHODS)


def test_explain_returns_maps_and_the_reference_of_shuffled_weights():
    model = network("cnn_lstm")
    before = [w.copy() for w in model.get_weights()]
    shuffled = saliency.shuffled_weights(model)
    for own, other in zip(model.get_weights(), shuffled.get_weights(), strict=True):
        assert np.array_equal(np.sort(own, axis=None), np.sort(other, axis=None))
    result = saliency.explain(model, noise(2))
    assert all(map(np.array_equal, before, model.get_weights()))
    assert np.array_equal(result["maps"], saliency.grad_cam(model, noise(2)))
    assert np.array_equal(result["norms"], saliency.gradient_norms(model, noise(2)))
    assert result["reference"] == pytest.approx(
        saliency.gradient_norms(shuffled, noise(2)).mean(axis=0)
    )
    assert not np.allclose(result["reference"], result["norms"].mean(axis=0))


def test_grad_cam_of_a_network_without_a_map_is_one_line():
    frames = keras.Input((30, 64, 64, 3))
    model = keras.Model(frames, keras.layers.Dense(11, name="logits")(frames), name="mine")
    with pytest.raises(UserError, match="mine: Grad-CAM needs a convolution named conv1"):
        saliency.grad_cam(model, noise(1))
