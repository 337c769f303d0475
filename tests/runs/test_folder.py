import errno
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.runs import Run, RunConfig, list_runs, metrics_table, runs_table
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


@pytest.mark.parametrize("name", ["config", "metrics", "environment"])
def test_run_damaged_json_is_one_line(trained, tmp_path, name):
    path = shutil.copytree(trained.path, tmp_path / "r")
    run = Run.open(path)
    for damage in ("", "{", "[]", "\x00", "{}", '{"model": 3}'):
        (path / f"{name}.json").write_text(damage)
        with pytest.raises(UserError, match=rf"{name}.json: unreadable \(.*\); train again"):
            getattr(run, name)


@pytest.mark.parametrize(
    "changes",
    [
        {"confusion": [[1, 2], [3]]}, {"confusion": [[10**30] * 11] * 11}, {"interval": [0.5]},
        {"classes": ["a"]}, {"per_class_accuracy": [None]}, {"per_class_accuracy": [None] * 11},
        {"precision": "float32 <img src=x>"}, {"accuracy": -5}, {"parameters": 10**60},
    ],
)  # fmt: skip
def test_metrics_lists_fit_the_classes(trained, tmp_path, changes):
    path = shutil.copytree(trained.path, tmp_path / "r")
    (path / "metrics.json").write_text(json.dumps(trained.metrics | changes))
    with pytest.raises(UserError, match=r"metrics.json: (damaged|unreadable) .*; train again"):
        _ = Run(path).metrics


@pytest.mark.parametrize("name", ["predictions.npz", "history.csv", "split.csv"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"a,b\n1,2\n"])
def test_run_damaged_table_is_one_line(trained, tmp_path, name, content):
    path = shutil.copytree(trained.path, tmp_path / "r")
    (path / name).write_bytes(content)
    run = Run.open(path)
    with pytest.raises(UserError, match=f"{name}: damaged"):
        _ = run.history, run.held_out


FILES = ("config.json", "metrics.json", "history.csv", "predictions.npz", "split.csv")


@pytest.mark.parametrize("kind", ["pipe", "zeros", "folder", "link in a circle"])
@pytest.mark.parametrize("name", FILES)
def test_run_opens_ordinary_files_only(trained, tmp_path, name, kind):
    run = Run(shutil.copytree(trained.path, tmp_path / "r"))
    file = run.path / name
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero" if kind == "zeros" else file)
    with pytest.raises(UserError, match=name):
        _ = run.config, run.metrics, run.history, run.held_out


def test_environment_names_the_versions_that_a_report_shows(trained, tmp_path):
    run = Run(shutil.copytree(trained.path, tmp_path / "r"))
    changed = trained.environment | {"packages": {"keras": "3"}}
    (run.path / "environment.json").write_text(json.dumps(changed))
    with pytest.raises(UserError, match=r"environment.json: .* missing required field tensorflow"):
        _ = run.environment


def test_history_has_shares(trained, tmp_path):
    run = Run(shutil.copytree(trained.path, tmp_path / "r"))
    trained.history.assign(val_accuracy=1e300).to_csv(run.path / "history.csv", index=False)
    with pytest.raises(UserError, match=r"history.csv: damaged .an accuracy that is no share"):
        _ = run.history


def test_json_too_large_is_said(trained, tmp_path):
    run = Run(shutil.copytree(trained.path, tmp_path / "r"))
    os.truncate(run.path / "config.json", 70 << 20)
    with pytest.raises(UserError, match=r"config.json: larger than 64 MiB; train again"):
        _ = run.config


def test_formatted_cuts_what_a_stranger_wrote(trained, tmp_path):
    for name in ("r", "s"):
        shutil.copytree(trained.path, tmp_path / name)
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    (tmp_path / "r" / "config.json").write_text(json.dumps(config | {"data_kind": "x" * 999_999}))
    assert max(map(len, formatted(runs_table(tmp_path)).splitlines())) < 1000


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("split", "kind", "logo", "config.json: split logo holds one group index out"),
        ("recipe", "name", "zz", "config.json: unknown recipe 'zz'; choose one of"),
        (None, "data_kind", "x" * (2 << 20), "config.json: unreadable .*at data_kind"),
    ],
)
def test_config_whose_parts_do_not_fit_names_the_file(
    trained, tmp_path, part, field, value, message
):
    run = Run(shutil.copytree(trained.path, tmp_path / "r"))
    config = json.loads((run.path / "config.json").read_text())
    (config[part] if part else config)[field] = value
    (run.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=message):
        _ = run.note
    assert runs_table(tmp_path)["status"].tolist() == ["unreadable"]


@pytest.mark.parametrize("name", sorted({*FILES} - {"metrics.json"}))
def test_changed_names_what_was_changed_after_it_was_measured(trained, tmp_path, name):
    run = Run(shutil.copytree(trained.path, tmp_path / "r"))
    assert run.changed() == ""
    with (run.path / name).open("ab") as file:
        file.write(b"x")
    assert run.changed().startswith(f"{run.path / name}: changed after it was measured")
    os.truncate(run.path / name, 1 << 43)  # 8 TiB of nothing
    assert run.changed().startswith(f"{run.path / name}: changed after it was measured")


def test_changed_knows_its_own_files_only(trained, tmp_path):
    run = Run(shutil.copytree(trained.path, tmp_path / "r"))
    digests = {"a" * 300: "x", "../x": "y", "notes": "z"}
    (run.path / "metrics.json").write_text(json.dumps(trained.metrics | {"sha256": digests}))
    assert run.changed() == ""


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
    killed = {key: rows["killed"][key] for key in ("model", "epoch", "epochs", "accuracy")}
    assert killed == {"model": "cnn_lstm", "epoch": 1, "epochs": 2, "accuracy": 0.25}
    text = formatted(runs_table(tmp_path))
    assert "25.0%" in text
    assert "nan" not in text
    assert [run.path.name for run in list_runs(tmp_path)] == ["done"]


def test_runs_table_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        runs_table(tmp_path / "nowhere")


@pytest.mark.parametrize("name", FILES)
def test_run_that_may_not_be_read_has_another_remedy(trained, monkeypatch, name):
    def forbidden(path, *arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    run = Run(trained.path)
    _ = run.config, run.data, run.predictions if name == "split.csv" else None
    monkeypatch.setattr(Path, "read_bytes" if name.endswith("json") else "open", forbidden)
    read = {"config.json": "config", "metrics.json": "metrics", "history.csv": "history"}
    fresh = Run(trained.path) if name == "config.json" else run
    with pytest.raises(UserError, match=rf"{name}: .*Permission denied.*; allow it with chmod"):
        getattr(fresh, read.get(name, "held_out"))
