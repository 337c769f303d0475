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
    assert table["accuracy"].iloc[[0, 3]].tolist() == [0.5, 1]  # the majority; the copies
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


def test_optical_flow_is_the_motion_of_the_picture_and_histograms_are_against_the_camera(copies):
    down, right = np.mgrid[:64, :64] / 3

    def film(speed_right, speed_down, frames=5):
        moved = []
        for t in range(frames):
            x, y = right - t * speed_right / 3, down - t * speed_down / 3
            moved.append(np.sin(x) + np.cos(y))
        grey = np.rint(np.stack(moved) * 60 + 127).astype(np.uint8)
        return np.repeat(grey[None, ..., None], 3, axis=-1)

    flow = baselines.optical_flow(film(1.0, -0.5))
    assert flow.shape == (1, 4, 8, 8, 2)
    assert flow.mean(axis=(0, 1, 2, 3)) == pytest.approx([1.0, -0.5], abs=0.1)
    everywhere = baselines.flow_histograms(film(1.0, -0.5))
    assert not baselines.flow_histograms(film(1.0, -0.5, frames=1)).any()
    still, half = film(0, 0), film(0, 0)
    half[:, :, :, 48:] = film(1.0, 0)[:, :, :, 48:]
    assert everywhere.shape == (1, 2 * 4 * 4 * 8)
    assert baselines.flow_histograms(still).max() == 0
    fields = baselines.flow_histograms(half).reshape(2, 4, 4, 8)[0]  # means over time
    assert fields[:, 3].argmax(axis=-1).tolist() == [0] * 4  # to the right, in the right quarter
    assert fields[:, 3, 0].min() > 2 * max(fields[:, :3].max(), everywhere.max())
    odd = copies.take(np.arange(2))[:, :, :30, :21]
    assert np.isfinite(baselines.flow_histograms(odd)).all()
