from dataclasses import replace

import numpy as np
import pytest

from ucf11lib import models, recipes, saliency
from ucf11lib.backend import keras

NAMES = recipes.MODELS
CHOSEN = 11  # the frame that a planted network uses
LOOKED_AT = {"c3d": range(8, 16), "vgg9": range(CHOSEN, CHOSEN + 1), "cnn_lstm": range(CHOSEN, CHOSEN + 1)}
CLASS = 3


def frames(n=3):
    return np.random.default_rng(0).integers(0, 256, (n, 30, 64, 64, 3), dtype=np.uint8)


def network(name, recipe="repaired", **settings):
    return models.build(name, replace(recipes.recipe(recipe, name), **settings), width=0.0625, seed=1)


def planted(name):
    """A network that adds up red, of one frame (C3D: of one cell of eight frames) alone, for class 3.

    Its convolutions pass the red and the green channel on, one to one, so green reaches the last convolution too.
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
            channels = [other for other in model.layers if other.name.startswith("pool")][-1].output.shape[-1]
            red = weights[0].reshape(-1, channels, weights[0].shape[1])[:, 0, 0]
            red[slice(16, 32) if name == "c3d" else slice(None)] = 1  # C3D: the second of 3 cells of 4 x 4 positions
        elif layer.name == "lstm":
            units = layer.units
            weights[0][0, 2 * units] = 1e-3  # into the cell, where no tanh is saturated; gates ignore the input
            weights[2][units : 2 * units] = -100  # forgets at once
        elif layer.name == "logits":
            place = 0 if name == "c3d" else CHOSEN * (len(weights[0]) // 30)
            weights[0][place, CLASS] = 1
        layer.set_weights(weights)
    return model


def red_and_green():
    """A red square at the upper left and a green one at the lower right, in all frames."""
    x = np.zeros((2, 30, 64, 64, 3), np.uint8)
    x[:, :, 8:24, 8:24, 0] = 200
    x[:, :, 40:56, 40:56, 1] = 200
    return x


@pytest.mark.parametrize("name", NAMES)
def test_maps_have_a_value_a_pixel_and_energies_one_a_frame(name):
    model = network(name)
    maps, energies = saliency.grad_cam(model, frames()), saliency.energy(model, frames())
    assert (maps.shape, maps.dtype) == ((3, 30, 64, 64), np.float32)
    assert maps.min() >= 0
    assert maps.max() == 1
    assert (energies.shape, energies.dtype) == ((3, 30), np.float32)
    assert energies.min() >= 0
    assert energies.sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_sequence_looks_alike_in_any_company_and_from_a_saved_model(name, tmp_path):
    model, x = network(name), frames(saliency.CHUNK + 2)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", compile=False)
    for method in (saliency.grad_cam, saliency.energy):
        together, alone = method(model, x), method(again, x[-1:])
        assert together[-1:] == pytest.approx(alone, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_class_explained_is_the_models_own_answer_unless_told(name):
    model, x = network(name), frames(2)
    answers = np.asarray(model(x)).argmax(axis=1)
    for method in (saliency.grad_cam, saliency.energy):
        own = method(model, x)
        assert np.array_equal(method(model, x, answers), own)
        assert not np.allclose(method(model, x, (answers + 1) % 11), own, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_grad_cam_is_where_the_planted_feature_is(name):
    maps = saliency.grad_cam(planted(name), red_and_green())
    looked_at = maps[:, LOOKED_AT[name]]
    rows, columns = np.unravel_index(looked_at.mean(axis=(0, 1)).argmax(), (64, 64))
    assert 8 <= rows < 24
    assert 8 <= columns < 24
    assert looked_at[..., :32, :32].sum() > 0.99 * looked_at.sum()
    assert maps[..., 40:56, 40:56].max() == 0


@pytest.mark.parametrize("name", NAMES)
def test_energy_is_in_the_frames_that_a_planted_network_uses(name):
    energies = saliency.energy(planted(name), frames(2))
    assert energies[:, LOOKED_AT[name]].sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["vgg9", "cnn_lstm"])
def test_grad_cam_is_dark_in_frames_that_do_not_count(name):
    maps = saliency.grad_cam(planted(name), red_and_green())
    assert np.flatnonzero(maps.any(axis=(0, 2, 3))).tolist() == list(LOOKED_AT[name])


def test_grad_cam_of_c3d_is_when_the_planted_feature_is_there():
    x = red_and_green()
    x[:, :8] = x[:, 12:] = 0
    found = saliency.grad_cam(planted("c3d"), x).mean(axis=(0, 2, 3))
    assert 8 <= found.argmax() < 12
    assert found[6:14].sum() > 0.99 * found.sum()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_another_map_when_the_last_layers_are_shuffled(name):
    model, x = planted(name), red_and_green()
    other = saliency.shuffled(model, sum(bool(layer.weights) for layer in model.layers if "conv" not in layer.name))
    assert np.array_equal(other.get_layer("conv1").get_weights()[0], model.get_layer("conv1").get_weights()[0])
    for method in (saliency.grad_cam, saliency.energy):
        before, after = (method(m, x, np.full(len(x), CLASS)) for m in (model, other))
        assert np.abs(after - before).sum() > 0.5 * before.sum()


def test_sanity_goes_from_the_last_layer_to_the_first_and_changes_nothing():
    model, x = network("cnn_lstm"), frames(2)
    before = [w.copy() for w in model.get_weights()]
    table = saliency.sanity(model, x)
    assert list(table.index) == ["logits", "lstm", "lstm_inputs", "conv3", "conv2", "conv1"]
    assert np.all(table.abs() <= 1)
    assert np.all(table.iloc[-1] < 0.9)
    for w, kept in zip(model.get_weights(), before, strict=True):
        assert np.array_equal(w, kept)


def test_maps_are_alike_by_rank():
    a = np.arange(12.0).reshape(2, 2, 3)
    assert saliency._alike(a, a**3) == pytest.approx(1)
    assert saliency._alike(a, -a) == pytest.approx(-1)
    assert np.isnan(saliency._alike(a, np.zeros_like(a)))


def test_a_saturated_softmax_is_looked_behind():
    model = network("c3d", "2019")
    assert np.asarray(model(frames())).max(axis=1) == pytest.approx(1)
    assert saliency.energy(model, frames()).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_what_does_not_move_has_no_map():
    model = network("vgg9")
    model.get_layer("logits").set_weights([np.zeros_like(w) for w in model.get_layer("logits").get_weights()])
    assert not saliency.grad_cam(model, frames(1)).any()
    assert not saliency.energy(model, frames(1)).any()


def test_a_coarse_cell_lies_over_what_was_pooled_into_it():
    found = saliency._stretched(np.array([[0.0, 1.0, 0.0, 0, 0, 0, 2.0]]), 1, 30)[0]
    assert found[[5, 6]] == pytest.approx([0.875, 0.875])  # cell 1 of 7 is frames 4 to 7
    assert found[26:] == pytest.approx([2, 2, 2, 2])  # what the pools dropped goes with the last cell
    assert found[:2] == pytest.approx([0, 0])


def test_what_the_figure_draws_is_the_networks_own_and_that_of_its_shuffled_weights():
    model, shown = network("cnn_lstm"), frames(2)
    found = saliency.explained(model, shown)
    np.testing.assert_array_equal(found["maps"], saliency.grad_cam(model, shown))
    np.testing.assert_array_equal(found["energies"], saliency.energy(model, shown))
    assert found["reference"].shape == (30,)
    assert found["reference"].sum() == pytest.approx(1, abs=1e-5)
    assert not np.allclose(found["reference"], found["energies"].mean(axis=0))
