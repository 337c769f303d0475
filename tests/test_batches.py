from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ucf11lib import recipes
from ucf11lib.data import batches

PLAIN = recipes.recipe("2019", "c3d")


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 40), start=st.integers(0, 200), count=st.integers(1, 90))
def test_positions_do_not_depend_on_where_one_starts(n, start, count):
    stream = batches.Stream(np.arange(100, 100 + n), seed=3)
    whole = stream.positions(0, start + count)
    assert np.array_equal(stream.positions(start, count), whole[start:])
    for p in range(len(whole) // n):
        assert sorted(whole[p * n : (p + 1) * n]) == list(range(100, 100 + n))


def test_passes_and_seeds_have_orders_of_their_own():
    one, two = batches.Stream(np.arange(50), 0), batches.Stream(np.arange(50), 1)
    assert not np.array_equal(one.positions(0, 50), one.positions(50, 50))
    assert not np.array_equal(one.positions(0, 50), two.positions(0, 50))
    assert not np.array_equal(one.draws(0, 5), one.draws(5, 5))


def test_parts_of_replicas_make_up_the_global_batch(store):
    stream = batches.Stream(np.arange(40), 0)
    kept = {}
    for replicas in (1, 2, 4):
        parts = list(batches.training_batches(store, stream, 8, first_step=3, steps=2, replicas=replicas))
        assert len(parts) == 2 * replicas
        kept[replicas] = [np.concatenate([part[i].numpy() for part in parts]) for i in range(3)]
    for replicas in (2, 4):
        for whole, cut in zip(kept[1], kept[replicas], strict=True):
            assert np.array_equal(whole, cut)


def test_batches_hold_the_stores_bytes(store):
    stream = batches.Stream(np.arange(5, 25), 0)
    frames, _, labels = next(iter(batches.training_batches(store, stream, 8, first_step=0, steps=1)))
    chosen = stream.positions(0, 8)
    assert np.array_equal(frames.numpy(), store.frames[chosen])
    assert np.array_equal(labels.numpy(), store.labels[chosen])
    assert frames.dtype == "uint8"


def test_the_disk_is_asked_for_batches_before_their_turn(store, monkeypatch):
    stream, asked = batches.Stream(np.arange(40), 0), []
    monkeypatch.setattr(type(store), "expect", lambda self, indices: asked.append(list(indices)))
    list(batches.training_batches(store, stream, 8, first_step=2, steps=3))
    list(batches.evaluation_batches(store, np.arange(50), 20))
    lead = 8 * batches.EXPECTED
    assert sorted(asked[:3]) == sorted(list(stream.positions(first, lead)) for first in (16, 24, 32))
    assert sorted(asked[3:]) == [list(range(50)), list(range(20, 50)), list(range(40, 50))]


def test_to_expect_sequences_changes_no_byte(store):
    store.expect(np.array([3, 0, 131]))
    assert np.array_equal(store.take(np.array([131, 3])), store.frames[[131, 3]])


def test_evaluation_keeps_order_and_the_last_partial_batch(store):
    indices = np.array([7, 3, 99, 50, 0])
    found = [part.numpy() for (part,) in batches.evaluation_batches(store, indices, 2)]
    assert [len(part) for part in found] == [2, 2, 1]
    assert np.array_equal(np.concatenate(found), store.frames[indices])


def picture(n=6, size=16):
    return np.random.default_rng(1).integers(0, 256, (n, 3, size, size, 3), dtype=np.uint8)


def test_no_thread_tunes_a_pipeline_since_its_end_may_wait_until_that_wakes(store):
    """It sleeps 10 ms, 20, 40, ...: epochs took up to twice as long. When it holds an iterator up is chance."""
    stream = batches.Stream(np.arange(4), 0)
    training = batches.training_batches(store, stream, 2, first_step=0, steps=1)
    for pipeline in (training, batches.evaluation_batches(store, np.arange(4), 2)):
        assert pipeline.options().autotune.enabled is False


def test_no_augmentation_changes_nothing():
    frames = picture()
    assert np.array_equal(np.asarray(batches.augment(frames, np.zeros((6, 4), np.float32), PLAIN)), frames)


def test_a_flip_mirrors_all_frames_of_its_sequence():
    frames, draws = picture(2), np.array([[-0.5, 0, 0, 0], [0.5, 0, 0, 0]], np.float32)
    found = batches.augment(frames, draws, replace(PLAIN, flip=True)).numpy()
    assert np.array_equal(found[0], frames[0])
    assert np.array_equal(found[1], frames[1, :, :, ::-1])


def test_a_shift_moves_and_repeats_the_edge():
    frames, draws = picture(1), np.array([[-1, 0.5, -0.5, 0]], np.float32)
    found = batches.augment(frames, draws, replace(PLAIN, shift=4)).numpy()
    assert np.array_equal(found[0, :, 2:, :-2], frames[0, :, :-2, 2:])
    assert np.array_equal(found[0, :, 0, :-2], frames[0, :, 0, 2:])


def test_brightness_scales_and_stays_in_range():
    frames, draws = picture(1), np.array([[-1, 0, 0, 0.99]], np.float32)
    found = batches.augment(frames, draws, replace(PLAIN, brightness=0.3)).numpy()
    assert found.dtype == np.uint8
    assert np.abs(found - np.clip(frames * 1.297, 0, 255)).max() <= 1
