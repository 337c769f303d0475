import numpy as np
import pytest

from ucf11lib.models.tsm import shift


@pytest.mark.parametrize(("channels", "moved"), [(16, 2), (4, 1)])
def test_shift_moves_channels_between_frames_and_nothing_between_sequences(channels, moved):
    frames = np.random.default_rng(0).normal(size=(2, 5, 3, 4, channels)).astype(np.float32)
    result = np.asarray(shift(frames.reshape(10, 3, 4, channels), 5)).reshape(frames.shape)
    forward, back = slice(0, moved), slice(moved, 2 * moved)
    np.testing.assert_array_equal(result[:, 1:, ..., forward], frames[:, :-1, ..., forward])
    np.testing.assert_array_equal(result[:, :-1, ..., back], frames[:, 1:, ..., back])
    assert not result[:, 0, ..., forward].any()
    assert not result[:, -1, ..., back].any()
    np.testing.assert_array_equal(result[..., 2 * moved :], frames[..., 2 * moved :])
