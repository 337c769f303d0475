"""Names and links that a file system allows and a program does not expect: one line, or none."""

import json
import os
import shutil

import numpy as np
import pytest

from ucf11lib import paths
from ucf11lib.data import ClipStore
from ucf11lib.data.writer import create
from ucf11lib.errors import UserError
from ucf11lib.evaluation import export
from ucf11lib.runs import Run, RunConfig
from ucf11lib.runs.listing import runs_table
from ucf11lib.studies.grid import load_yaml
from ucf11lib.training import train

NO_UTF8 = os.fsdecode(b"caf\xe9")


def assert_refused(done):
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "prepare --source videos --data {}",
        "prepare --source course --data {}",
        "store describe {}",
        "runs --runs {}",
        "evaluate --run {}",
        "predict {} --run {}",
        "train c3d --profile smoke --run {}",
        "crossval c3d --profile smoke --out {}",
    ],
)
def test_a_link_to_itself_is_one_line(main, tmp_path, words):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    done = main(*words.replace("{}", str(loop)).split())
    assert_refused(done)
    assert str(loop) in done.stderr
    assert os.listdir(tmp_path) == ["loop"]


@pytest.mark.parametrize("variable", ["UCF11_DATA", "UCF11_RUNS"])
def test_folders_behind_a_link_to_itself_are_one_line(main, tmp_path, monkeypatch, variable):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.setenv(variable, str(tmp_path / "loop" / "x"))
    words = {"UCF11_DATA": "prepare --profile smoke", "UCF11_RUNS": "runs"}[variable]
    assert_refused(main(*words.split()))


@pytest.mark.parametrize("folder", ["/x\0y", "{}/loop"])
def test_runs_lists_all_where_one_names_a_folder_that_cannot_be(trained, tmp_path, folder):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    good, bad = (shutil.copytree(trained.path, tmp_path / name) for name in ("good", "bad"))
    config = json.loads((bad / "config.json").read_text())
    config["data"] |= {"source": "videos", "folder": folder.format(tmp_path)}
    config["store"] = "/x\0y"
    (bad / "config.json").write_text(json.dumps(config))
    table = runs_table(tmp_path).set_index("run")
    assert table["status"][good.name] == "ok"
    with pytest.raises(UserError, match="not a clip store"):
        ClipStore.open(Run.open(bad).data.store)


def test_runs_json_has_names_that_are_no_utf8(main, trained, tmp_path):
    shutil.copytree(trained.path, tmp_path / NO_UTF8)
    (row,) = json.loads(main("runs", "--runs", tmp_path, "--json").stdout)
    assert (row["run"], row["status"]) == (NO_UTF8, "ok")


def test_names_that_are_no_utf8_are_refused_where_files_would_tell_them(trained, store, tmp_path):
    grid = tmp_path / f"{NO_UTF8}.yaml"
    grid.write_text("base: {model: c3d}\ngrid: {seed: [0]}")
    with pytest.raises(UserError, match=r"caf.*yaml': not in UTF-8; rename the file"):
        load_yaml(grid)
    with pytest.raises(UserError, match="not in UTF-8; choose another --run"):
        train(RunConfig.of(model="c3d", profile="smoke"), tmp_path / NO_UTF8, store=store)
    with pytest.raises(UserError, match="not in UTF-8; choose another --out"):
        export.export_model(trained, None, "savedmodel", tmp_path / NO_UTF8)
    assert list(tmp_path.iterdir()) == [grid]


def test_two_classes_of_one_name_are_refused(trained, tmp_path):
    run = Run(shutil.copytree(trained.path, tmp_path / "r"))
    config = json.loads((run.path / "config.json").read_text())
    config["classes"][1] = config["classes"][0]
    (run.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"config\.json: two classes have one name"):
        _ = run.data


def test_crossval_into_a_file_is_refused_before_it_trains(main, tmp_path):
    mine = tmp_path / "thesis.tex"
    mine.write_text("mine")
    done = main("crossval", "cnn_lstm", "--profile", "smoke", "--out", mine)
    assert_refused(done)
    assert "thesis.tex: no folder; choose another --out" in done.stderr
    assert mine.read_text() == "mine"
    assert not any(paths.runs_dir().iterdir())


@pytest.mark.parametrize("other", [("--data", "elsewhere"), ("--source", "videos")])
def test_train_on_a_store_refuses_other_data_beside_it(main, store, other):
    done = main("train", "c3d", "--store", store.path, *other)
    assert_refused(done)
    assert f"s holds synthetic data; omit {' '.join(other)}" in done.stderr


def test_stores_have_the_mode_of_the_users_umask(tmp_path):
    before = os.umask(0o077)
    try:
        with create(tmp_path / "s", source="videos", classes=["a"], origin={}) as writer:
            writer.add(np.zeros((1, 30, 64, 64, 3), np.uint8), label=0, group="g", clip="c")
    finally:
        os.umask(before)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
