"""A run folder that was damaged or changed is refused in one line that names the file."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from ucf11lib.errors import UserError
from ucf11lib.runs import Run, runs_table
from ucf11lib.runs.parsing import damage_in_one_line, read_json


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
        {"confusion": [[1, 2], [3]]}, {"confusion": [[10**30] * 11] * 11}, {"interval": []},
        {"classes": ["a"]}, {"per_class_accuracy": [None]}, {"per_class_accuracy": [None] * 11},
        {"precision": "float32 <img src=x>"}, {"accuracy": -5}, {"parameters": 10**60},
    ],
)  # fmt: skip
def test_metrics_lists_fit_the_classes(trained, tmp_path, changes):
    path = shutil.copytree(trained.path, tmp_path / "r")
    (path / "metrics.json").write_text(json.dumps(trained.metrics | changes))
    with pytest.raises(UserError, match=r"metrics.json: (damaged|unreadable) .*; train again"):
        _ = Run(path).metrics


LONG_ROW = b"epoch,loss,accuracy,val_loss,val_accuracy,seconds\n1,1,1,1,1,1,1,1\n"


@pytest.mark.parametrize("name", ["predictions.npz", "history.csv", "split.csv"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"a,b\n1,2\n", LONG_ROW])
def test_run_damaged_table_is_one_line(trained, tmp_path, name, content):
    path = shutil.copytree(trained.path, tmp_path / "r")
    (path / name).write_bytes(content)
    run = Run.open(path)
    with pytest.raises(UserError, match=f"{name}: damaged"):
        _ = run.history, run.held_out


def test_what_the_system_refuses_is_no_damage(tmp_path, monkeypatch):
    def refuse(path):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    (tmp_path / "config.json").write_text("{}")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(OSError, match=r"Too many open files: '.*config\.json'"):
            read_json(tmp_path / "config.json", dict, "train again")
    file = tmp_path / "frames.npy"
    refused = r"Cannot allocate memory: '.*frames\.npy'"
    with pytest.raises(OSError, match=refused), damage_in_one_line(file, "train again"):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    damaged = pytest.raises(UserError, match=r"frames\.npy: damaged \(MemoryError\); train again")
    with damaged, damage_in_one_line(file, "train again"):
        raise MemoryError  # as a forged header does


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
