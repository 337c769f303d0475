from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ucf11lib.data import batches
from ucf11lib.runs import named_recipe

FRAMES = np.random.default_rng(1).integers(0, 256, (2, 3, 16, 16, 3), dtype=np.uint8)


def augmented(*draws, **changes):
    """What the first sequences become, one for each four draws."""
    recipe = replace(named_recipe("2019", "c3d"), **changes)
    frames = FRAMES[: len(draws)]
    return np.asarray(batches.augment(frames, np.array(draws, np.float32), recipe))


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


def test_training_batches_replicas_share_the_global_batch(store):
    stream = batches.Stream(np.arange(40), 0)
    columns = []
    for replicas in (1, 2, 4):
        steps = {"first_step": 3, "steps": 2, "replicas": replicas}
        parts = list(batches.training_batches(store, stream, 8, **steps))
        assert len(parts) == 2 * replicas
        columns.append([np.concatenate([part[i].numpy() for part in parts]) for i in range(3)])
    for complete, *cut in zip(*columns, strict=True):
        assert all(np.array_equal(complete, one) for one in cut)


def test_training_batches_hold_the_stores_bytes(store):
    stream = batches.Stream(np.arange(5, 25), 0)
    (batch,) = batches.training_batches(store, stream, 8, first_step=0, steps=1)
    frames, _, labels = batch
    chosen = stream.positions(0, 8)
    assert np.array_equal(frames.numpy(), store.frames[chosen])
    assert np.array_equal(labels.numpy(), store.labels[chosen])
    assert frames.dtype == "uint8"


def test_evaluation_batches_keep_order_and_the_last_part(store):
    indices = np.array([7, 3, 99, 50, 0])
    result = [part.numpy() for (part,) in batches.evaluation_batches(store, indices, 2)]
    assert [len(part) for part in result] == [2, 2, 1]
    assert np.array_equal(np.concatenate(result), store.frames[indices])


def test_batches_have_no_tuning_thread(store):
    stream = batches.Stream(np.arange(4), 0)
    training = batches.training_batches(store, stream, 2, first_step=0, steps=1)
    for pipeline in (training, batches.evaluation_batches(store, np.arange(4), 2)):
        assert pipeline.options().autotune.enabled is False


def test_augment_2019_changes_nothing():
    assert np.array_equal(augmented([-1, 1, 1, 1], [1, 1, 1, 1]), FRAMES)


def test_augment_flip_mirrors_all_frames():
    result = augmented([-0.5, 0, 0, 0], [0.5, 0, 0, 0], flip=True)
    assert np.array_equal(result[0], FRAMES[0])
    assert np.array_equal(result[1], FRAMES[1, :, :, ::-1])


def test_augment_shift_repeats_the_edge():
    result = augmented([-1, 0.5, -0.5, 0], shift=4)
    assert np.array_equal(result[0, :, 2:, :-2], FRAMES[0, :, :-2, 2:])
    assert np.array_equal(result[0, :, 0, :-2], FRAMES[0, :, 0, 2:])


def test_augment_brightness_stays_in_range():
    result = augmented([-1, 0, 0, 0.99], brightness=0.3)
    assert result.dtype == np.uint8
    assert np.abs(result - np.clip(FRAMES[:1] * 1.297, 0, 255)).max() <= 1
