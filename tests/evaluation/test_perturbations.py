from dataclasses import replace

import numpy as np
import pytest

from ucf11lib import models
from ucf11lib.evaluation import perturbations
from ucf11lib.evaluation.predict import make_predict
from ucf11lib.models.layers import Normalise
from ucf11lib.runs import named_recipe

NAMES = tuple(perturbations.PERTURBATIONS)
STILL = ["one frame repeated", "mean frame only", "background only"]


def two_pixels():
    """Two sequences of three frames of 1 x 2 pixels: the left is still, the right once bright."""
    left = (200, 100, 50)
    bright = (250, 250, 250)
    dark = (10, 20, 30)
    moves = [[bright, dark, dark], [dark, dark, bright]]
    return np.array([[[[left, right]] for right in sequence] for sequence in moves], np.uint8)


def perturbed(name, frames=None):
    frames = two_pixels() if frames is None else frames
    return perturbations.PERTURBATIONS[name](frames, np.arange(len(frames)))


@pytest.mark.parametrize("name", NAMES)
def test_perturbations_shape_type_and_input(name, store):
    frames = store.take(np.arange(4))
    before = frames.copy()
    result = perturbed(name, frames)
    assert (result.shape, result.dtype) == (frames.shape, np.uint8)
    assert np.array_equal(frames, before)


@pytest.mark.parametrize("name", NAMES)
def test_perturbations_do_not_depend_on_the_batch(name, store):
    function = perturbations.PERTURBATIONS[name]
    index = np.array([5, 0, 17, 3, 80])
    together = function(store.take(index), index)
    for size in (1, 2):
        parts = [index[i : i + size] for i in range(0, len(index), size)]
        result = np.concatenate([function(store.take(part), part) for part in parts])
        assert np.array_equal(result, together)


def test_shuffled_has_every_frame_in_the_published_order(store):
    frames = store.take(np.arange(3))
    for before, after in zip(frames, perturbed("frames shuffled", frames), strict=True):
        assert not np.array_equal(before, after)
        assert sorted(f.tobytes() for f in before) == sorted(f.tobytes() for f in after)
    numbers = np.arange(10, dtype=np.uint8).reshape(1, 10, 1, 1, 1)
    order = perturbations.shuffled(numbers, np.array([3])).ravel()
    assert order.tolist() == np.random.default_rng([7, 3]).permutation(10).tolist()


def test_time_reversed_by_hand():
    assert np.array_equal(perturbed("time reversed"), two_pixels()[[1, 0]])


def test_one_frame_repeats_the_middle_frame():
    middle = np.repeat(two_pixels()[:, 1:2], 3, axis=1)
    assert np.array_equal(perturbed("one frame repeated"), middle)


def test_mean_frame_is_rounded():
    result = perturbed("mean frame only")
    # (250 + 2 * 10) / 3, (250 + 2 * 20) / 3, 103.3
    assert result[0, :, 0, 1].tolist() == [[90, 97, 103]] * 3
    assert np.array_equal(result[:, :, :, 0], two_pixels()[:, :, :, 0])


def test_grey_is_luma_in_all_channels():
    left = [124] * 3
    expected = [[left, [250] * 3], [left, [18] * 3], [left, [18] * 3]]
    assert perturbed("grey")[0, :, 0].tolist() == expected
    levels = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1).reshape(1, 1, 16, 16, 3)
    assert np.array_equal(perturbed("grey", levels), levels)


def test_background_only_is_what_is_still():
    result = perturbed("background only")
    assert np.array_equal(result, np.broadcast_to(two_pixels()[0, 1], result.shape))


def test_background_removed_is_around_mid_grey():
    result = perturbed("background removed")
    assert np.all(result[:, :, :, 0] == 128)
    assert result[0, :, 0, 1].tolist() == [[255, 255, 255], [128] * 3, [128] * 3]
    faint = two_pixels() // 4
    parts = [perturbed(f"background {part}", faint).astype(int) for part in ("removed", "only")]
    assert np.array_equal(sum(parts) - 128, faint)


@pytest.mark.parametrize("name", STILL)
def test_still_conditions_are_zeros_without_the_mean_frame(name, store):
    still = perturbed(name, store.take(np.arange(4)))
    assert np.abs(np.asarray(Normalise("sequence")(still))).max() < 1e-4


def test_accuracy_under_of_a_model_blind_to_order(store):
    model = models.build("vgg9", named_recipe("repaired", "vgg9"), width=0.0625)
    kernel, bias = model.get_layer("logits").get_weights()
    first = kernel.reshape(30, -1, 11)[:1]
    model.get_layer("logits").set_weights(
        [np.repeat(first, 30, axis=0).reshape(kernel.shape), bias]
    )
    index = np.arange(40)
    plain = perturbations.accuracy_under(model, store, index, "unchanged")
    for name in ("frames shuffled", "time reversed"):
        assert perturbations.accuracy_under(model, store, index, name) == pytest.approx(plain)


def test_conditions_table_every_condition_with_its_interval(store):
    recipe = replace(named_recipe("repaired", "cnn_lstm"), norm="group")
    model = models.build("cnn_lstm", recipe, width=0.0625, seed=3)
    index = np.arange(0, 132, 2)
    table = perturbations.conditions_table(model, store, index)
    assert tuple(table.index) == NAMES
    assert set(table["sequences"]) == {66}
    assert set(table["groups"]) == {33}
    assert np.all((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"]))
    right = make_predict(model)(store, index).argmax(axis=1) == store.labels[index]
    assert table.loc["unchanged", "accuracy"] == pytest.approx(right.mean())
    shuffled = perturbations.accuracy_under(model, store, index, "frames shuffled")
    assert table.loc["frames shuffled", "accuracy"] == pytest.approx(shuffled)
    assert set(table.loc[STILL, "answers"]) == {1}
    assert table.loc[STILL, "accuracy"].to_numpy() == pytest.approx(1 / 11)
