from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ucf11lib.data import batches
from ucf11lib.runs import named_recipe

PLAIN = named_recipe("2019", "c3d")


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
    parts_of = {}
    for replicas in (1, 2, 4):
        parts = list(
            batches.training_batches(store, stream, 8, first_step=3, steps=2, replicas=replicas)
        )
        assert len(parts) == 2 * replicas
        parts_of[replicas] = [np.concatenate([part[i].numpy() for part in parts]) for i in range(3)]
    for replicas in (2, 4):
        for complete, cut in zip(parts_of[1], parts_of[replicas], strict=True):
            assert np.array_equal(complete, cut)


def test_training_batches_hold_the_stores_bytes(store):
    stream = batches.Stream(np.arange(5, 25), 0)
    frames, _, labels = next(
        iter(batches.training_batches(store, stream, 8, first_step=0, steps=1))
    )
    chosen = stream.positions(0, 8)
    assert np.array_equal(frames.numpy(), store.frames[chosen])
    assert np.array_equal(labels.numpy(), store.labels[chosen])
    assert frames.dtype == "uint8"


def test_evaluation_batches_keep_order_and_the_last_part(store):
    indices = np.array([7, 3, 99, 50, 0])
    result = [part.numpy() for (part,) in batches.evaluation_batches(store, indices, 2)]
    assert [len(part) for part in result] == [2, 2, 1]
    assert np.array_equal(np.concatenate(result), store.frames[indices])


def picture(n=6, size=16):
    return np.random.default_rng(1).integers(0, 256, (n, 3, size, size, 3), dtype=np.uint8)


def test_batches_have_no_tuning_thread(store):
    stream = batches.Stream(np.arange(4), 0)
    training = batches.training_batches(store, stream, 2, first_step=0, steps=1)
    for pipeline in (training, batches.evaluation_batches(store, np.arange(4), 2)):
        assert pipeline.options().autotune.enabled is False


def test_augment_2019_changes_nothing():
    frames = picture()
    assert np.array_equal(
        np.asarray(batches.augment(frames, np.zeros((6, 4), np.float32), PLAIN)), frames
    )


def test_augment_flip_mirrors_all_frames():
    frames, draws = picture(2), np.array([[-0.5, 0, 0, 0], [0.5, 0, 0, 0]], np.float32)
    result = batches.augment(frames, draws, replace(PLAIN, flip=True)).numpy()
    assert np.array_equal(result[0], frames[0])
    assert np.array_equal(result[1], frames[1, :, :, ::-1])


def test_augment_shift_repeats_the_edge():
    frames, draws = picture(1), np.array([[-1, 0.5, -0.5, 0]], np.float32)
    result = batches.augment(frames, draws, replace(PLAIN, shift=4)).numpy()
    assert np.array_equal(result[0, :, 2:, :-2], frames[0, :, :-2, 2:])
    assert np.array_equal(result[0, :, 0, :-2], frames[0, :, 0, 2:])


def test_augment_brightness_stays_in_range():
    frames, draws = picture(1), np.array([[-1, 0, 0, 0.99]], np.float32)
    result = batches.augment(frames, draws, replace(PLAIN, brightness=0.3)).numpy()
    assert result.dtype == np.uint8
    assert np.abs(result - np.clip(frames * 1.297, 0, 255)).max() <= 1
