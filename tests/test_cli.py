"""Bad input: one clear line, the right exit code, no traceback, nothing half-written."""

import os
import subprocess
import sys

import pytest

from ucf11lib.options import COMMANDS

TRAIN = ["train", "c3d", "--profile", "smoke"]


def assert_refused(done, *words, code=2):
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "resnet"], ["unknown model 'resnet'", "c3d, vgg9, cnn_lstm"]),
        (["train", "c3d", "--split", "logo"], ["split logo", "--fold"]),
        (["train", "c3d", "--epochs", "3"], ["unrecognized arguments: --epochs 3"]),
        (["train", "c3d", "--seed", "x"], ["seed='x'", "whole number"]),
        (["train", "c3d", "--set", "dropout"], ["'dropout'", "FIELD=VALUE"]),
        (["train", "c3d", "--set", "health=false"], ["'health=false'", "an option"]),
        (["train", "c3d", "--source", "videos", "--data", "nowhere"], ["nowhere"]),
        (["train", "c3d", "--store", "nowhere"], ["nowhere: not a clip store"]),
        (["crossval", "c3d", "--split", "group"], ["--split", "'group'", "logo"]),
        ([*TRAIN, "--overfit", "0"], ["--overfit 0"]),
        ([*TRAIN, "--overfit", "4", "--run", "r"], ["--overfit leaves no run", "omit --run"]),
        (["study", "nowhere.yaml"], ["nowhere.yaml", "cannot be read"]),
        (["study", "luck"], ["unknown study 'luck'"]),
        (["study"], ["study: give --all, a YAML file, or some of five_seeds, "]),
        (["study", "--check", "--all", "leak"], ["give names or --all, not both"]),
        (["study", "leak", "--check", "--force"], ["--check runs nothing; omit --force"]),
        (["study", "leak", "--check", "--workers", "0"], ["--check runs nothing"]),
        (["study", "leak", "--workers", "2", "--scheduler", "x"], ["none with --scheduler"]),
        (["study", "full_width", "--minutes", "1", "--force"], ["--minutes goes with"]),
        (["prepare", "--source", "videos"], ["--data DIR"]),
        (["prepare", "--source", "videos", "--data", ".", "--store", "/"], ["class folder"]),
        (["train", "c3d", "--run", "/"], ["/: exists already"]),
        (["prepare", "--source", "course", "--data", "."], ["youtube_action_train_data_part1.pkl"]),
        (["store", "verify", "nowhere"], ["nowhere: not a clip store"]),
        (["evaluate", "--run", "nowhere"], ["nowhere: not a run folder"]),
        (["predict", "nowhere.mp4", "--run", "nowhere"], ["nowhere: not a run folder"]),
        (["export-model", "--run", "nowhere", "--to", "onnx"], ["nowhere: not a run folder"]),
        (["report", "--runs", "nowhere"], ["nowhere: no such folder"]),
        (["explore", "--run", "nowhere"], ["nowhere: not a run folder"]),
        (["site", "--report", "nowhere"], ["nowhere/report.html", "make report"]),
        (["reproduce", "--only", "99_none"], ["unknown notebook 99_none", "00_data"]),
        (["bench", "--models", "resnet"], ["unknown model 'resnet'"]),
        (["dance"], ["invalid choice: 'dance'"]),
    ],
)
def test_main_bad_usage_is_one_line(main, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert_refused(main(*arguments), *words)
    assert list(tmp_path.iterdir()) == []


def test_main_without_arguments_has_none_of_the_host(main, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["host", "runs"])
    assert_refused(main(), "arguments are required: COMMAND")


def test_predict_stdin_is_no_folder_of_that_name(main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-").mkdir()
    for stream in (["-", "--json"], ["--camera", "/dev/video0"]):
        assert_refused(main("predict", *stream, "--run", "nowhere"), "nowhere: not a run folder")


def test_main_help_loads_no_tensorflow(cli):
    done = cli("--help", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert "tensorflow" not in done.stderr
    assert "numpy" not in done.stderr


def test_main_help_of_each_command_has_an_example(main):
    lines = main("--help").stdout.splitlines()
    names = [line.split()[0] for line in lines if line.startswith("    ") and line[4] != " "]
    assert len(names) == len(COMMANDS)
    for name in names:
        text = " ".join(main(name, "--help").stdout.split())
        assert f"example: python -m ucf11lib {name}" in text


def test_main_completes_a_command(cli, tmp_path):
    completed = tmp_path / "completed"
    line = {"COMP_LINE": "ucf11 tr", "COMP_POINT": "8", "_ARGCOMPLETE_IFS": "\n"}
    cli(_ARGCOMPLETE="1", _ARGCOMPLETE_STDOUT_FILENAME=str(completed), **line)
    assert completed.read_text().strip() == "train"


def test_main_closed_pipe_is_no_traceback(store):
    command = f"{sys.executable} -m ucf11lib store describe {store.path} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_prepare_ucf11_sample(main, tmp_path, videos):
    options = ["--data", videos / "ucf11_sample", "--store", tmp_path / "s"]
    done = main("prepare", "--source", "ucf11", *options)
    assert done.returncode == 0, done.stderr
    assert "5 sequences" in done.stdout
    assert "151 frames" in done.stdout
    assert ",biking,biking/v_biking_01," in (tmp_path / "s" / "index.csv").read_text()
    assert_refused(main(*TRAIN, "--store", tmp_path / "s", "--run", tmp_path / "r"), "only class")
    assert not (tmp_path / "r").exists()
    assert_refused(main(*TRAIN, "--store", tmp_path / "s", "--overfit", "2"), "only class")


def test_train_finished_run_folder_is_left(main, trained):
    before = {path.name: path.read_bytes() for path in trained.path.iterdir()}
    assert_refused(main(*TRAIN, "--run", trained.path), "finished run", "--run")
    assert {path.name: path.read_bytes() for path in trained.path.iterdir()} == before


def test_prepare_full_disk(main, tiny_disk):
    done = main("prepare", "--profile", "smoke", "--store", tiny_disk / "s")
    assert_refused(done, "No space left on device", code=1)
    assert not (tiny_disk / "s").exists()


def test_train_full_disk(main, tiny_disk, store):
    (tiny_disk / "filler").write_bytes(os.urandom(1_900_000))
    done = main(*TRAIN, "--store", store.path, "--run", tiny_disk / "r")
    assert_refused(done, "No space left on device", code=1)
    assert not (tiny_disk / "r" / "metrics.json").exists()
    assert not list((tiny_disk / "r").glob(".partial*"))
