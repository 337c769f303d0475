import numpy as np
import pytest

from ucf11lib import baselines, explain, models, recipes
from ucf11lib.data import splits


def test_shuffling_keeps_frames_and_depends_on_the_sequence_alone(store):
    frames = store.frames[:3]
    found = explain.shuffled(frames, np.array([0, 1, 2]))
    for before, after in zip(frames, found, strict=True):
        assert not np.array_equal(before, after)
        assert sorted(f.tobytes() for f in before) == sorted(f.tobytes() for f in after)
    alone = explain.shuffled(frames[2:], np.array([2]))
    assert np.array_equal(alone[0], found[2])


def test_a_model_blind_to_order_does_not_mind_the_shuffle(store):
    model = models.build("vgg9", recipes.recipe("repaired", "vgg9"), width=0.0625)
    kernel, bias = model.get_layer("logits").get_weights()
    per_frame = kernel.reshape(30, -1, 11)
    model.get_layer("logits").set_weights([np.repeat(per_frame[:1], 30, axis=0).reshape(kernel.shape), bias])
    index = np.arange(40)
    plain = (model.predict(store.frames[index], verbose=0).argmax(axis=1) == store.labels[index]).mean()
    assert explain.accuracy_under(model, store, index, "frames shuffled") == pytest.approx(plain)


def test_a_histogram_is_a_distribution_over_colours(store):
    rows = baselines.colour_histogram(store, np.arange(4))
    assert rows.shape == (4, 512)
    assert (rows**2).sum(axis=1) == pytest.approx(1)


def test_the_baselines_give_accuracies(store):
    split = splits.split(store, "random")
    assert 0 <= baselines.histogram_accuracy(store, split) <= 1
    for bag in (False, True):
        assert 0 <= baselines.frame_cnn_accuracy(store, split, 0.125, bag=bag, epochs=1) <= 1


def test_one_frame_sees_one_frame(store):
    layer = baselines.OneFrame(0)
    frames = store.frames[:4]
    assert np.array_equal(np.asarray(layer(frames)), frames[:, 15])
    drawn = np.asarray(layer(frames, training=True))
    for picture, sequence in zip(drawn, frames, strict=True):
        assert any(np.array_equal(picture, frame) for frame in sequence)
