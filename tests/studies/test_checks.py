import numpy as np
import pandas as pd
import pytest

from ucf11lib import models
from ucf11lib.data import split
from ucf11lib.evaluation.perturbations import accuracy_under
from ucf11lib.runs import RunConfig
from ucf11lib.studies import checks, leak


def test_probes_are_of_the_runs_own_split(trained, store):
    side = split(store, trained.config).validation
    wanted = accuracy_under(models.load(trained), store, np.sort(side), "frames shuffled")
    assert checks.shuffled_frames(trained) == pytest.approx(wanted)
    assert checks.colour_histogram(trained) is None
    assert 0 <= leak.nearest_accuracy(trained) <= 1


def test_boundaries_of_synthetic_clips_are_recovered():
    config = RunConfig.of(model="c3d", profile="smoke", groups=3, clips=2, sequences=2)
    (row,) = checks.boundaries(config)
    assert row["clip_recall"] > 0.8
    assert list(row) == ["clip_precision", "clip_recall", "group_precision", "group_recall"]


def test_bars_table_says_what_holds():
    rows = [{"model": model, "split": kind, "accuracy": accuracy, "shuffled": accuracy - 0.2}
            for model in ("c3d", "vgg9", "cnn_lstm")
            for kind, accuracy in (("group", 0.95), ("random", 0.97))]  # fmt: skip
    rows += [{"model": "frame_cnn", "split": "group", "accuracy": 0.9, "colour_histogram": 0.1}]
    rows += [{"model": "frame_cnn", "split": "random", "accuracy": 0.9}]
    table = checks.bars_table(pd.DataFrame(rows)).set_index("check")
    assert table.index[~table["holds"]].tolist() == ["frame CNN, group split"]
    assert table.loc["CNN+LSTM, random split minus group split", "value"] == pytest.approx(0.02)
    assert table.loc["colour histogram of one frame", "high"] == 0.25
    assert "VGG9, frames shuffled" not in table.index
