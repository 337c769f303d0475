import json
import os
import shutil
from dataclasses import asdict

import numpy as np
import pytest

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.runs import Run, RunConfig, list_runs, listing, metrics_table, runs_table
from ucf11lib.runs.folder import lock_file
from ucf11lib.runs.listing import formatted
from ucf11lib.runs.records import StoreRecord


def begin(folder):
    """A run folder as a training leaves it after one of two epochs."""
    config = RunConfig.of(model="cnn_lstm", profile="smoke")
    record = StoreRecord("data/s", {"frames": "0"}, "synthetic data", ("a", "b"), 30, 64)
    paths.write_json(folder / "config.json", config.as_dict() | asdict(record))
    columns = "epoch,loss,accuracy,val_loss,val_accuracy,seconds"
    (folder / "history.csv").write_text(f"{columns}\n1,2.4,0.1,2.3,0.25,3.5\n")
    return folder


def test_run_reads_what_train_wrote(trained):
    run = Run.open(trained.path)
    assert run.config == RunConfig.of(model="cnn_lstm", profile="smoke")
    n = run.metrics["n_val"]
    assert {key: value.shape for key, value in run.held_out.items()} == {
        "y_true": (n,), "y_prob": (n, 11), "clips": (n,), "groups": (n,)
    }  # fmt: skip
    assert run.confusion.sum() == n
    assert np.allclose(run.predictions["y_prob"].sum(axis=1), 1)
    assert run.environment["processor"]
    assert run.note.startswith("synthetic data, group split, recipe repaired, profile smoke")
    table = metrics_table({"cnn_lstm": run})
    assert table.loc["cnn_lstm", "accuracy"] == run.metrics["accuracy"]


def test_run_of_a_version_without_a_field_has_its_default(trained, tmp_path):
    path = shutil.copytree(trained.path, tmp_path / "r")
    config = json.loads((path / "config.json").read_text())
    del config["data"]["fps"], config["deterministic"]
    (path / "config.json").write_text(json.dumps(config))
    assert Run(path).note == trained.note


def test_formatted_cuts_what_a_stranger_wrote(trained, tmp_path):
    for name in ("r", "s"):
        shutil.copytree(trained.path, tmp_path / name)
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    (tmp_path / "r" / "config.json").write_text(json.dumps(config | {"data_kind": "x" * 999_999}))
    assert max(map(len, formatted(runs_table(tmp_path)).splitlines())) < 1000
    (tmp_path / "s" / "config.json").write_text(json.dumps(config | {"data_kind": "x\ny" * 9999}))
    shutil.copy(tmp_path / "s" / "config.json", tmp_path / "r")
    lines = formatted(runs_table(tmp_path)).splitlines()
    assert lines[0].startswith("in all rows: status ok, model cnn_lstm, recipe repaired, data x y")
    assert (len(lines), max(map(len, lines)) < 1000) == (4, True)


def test_open_names_what_is_missing(tmp_path):
    with pytest.raises(UserError, match="not a run folder"):
        Run.open(tmp_path)
    with pytest.raises(UserError, match="did not finish"):
        Run.open(begin(tmp_path / "r"))


def test_runs_table_lists_every_state(trained, tmp_path, cli):
    shutil.copytree(trained.path, tmp_path / "done")
    begin(tmp_path / "killed")
    begin(tmp_path / "now")
    (tmp_path / ".killed.lock").touch()
    os.utime(tmp_path / "now" / "history.csv", (2e10, 2e10))  # by a clock that is ahead
    for name, text in (("b", "{"), ("c", "[]"), ("d", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
    (begin(tmp_path / "e") / "history.csv").write_text("")
    (tmp_path / "done" / "notes").symlink_to("nowhere")
    os.mkfifo(tmp_path / ".done.lock")  # that nobody writes to
    (tmp_path / "no_run").mkdir()
    with paths.lock(lock_file(tmp_path / "now")):
        result = cli("runs", "--runs", tmp_path, "--json")
    assert result.returncode == 0, result.stderr
    rows = {row["run"]: row for row in json.loads(result.stdout)}
    status = {name: row["status"] for name, row in rows.items()}
    done = status.pop("done")
    assert done == trained.metrics["status"]
    unreadable = dict.fromkeys("bcde", "unreadable")
    assert status == unreadable | {"killed": "interrupted", "now": "running"}
    assert listing._written(tmp_path / "a file that vanished") == 0
    killed = {key: rows["killed"][key] for key in ("model", "epoch", "epochs", "accuracy")}
    assert killed == {"model": "cnn_lstm", "epoch": 1, "epochs": 2, "accuracy": 0.25}
    assert rows["now"]["age"] == 0
    text = formatted(runs_table(tmp_path))
    assert "25.0%" in text
    assert "nan" not in text
    assert [run.path.name for run in list_runs(tmp_path)] == ["done"]


def test_runs_table_of_folders_that_cannot_be_read(trained, tmp_path, monkeypatch):
    shutil.copytree(trained.path, tmp_path / "r")
    may = os.access
    closed = tmp_path / "r"  # the user "root" may read all
    monkeypatch.setattr(os, "access", lambda path, mode: path != closed and may(path, mode))
    monkeypatch.setattr(Run, "config", property(lambda run: (run.path / "none").read_text()))
    assert runs_table(tmp_path)["status"].tolist() == ["unreadable"]
    closed = tmp_path
    with pytest.raises(UserError, match="not readable; allow it with chmod"):
        runs_table(tmp_path)


def test_runs_table_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        runs_table(tmp_path / "nowhere")
