from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ucf11lib.data import batches
from ucf11lib.runs import named_recipe

PLAIN = named_recipe("2019", "c3d")
FRAMES = np.random.default_rng(1).integers(0, 256, (2, 3, 16, 16, 3), dtype=np.uint8)


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 40), start=st.integers(0, 200), count=st.integers(1, 90))
def test_positions_do_not_depend_on_the_start(n, start, count):
    stream = batches.Stream(np.arange(100, 100 + n), seed=3)
    complete = stream.positions(0, start + count)
    assert np.array_equal(stream.positions(start, count), complete[start:])
    for p in range(len(complete) // n):
        assert sorted(complete[p * n : (p + 1) * n]) == list(range(100, 100 + n))


def test_positions_differ_between_passes_and_seeds():
    one, two = batches.Stream(np.arange(50), 0), batches.Stream(np.arange(50), 1)
    assert not np.array_equal(one.positions(0, 50), one.positions(50, 50))
    assert not np.array_equal(one.positions(0, 50), two.positions(0, 50))
    assert not np.array_equal(one.draws(0, 5), one.draws(5, 5))


def test_training_batches_hold_the_stores_bytes_however_many_replicas(store):
    stream = batches.Stream(np.arange(5, 45), 0)
    chosen = stream.positions(3 * 8, 2 * 8)
    for replicas in (1, 2, 4):
        share = {"first_step": 3, "steps": 2, "replicas": replicas}
        parts = list(batches.training_batches(store, stream, 8, **share))
        assert len(parts) == 2 * replicas
        frames, draws, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
        assert frames.dtype == np.uint8
        assert np.array_equal(frames, store.frames[chosen])
        assert np.array_equal(draws, stream.draws(3 * 8, 2 * 8))
        assert np.array_equal(labels, store.labels[chosen])


def test_evaluation_batches_keep_order_and_the_last_part(store):
    indices = np.array([7, 3, 99, 50, 0])
    result = [part.numpy() for (part,) in batches.evaluation_batches(store, indices, 2)]
    assert [len(part) for part in result] == [2, 2, 1]
    assert np.array_equal(np.concatenate(result), store.frames[indices])


@pytest.mark.parametrize(
    ("changes", "draws", "expected"),
    [
        ({}, [1, 1, 1, 1], FRAMES),
        ({"flip": True}, [-0.5, 0, 0, 0], FRAMES),
        ({"flip": True}, [0.5, 0, 0, 0], FRAMES[..., ::-1, :]),
        (
            {"shift": 4},
            [-1, 0.5, -0.5, 0],  # two down, two to the left
            np.pad(FRAMES, [(0, 0), (0, 0), (2, 0), (0, 2), (0, 0)], "edge")[:, :, :-2, 2:],
        ),
        ({"brightness": 0.3}, [-1, 0, 0, 0.99], np.rint(np.clip(FRAMES * 1.297, 0, 255))),
    ],
)
def test_augment(changes, draws, expected):
    draws = np.array([draws, draws], np.float32)
    result = batches.augment(FRAMES, draws, replace(PLAIN, **changes))
    result = np.asarray(result)
    assert result.dtype == np.uint8
    off = result - expected.astype(float)
    assert np.abs(off).max() <= (1 if "brightness" in changes else 0)
    assert abs(off.mean()) < 0.01  # rounded, not cut off
