import json
import os
import time

import pytest

from ucf11lib import paths, runs
from ucf11lib.config import RunConfig
from ucf11lib.errors import UserError


def begun(folder, **metrics):
    """A run folder as a training leaves it after one of two epochs, or with metrics at its end."""
    config = RunConfig("cnn_lstm", profile="smoke")
    kept = vars(config) | {"data_kind": "synthetic data", "profile_fields": {"epochs": 2}}
    runs.write_json(folder / "config.json", kept)
    (folder / "history.csv").write_text("epoch,loss,val_accuracy\n1,2.4,0.25\n")
    if metrics:
        runs.write_json(folder / "metrics.json", metrics)
    return folder


def test_every_run_is_listed_with_its_state(tmp_path, cli):
    begun(tmp_path / "done", status="ok")
    begun(tmp_path / "ill", status="stopped at step 1: no gradient")
    old = begun(tmp_path / "killed")
    begun(tmp_path / "now")
    begun(tmp_path / ".report-smoke-synthetic-group" / "runs" / "inside")
    for file in old.iterdir():
        os.utime(file, (time.time() - 7200,) * 2)
    (tmp_path / ".killed.lock").touch()
    with paths.turn(tmp_path / ".now.lock"):
        done = cli("runs", "--runs", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["run"]: row for row in json.loads(done.stdout)}
    assert {name: row["status"] for name, row in rows.items()} == {
        ".report-smoke-synthetic-group/runs/inside": "interrupted",
        "done": "ok",
        "ill": "stopped at step 1: no gradient",
        "killed": "interrupted",
        "now": "running",
    }
    assert 7199 < rows["killed"].pop("age") < 7300
    assert rows["killed"] == {
        **{"run": "killed", "status": "interrupted", "model": "cnn_lstm", "recipe": "repaired", "profile": "smoke"},
        **{"data": "synthetic data", "split": "group", "seed": 0, "epoch": 1, "epochs": 2, "accuracy": 0.25},
    }
    lines = runs.listed(runs.listing(tmp_path)).splitlines()
    assert lines[0].split() == ["run", "status", "model", "recipe", "data", "split", "seed", "accuracy", "age", "epoch"]
    assert lines[4].split()[-5:] == ["0", "25.0%", "2", "h", "1/2"]


def test_a_damaged_folder_is_a_row_with_gaps(tmp_path):
    begun(tmp_path / "a_whole")
    for name, text in (("b", "{"), ("c", "[]"), ("d", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
    (begun(tmp_path / "e") / "history.csv").write_text("")
    (begun(tmp_path / "f") / "history.csv").unlink()
    (tmp_path / "no_run").mkdir()
    found = runs.listing(tmp_path).set_index("run")
    assert found["status"].to_dict() == {
        **{"a_whole": "interrupted", "b": "unreadable", "c": "unreadable", "d": "unreadable", "e": "unreadable"},
        "f": "interrupted",
    }
    assert found.loc["f", "epoch"] == 0
    assert found.loc["f", "accuracy"] is None
    assert "-" in runs.listed(runs.listing(tmp_path)).splitlines()[2]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        runs.listing(tmp_path / "nowhere")
