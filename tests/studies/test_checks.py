import numpy as np
import pandas as pd
import pytest

from ucf11lib import models
from ucf11lib.data import split
from ucf11lib.evaluation.baselines import BASELINES, COLOURS, nearest_neighbour
from ucf11lib.evaluation.perturbations import conditions_table
from ucf11lib.runs import RunConfig
from ucf11lib.studies import checks, leak


def test_probes_are_of_the_runs_own_split(trained, store):
    side = split(store, trained.config).validation
    wanted = conditions_table(models.load(trained), store, np.sort(side))["accuracy"]
    assert checks.shuffled_frames(trained) == pytest.approx(wanted["frames shuffled"])
    parts = split(store, trained.config)
    right = nearest_neighbour(store, parts) == store.labels[parts.validation]
    assert leak.nearest_accuracy(trained) == pytest.approx(right.mean())
    assert leak.share_with_clip(trained) == 0


def test_boundaries_of_synthetic_clips_are_recovered():
    config = RunConfig.of(model="c3d", profile="smoke", groups=3, clips=2, sequences=2)
    (row,) = checks.boundaries(config)
    assert row["clip_recall"] > 0.8
    assert list(row) == ["clip_precision", "clip_recall", "group_precision", "group_recall"]


def test_baseline_rows_are_of_the_splits_held_out_part():
    config = RunConfig.of(model="c3d", profile="smoke", groups=3, clips=2)
    rows = {row["baseline"]: row for row in checks.baseline_rows(config)}
    assert list(rows) == list(BASELINES)
    assert {row["sequences"] for row in rows.values()} == {22}  # one of three groups a class
    assert rows["majority class"]["accuracy"] == pytest.approx(1 / 11)


def test_bars_table_says_what_holds():
    rows = [{"model": model, "split": kind, "accuracy": accuracy, "shuffled": accuracy - 0.2}
            for model in ("c3d", "vgg9", "cnn_lstm")
            for kind, accuracy in (("group", 0.95), ("random", 0.97))]  # fmt: skip
    rows += [{"model": "frame_cnn", "split": kind, "accuracy": 0.9} for kind in ("group", "random")]
    colours = (("synthetic", 0.1), ("synthetic", 0.2), ("Weizmann", 0.9))
    rows += [{"data": data, "baseline": COLOURS, "accuracy": one} for data, one in colours]
    table = checks.bars_table(pd.DataFrame(rows)).set_index("check")
    assert table.index[~table["holds"]].tolist() == ["frame CNN, group split"]
    assert table.loc["CNN+LSTM, random split minus group split", "value"] == pytest.approx(0.02)
    values = table.loc["colour histogram of one frame", ["value", "high"]]
    assert values.tolist() == pytest.approx([0.15, 0.25])
    assert "VGG9, frames shuffled" not in table.index
