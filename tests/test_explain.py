from dataclasses import replace

import numpy as np
import pytest

from ucf11lib import explain, models, recipes, training


def hand_made():
    """Two sequences of three frames of 1 x 2 pixels: the left pixel stands, the right one is bright once."""
    left, bright, dark = (200, 100, 50), (250, 250, 250), (10, 20, 30)
    moves = [[bright, dark, dark], [dark, dark, bright]]
    return np.array([[[[left, right]] for right in sequence] for sequence in moves], np.uint8)


def seen(name, frames=None):
    frames = hand_made() if frames is None else frames
    return explain.CHANGES[name](frames, np.arange(len(frames)))


@pytest.mark.parametrize("name", explain.CHANGES)
def test_a_condition_keeps_shape_and_type_and_leaves_its_input_alone(name, store):
    frames = store.take(np.arange(4))
    before = frames.copy()
    found = explain.CHANGES[name](frames, np.arange(4))
    assert (found.shape, found.dtype) == (frames.shape, np.uint8)
    assert np.array_equal(frames, before)


@pytest.mark.parametrize("name", explain.CHANGES)
def test_a_condition_depends_on_the_sequence_alone(name, store):
    index = np.array([5, 0, 17, 3, 80])
    together = explain.CHANGES[name](store.take(index), index)
    for size in (1, 2, 3):
        parts = [index[i : i + size] for i in range(0, len(index), size)]
        found = np.concatenate([explain.CHANGES[name](store.take(part), part) for part in parts])
        assert np.array_equal(found, together)


def test_shuffling_keeps_every_frame(store):
    frames = store.take(np.arange(3))
    for before, after in zip(frames, seen("frames shuffled", frames), strict=True):
        assert not np.array_equal(before, after)
        assert sorted(f.tobytes() for f in before) == sorted(f.tobytes() for f in after)


def test_the_shuffle_is_the_one_that_published_numbers_used():
    order = explain.shuffled(np.arange(10, dtype=np.uint8).reshape(1, 10, 1, 1, 1), np.array([3])).ravel()
    assert order.tolist() == np.random.default_rng([7, 3]).permutation(10).tolist()


def test_time_is_reversed():
    assert np.array_equal(seen("time reversed"), hand_made()[[1, 0]])


def test_the_middle_frame_is_repeated():
    assert np.array_equal(seen("one frame repeated"), np.repeat(hand_made()[:, 1:2], 3, axis=1))


def test_the_mean_frame_is_rounded():
    found = seen("mean frame only")
    assert found[0, :, 0, 1].tolist() == [[90, 97, 103]] * 3  # (250 + 2 * 10) / 3, (250 + 2 * 20) / 3, 103.3
    assert np.array_equal(found[:, :, :, 0], hand_made()[:, :, :, 0])


def test_grey_is_luma_in_all_channels():
    found = seen("grey")
    assert found[0, :, 0].tolist() == [[[124] * 3, [250] * 3], [[124] * 3, [18] * 3], [[124] * 3, [18] * 3]]
    levels = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1).reshape(1, 1, 16, 16, 3)
    assert np.array_equal(seen("grey", levels), levels)


def test_the_background_is_what_stands_still():
    found = seen("background only")
    assert np.array_equal(found, np.broadcast_to(hand_made()[0, 1], found.shape))


def test_what_is_left_without_the_background_moves_around_mid_grey():
    found = seen("background removed")
    assert np.all(found[:, :, :, 0] == 128)
    assert found[0, :, 0, 1].tolist() == [[255, 255, 255], [128] * 3, [128] * 3]
    faint = hand_made() // 4
    removed = seen("background removed", faint).astype(int) + seen("background only", faint) - 128
    assert np.array_equal(removed, faint)


@pytest.mark.parametrize("name", ["one frame repeated", "mean frame only", "background only"])
def test_still_conditions_are_zeros_to_a_model_that_subtracts_the_mean_frame(name, store):
    still = seen(name, store.take(np.arange(4)))
    assert np.abs(np.asarray(models.Normalise("sequence")(still))).max() < 1e-4


def test_a_model_blind_to_order_does_not_mind_the_shuffle(store):
    model = models.build("vgg9", recipes.recipe("repaired", "vgg9"), width=0.0625)
    kernel, bias = model.get_layer("logits").get_weights()
    per_frame = kernel.reshape(30, -1, 11)
    model.get_layer("logits").set_weights([np.repeat(per_frame[:1], 30, axis=0).reshape(kernel.shape), bias])
    index = np.arange(40)
    plain = (model.predict(store.frames[index], verbose=0).argmax(axis=1) == store.labels[index]).mean()
    for condition in ("frames shuffled", "time reversed"):
        assert explain.accuracy_under(model, store, index, condition) == pytest.approx(plain)


def test_the_table_has_every_condition_with_its_interval(store):
    recipe = replace(recipes.recipe("repaired", "cnn_lstm"), norm="group")
    model = models.build("cnn_lstm", recipe, width=0.0625, seed=3)
    index = np.arange(0, 132, 2)
    table = explain.conditions(model, store, index)
    assert list(table.index) == list(explain.CHANGES)
    assert set(table["sequences"]) == {66}
    assert set(table["groups"]) == {33}
    assert np.all((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"]))
    plain = training.make_predict(model)(store, index).argmax(axis=1)
    assert table.loc["as they are", "accuracy"] == pytest.approx((plain == store.labels[index]).mean())
    for name in ("frames shuffled", "grey"):
        assert table.loc[name, "accuracy"] == pytest.approx(explain.accuracy_under(model, store, index, name))
    still = table.loc[["one frame repeated", "mean frame only", "background only"]]
    assert set(still["answers"]) == {1}
    assert still["accuracy"].to_numpy() == pytest.approx(1 / 11)
