"""Bad input: one clear line, the right exit code, no traceback, nothing half-written."""

import os
import shutil

import pytest

from ucf11lib import jobs
from ucf11lib.config import RunConfig


def refused(done, *words, code=2):
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "resnet"], ["unknown model 'resnet'", "c3d, vgg9, cnn_lstm"]),
        (["train", "c3d", "--profile", "huge"], ["unknown profile 'huge'"]),
        (["train", "c3d", "--recipe", "2020"], ["unknown recipe '2020'"]),
        (["train", "c3d", "--split", "kfold"], ["unknown split 'kfold'"]),
        (["train", "c3d", "--split", "logo"], ["split logo", "--fold"]),
        (["train", "c3d", "--fold", "07"], ["fold '07'", "split logo"]),
        (["train", "c3d", "--source", "web"], ["unknown source 'web'"]),
        (["train", "c3d", "--epochs", "3"], ["unrecognized arguments: --epochs 3"]),
        (["train", "c3d", "--seed", "x"], ["--seed", "'x'"]),
        (["train", "c3d", "--source", "videos"], ["--data"]),
        (["train", "c3d", "--source", "videos", "--data", "nowhere"], ["nowhere"]),
        (["train", "c3d", "--store", "nowhere"], ["nowhere: not a clip store"]),
        (["crossval", "c3d", "--split", "group"], ["--split group", "--split logo"]),
        (["crossval", "c3d", "--profile", "smoke", "--workers", "0"], ["--workers 0", "1 or more"]),
        (["crossval", "c3d", "--profile", "smoke", "--scheduler", "tcp://127.0.0.1:1"], ["127.0.0.1:1", "dask"]),
        (["sweep", "nowhere.yaml"], ["nowhere.yaml: cannot be read"]),
        (["prepare", "--source", "videos", "--data", "nowhere"], ["nowhere"]),
        (["prepare", "--source", "course", "--data", "."], ["youtube_action_train_data_part1.pkl"]),
        (["evaluate", "--run", "nowhere"], ["nowhere: not a run folder"]),
        (["predict", "nowhere.mp4", "--run", "nowhere"], ["nowhere: not a run folder"]),
        (["report", "--runs", "nowhere"], ["make report"]),
        (["reproduce", "--only", "99_none"], ["unknown notebook 99_none", "00_data"]),
        (["bench", "--models", "resnet"], ["unknown model 'resnet'"]),
        (["experiments", "luck"], ["unknown experiment 'luck'"]),
        (["dance"], ["invalid choice: 'dance'"]),
    ],
)
def test_bad_usage(cli, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    refused(cli(*arguments), *words)
    assert list(tmp_path.iterdir()) == []


def test_help_needs_no_tensorflow(cli):
    done = cli("--help", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert "tensorflow" not in done.stderr
    assert "numpy" not in done.stderr
    for command in (
        "reproduce",
        "prepare",
        "train",
        "crossval",
        "sweep",
        "evaluate",
        "predict",
        "report",
        "bench",
        "experiments",
    ):
        assert command in done.stdout
        assert f"example: python -m ucf11lib {command}" in " ".join(cli(command, "--help").stdout.split())


def test_empty_folder(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(cli("prepare", "--source", "videos", "--data", tmp_path / "empty", "--store", tmp_path / "s"), "empty")
    assert not (tmp_path / "s").exists()


def test_a_text_file_named_mpg(cli, tmp_path):
    (tmp_path / "v" / "biking").mkdir(parents=True)
    (tmp_path / "v" / "biking" / "v_biking_01_01.mpg").write_text("no video")
    refused(cli("prepare", "--source", "videos", "--data", tmp_path / "v", "--store", tmp_path / "s"), "v_biking_01_01")
    assert [path.name for path in tmp_path.iterdir()] == ["v"]
    refused(cli("predict", tmp_path / "v" / "biking" / "v_biking_01_01.mpg", "--run", tmp_path), "not a run folder")


def test_a_truncated_mpg(cli, tmp_path, videos):
    whole = videos / "ucf11_sample" / "biking" / "v_biking_01" / "v_biking_01_01.mpg"
    cut = tmp_path / "v" / "biking" / "v_biking_01" / "v_biking_01_01.mpg"
    cut.parent.mkdir(parents=True)
    cut.write_bytes(whole.read_bytes()[:20000])
    refused(cli("prepare", "--source", "ucf11", "--data", tmp_path / "v", "--store", tmp_path / "s"), "is damaged")
    assert not (tmp_path / "s").exists()


def test_the_ucf11_sample(cli, tmp_path, videos):
    done = cli("prepare", "--source", "ucf11", "--data", videos / "ucf11_sample", "--store", tmp_path / "s")
    assert done.returncode == 0, done.stderr
    assert "5 sequences" in done.stdout
    assert "151 frames" in done.stdout
    assert ",biking,biking/v_biking_01," in (tmp_path / "s" / "index.csv").read_text()


def test_one_class_cannot_be_classified(cli, tmp_path, videos):
    done = cli("train", "c3d", "--profile", "smoke", "--source", "ucf11", "--data", videos / "ucf11_sample",
               "--run", tmp_path / "r")  # fmt: skip
    refused(done, "only class 'biking'", "at least 2")
    assert not (tmp_path / "r").exists()


def test_a_store_of_another_version(cli, tmp_path, store):
    shutil.copytree(store.path, tmp_path / "s")
    path = tmp_path / "s" / "store.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 0'))
    refused(cli("train", "c3d", "--store", tmp_path / "s", "--run", tmp_path / "r"), "store format 0")
    assert not (tmp_path / "r").exists()


def test_a_fold_that_the_store_does_not_have(cli, tmp_path, store):
    done = cli("train", "c3d", "--profile", "smoke", "--store", store.path, "--split", "logo", "--fold", "9",
               "--run", tmp_path / "r")  # fmt: skip
    refused(done, "unknown fold '9'", "01, 02, 03")
    assert not (tmp_path / "r").exists()


def test_a_run_folder_that_exists(cli, tmp_path, store):
    run = jobs.train(RunConfig("c3d", profile="smoke"), tmp_path / "r", store=store, say=lambda line: None)
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    refused(cli("train", "c3d", "--profile", "smoke", "--run", run.path), "finished run", "--run")
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before


def test_a_full_disk_while_preparing(cli, tiny_disk):
    done = cli("prepare", "--source", "synthetic", "--profile", "smoke", "--store", tiny_disk / "s")
    refused(done, "No space left on device", code=1)
    assert [path.name for path in tiny_disk.iterdir()] == [".partial-s"]  # what is done is kept for the next try


def test_a_full_disk_while_training(cli, tiny_disk, store):
    (tiny_disk / "filler").write_bytes(os.urandom(1_900_000))
    done = cli("train", "c3d", "--profile", "smoke", "--store", store.path, "--run", tiny_disk / "r")
    refused(done, "No space left on device", code=1)
    assert not (tiny_disk / "r" / "metrics.json").exists()
    assert not [path.name for path in (tiny_disk / "r").iterdir() if path.name.startswith(".partial")]
