import numpy as np
import pytest

from ucf11lib.data import ClipStore, writer
from ucf11lib.data.splits import Split
from ucf11lib.evaluation import baselines


@pytest.fixture
def copies(tmp_path):
    """A store of 40 sequences of noise, twice: 0 to 39, and again as 40 to 79."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 10, 32, 32, 3), dtype=np.uint8)
    info = {"source": "videos", "classes": ["a", "b", "c"], "origin": {}, "window": 10, "size": 32}
    with writer.create(tmp_path / "copies", **info) as new:
        for i in range(80):
            label = [0, 1, 1, 2][i % 4]
            new.add(noise[i % 40][None], label=label, group=f"g{i % 5}", clip=f"{i}")
    return ClipStore.open(tmp_path / "copies")


def test_baselines_table_nearest_neighbour_recognises_a_copy(copies):
    table = baselines.baselines_table(copies, Split(np.arange(40), np.arange(40, 80)))
    assert list(table.index) == list(baselines.BASELINES)
    assert table.loc["pixels, nearest neighbour", "accuracy"] == 1
    assert table.loc["majority class", "accuracy"] == 0.5
    assert set(table["sequences"]) == {40}
    assert set(table["groups"]) == {5}
    assert np.all((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"]))
    new = Split(np.arange(20), np.arange(20, 40))
    answers = baselines.nearest_neighbour(copies, new)
    assert (answers == copies.labels[new.validation]).mean() < 0.8


def test_colour_histograms_are_distributions(store):
    rows = baselines.colour_histograms(store, np.arange(4))
    assert rows.shape == (4, 512)
    assert (rows**2).sum(axis=1) == pytest.approx(1)


def test_thumbnails_are_means_of_evenly_spaced_frames(copies):
    index = np.array([7, 3, 79])
    rows = baselines.thumbnails(copies, index)
    assert (rows.shape, rows.dtype) == ((3, 8 * 16 * 16 * 3), np.float32)
    frames = copies.take(index)[:, [0, 1, 3, 4, 5, 6, 8, 9]]
    means = frames.reshape(3, 8, 16, 2, 16, 2, 3).mean(axis=(3, 5))
    assert rows == pytest.approx(means.reshape(3, -1), abs=1e-3)


def test_features_do_not_depend_on_how_many_are_read_at_a_time(copies, monkeypatch):
    index = np.arange(79, 0, -2)
    functions = (baselines.thumbnails, baselines.colour_histograms)
    together = [function(copies, index) for function in functions]
    monkeypatch.setattr(baselines, "READ_SEQUENCES", 3)
    for function, expected in zip(functions, together, strict=True):
        assert np.array_equal(function(copies, index), expected)
