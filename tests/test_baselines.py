import numpy as np
import pytest

from ucf11lib import baselines
from ucf11lib.data import splits


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
