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


def test_baselines_table_nearest_neighbour_recognises_a_copy(copies, monkeypatch):
    split = Split(np.arange(40), np.arange(79, 39, -1))
    table = baselines.baselines_table(copies, split)
    assert list(table.index) == list(baselines.BASELINES)
    assert table["accuracy"].iloc[[0, 2]].tolist() == [0.5, 1]  # the majority; the copies
    assert (set(table["sequences"]), set(table["groups"])) == ({40}, {5})
    assert np.all((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"]))
    monkeypatch.setattr(baselines, "READ_SEQUENCES", 3)
    assert baselines.baselines_table(copies, split).equals(table)
    new = Split(np.arange(20), np.arange(20, 40))
    answers = baselines.nearest_neighbour(copies, new)
    assert (answers == copies.labels[new.validation]).mean() < 0.8


def test_features_are_a_distribution_of_colours_and_means_of_evenly_spaced_frames(copies):
    frames = copies.take(np.array([7, 3, 79]))
    histograms = baselines.colour_histograms(frames)
    assert histograms.shape == (3, 512)
    assert (histograms**2).sum(axis=1) == pytest.approx(1)
    thumbnails = baselines.thumbnails(frames)
    shown = frames[:, [0, 1, 3, 4, 5, 6, 8, 9]].reshape(3, 8, 16, 2, 16, 2, 3)
    assert thumbnails == pytest.approx(shown.mean(axis=(3, 5)).reshape(3, -1), abs=1e-3)
