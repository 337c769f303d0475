import pandas as pd
import pytest

from ucf11lib.evaluation.baselines import FLOW
from ucf11lib.report import tables
from ucf11lib.runs import list_runs


def test_pipe_table_formats_each_row():
    rows = pd.DataFrame({"model": ["c3d", "vgg9"], "share": [0.5, None], "holds": [True, False]})
    columns = {"network": "{model}", "of all": "{share:.1%} to {share:.0%}", "holds": "{holds}"}
    assert tables.pipe_table(rows, columns).splitlines() == [
        "| network | of all | holds |",
        "| :------- | :-------------- | :------ |",
        "| C3D | 50.0 % to 50 % | yes |",
        "| VGG9 | - | **no** |",
    ]
    rows = pd.DataFrame({"95 % interval": ["70.1 to 81.2"], "n": [3]})
    assert tables.pipe_table(rows).splitlines()[-1] == "| 70.1 to 81.2 | 3 |"


def test_changes_has_a_row_a_setting(folder):
    runs = {run.config.model: run for run in list_runs(folder)}
    table = tables.changes(runs).set_index("setting")
    assert table.loc["head", "C3D"] == "softmax → logits"
    assert table.loc["head", "VGG9"] == "as in 2019"
    assert set(table.columns) == {"C3D", "VGG9", "CNN+LSTM"}


def test_precisions_differ_from_float32_of_the_same_seed(monkeypatch):
    accuracies = {"float32": [0.9, 0.8], "bfloat16": [0.92, 0.76]}
    rows = [
        {"model": "c3d", "arithmetic": arithmetic, "seed": seed, "accuracy": accuracy}
        for arithmetic, values in accuracies.items()
        for seed, accuracy in enumerate(values)
    ]
    monkeypatch.setattr(tables, "study_rows", lambda name: pd.DataFrame(rows))
    table = tables.precisions().set_index("arithmetic")
    assert table.loc["float32", ["mean", "largest"]].isna().all()
    assert table.loc["bfloat16", ["mean", "largest"]].tolist() == pytest.approx([-0.01, 0.04])
    assert table["runs"].tolist() == [2, 2]


def test_times_to_75_counts_the_runs_that_reached_it():
    rows = pd.DataFrame({
        "data": "synthetic", "model": "c3d", "recipe": ["repaired", "repaired", "2019"],
        "seed": [0, 1, 0], "sequences_to_75": [1600, 1920, None], "seconds_to_75": [50, 61, None],
    })  # fmt: skip
    table = tables.times_to_75(rows)
    assert table["reached"].tolist() == [2, 0]
    assert table["runs"].tolist() == [2, 1]
    assert table.loc[0, ["fewest", "most", "fastest", "slowest"]].tolist() == [1600, 1920, 50, 61]


def test_methods_are_means_over_seeds_the_best_first():
    table = tables.methods("beyond")
    rows = tables.study_rows("beyond", model="tsm").dropna(subset=["clips"])
    assert len(rows) == 5
    assert table["accuracy_clip"].is_monotonic_decreasing
    tsm = table.set_index("model").loc["tsm"]
    assert tsm["accuracy_clip"] == pytest.approx(rows["accuracy_clip"].mean())
    assert tsm["over_seeds"].endswith(f"to {100 * rows['accuracy_clip'].max():.1f})")


def test_over_seeds_has_the_mean_its_range_and_its_interval():
    rows = tables.study_rows("five_seeds")
    for row in rows.itertuples():
        right, sequences = map(sum, zip(*row.right_by_group, strict=True))
        assert (right / sequences, sequences) == (pytest.approx(row.accuracy), row.n_val)
    for row in tables.over_seeds("five_seeds").itertuples():
        shares = rows[rows["model"] == row.model]["accuracy"]
        assert row.accuracy.startswith(f"{100 * shares.mean():.1f} % ({100 * shares.min():.1f} to ")
        assert row.low < shares.mean() < row.high


def test_weizmann_has_ours_and_published_accuracies():
    published = [{"method": "theirs", "left_out": "one clip", "unit": "clips", "accuracy": 0.5}]
    table = tables.weizmann(published).set_index("method")
    row = tables.study_rows("real_video", fold="all", model="vgg9").iloc[0]
    assert table.loc["VGG9", "accuracy"] == row["accuracy_clip"]
    assert table.loc["VGG9", "interval"].startswith(f"{100 * row['low']:.1f} % to ")
    assert table.loc["theirs"].dropna().tolist() == ["one clip", "clips", 0.5]
    flow = tables.study_rows("checks", data="Weizmann", baseline=FLOW)
    assert len(flow) == 9
    assert flow["accuracy"].min() < table["accuracy"].iloc[3] < flow["accuracy"].max()
