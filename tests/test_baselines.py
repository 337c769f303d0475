import numpy as np
import pytest

from ucf11lib import baselines
from ucf11lib.data import splits
from ucf11lib.data import store as stores


def test_a_histogram_is_a_distribution_over_colours(store):
    rows = baselines.colour_histogram(store, np.arange(4))
    assert rows.shape == (4, 512)
    assert (rows**2).sum(axis=1) == pytest.approx(1)


def test_a_cnn_without_motion_answers_every_sequence(store):
    split = splits.split(store, "random")
    for bag in (False, True):
        found = baselines.frame_cnn(store, split, width=0.125, bag=bag, epochs=1)
        assert found.shape == split.validation.shape
        assert set(found) <= set(range(11))


@pytest.fixture
def copies(tmp_path):
    """A store of 40 sequences of noise, each of them twice: 0 to 39, and again as 40 to 79; labels 0, 1, 1, 2, ..."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 10, 32, 32, 3), dtype=np.uint8)
    made = {"source": "videos", "classes": ["a", "b", "c"], "origin": {}, "window": 10, "size": 32}
    with stores.create(tmp_path / "copies", **made) as writer:
        for i in range(80):
            writer.add(noise[i % 40][None], label=[0, 1, 1, 2][i % 4], group=f"g{i % 5}", clip=f"{i}")
    return stores.ClipStore.open(tmp_path / "copies")


def test_the_nearest_neighbour_finds_a_copy(copies):
    repeated = splits.Split(np.arange(40), np.arange(40, 80))
    found = baselines.table(copies, repeated)
    assert found.loc["pixels, nearest neighbour", "accuracy"] == 1
    assert found.loc["majority class", "accuracy"] == 0.5
    assert set(found["sequences"]) == {40}
    assert set(found["groups"]) == {5}
    assert np.all((found["low"] <= found["accuracy"]) & (found["accuracy"] <= found["high"]))
    new = splits.Split(np.arange(20), np.arange(20, 40))
    assert baselines.table(copies, new).loc["pixels, nearest neighbour", "accuracy"] < 0.8


def test_thumbnails_are_means_of_evenly_spaced_frames(copies):
    index = np.array([7, 3, 79])
    rows = baselines.thumbnails(copies, index)
    assert (rows.shape, rows.dtype) == ((3, 8 * 16 * 16 * 3), np.float32)
    picked = copies.take(index)[:, [0, 1, 3, 4, 5, 6, 8, 9]]
    means = picked.reshape(3, 8, 16, 2, 16, 2, 3).mean(axis=(3, 5))
    assert rows == pytest.approx(means.reshape(3, -1), abs=1e-3)


def test_features_do_not_depend_on_how_they_are_read(copies, monkeypatch):
    index = np.arange(79, 0, -2)
    together = [make(copies, index) for make in (baselines.thumbnails, baselines.colour_histogram)]
    most = []
    take = stores.ClipStore.take
    monkeypatch.setattr(stores.ClipStore, "take", lambda self, rows: most.append(len(rows)) or take(self, rows))
    monkeypatch.setattr(baselines, "CHUNK", 3)
    apart = [make(copies, index) for make in (baselines.thumbnails, baselines.colour_histogram)]
    assert max(most) == 3
    for whole, parts in zip(together, apart, strict=True):
        assert np.array_equal(whole, parts)


def test_single_frames_are_some_of_the_training_part_and_the_middle_ones_of_the_other(store, tmp_path):
    split = splits.Split(np.array([7, 2, 11]), np.array([5, 30]))
    single, parts = baselines.single_frames(store, split, 4, 0, tmp_path / "frames")
    assert single.frames.shape == (3 * 4 + 2, 1, 64, 64, 3)
    for part, own, count in zip((split.train, split.validation), (parts.train, parts.validation), (4, 1), strict=True):
        assert np.array_equal(single.labels[own], store.labels[part].repeat(count))
        assert np.array_equal(single.groups[own], store.groups[part].repeat(count))
    assert np.array_equal(single.frames[parts.validation, 0], store.frames[split.validation, 15])
    for i, sequence in zip(parts.train, split.train.repeat(4), strict=True):
        assert any(np.array_equal(single.frames[i, 0], frame) for frame in store.frames[sequence])
