import json

import numpy as np
import pytest

from ucf11lib import models
from ucf11lib.data import ClipStore, writer
from ucf11lib.errors import UserError
from ucf11lib.evaluation import predict
from ucf11lib.evaluation.looks import Windows, mirrored


@pytest.fixture
def numbered(tmp_path):
    """Clips of grey frames, each frame's level its number: a, b and, with a gap, c."""
    starts = {"a": [0, 4, 8], "b": [0], "c": [0, 6, 20]}
    with writer.create(
        tmp_path / "s", source="videos", classes=["run"], origin={}, window=6, size=8
    ) as new:
        for clip, first in starts.items():
            levels = np.array(first)[:, None] + np.arange(6)
            frames = np.broadcast_to(levels[..., None, None, None], (*levels.shape, 8, 8, 3))
            frames = frames.astype(np.uint8)
            new.add(frames, label=0, group=clip, clip=clip, first_frames=first)
    return ClipStore.open(tmp_path / "s")


def levels(windows):
    return windows.take(np.arange(len(windows)))[:, :, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("count", "first"),
    [
        (1, [0, 0, 0]),
        (10**15, [*range(9), 0, *range(7), 20]),
        (3, [0, 4, 8, 0, 0, 4, 20]),
        (99, [*range(9), 0, *range(7), 20]),
    ],
)
def test_spread_windows_are_consecutive_frames_of_one_clip(numbered, count, first):
    windows = Windows.spread(numbered, np.arange(7), count)
    assert levels(windows) == [list(range(start, start + 6)) for start in first]
    assert (np.diff(windows.index) >= 0).all()


def test_spread_reads_no_frame_of_other_sequences(numbered):
    windows = Windows.spread(numbered, np.array([0, 2, 3]), 99)
    assert levels(windows) == [[*range(6)], [*range(8, 14)], [*range(6)]]


def test_evaluate_flip_is_the_mean_with_the_mirror_image(trained, store, monkeypatch):
    model, measured = models.load(trained), []
    monkeypatch.setattr(predict, "measure_predictions", lambda *parts: measured.append(parts) or {})
    predict.evaluate(trained, model, flip=True)
    index = trained.predictions["index"]
    frames = store.take(index)
    views = [model.predict(one, verbose=0) for one in (frames, mirrored(frames, index))]
    means = np.mean([predict.probabilities(view, "logits") for view in views], axis=0)
    ((_, y_prob, *_),) = measured
    assert y_prob == pytest.approx(means, abs=1e-5)
    assert y_prob != pytest.approx(trained.predictions["y_prob"], abs=1e-3)


def test_evaluate_windows_are_of_the_held_out_clips(trained, main, monkeypatch):
    clips, spread, seen = len(set(trained.held_out["clips"])), Windows.spread, []

    def noted(store, index, windows):
        seen.append(index)
        return spread(store, index, windows)

    monkeypatch.setattr(Windows, "spread", noted)
    for windows, of_a_clip in ((1, 1), (3, 2)):  # its two sequences do not touch: no third fits
        done = main("evaluate", "--run", trained.path, "--windows", windows, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["n"] == of_a_clip * clips
    assert all(np.array_equal(index, trained.predictions["index"]) for index in seen)
    with pytest.raises(UserError, match="--windows 0: give 1 or more"):
        predict.evaluate(trained, models.load(trained), windows=0)
