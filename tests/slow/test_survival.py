"""What ends a training from outside, for real; resumed, it has the bytes of an undisturbed one."""

import contextlib
import functools
import os
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest
from tensorflow.python.framework import config as framework

from ucf11lib import training
from ucf11lib.__main__ import main
from ucf11lib.errors import UserError
from ucf11lib.models import load
from ucf11lib.runs import RunConfig
from ucf11lib.training import checkpoints, train

SETTINGS = ("epochs=4", "steps_per_epoch=6", "dropout=0.5")
FLAT = dict(setting.split("=") for setting in SETTINGS)


def silent(line):
    pass


def stop(line):
    if line.startswith("epoch"):
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def undisturbed(store, tmp_path_factory):
    config = RunConfig.of(model="cnn_lstm", profile="smoke", **FLAT, **store.flat())
    return train(config, tmp_path_factory.mktemp("runs") / "r", store=store, log=silent)


def arguments(folder, store, *more):
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    places = ["--store", str(store.path), "--run", str(folder)]
    return ["train", "cnn_lstm", "--profile", "smoke", *places, *settings, *more]


def assert_same(run, other):
    histories = [each.history.drop(columns="seconds") for each in (run, other)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    assert all(map(np.array_equal, load(run).get_weights(), load(other).get_weights()))
    for key, value in run.predictions.items():
        assert np.array_equal(value, other.predictions[key])
    assert sorted(os.listdir(run.path)) == sorted(os.listdir(other.path))
    assert other.history["seconds"].is_monotonic_increasing


def assert_failed(error, *words):
    assert error.startswith("error: ")
    assert error.count("\n") == 1, error
    assert [word for word in words if word not in error] == []


def start(folder, store, file):
    """Start or resume the training; return when it has written `file` anew, or has ended."""
    file, before = folder / file, None
    if file.exists():
        before = file.stat().st_mtime_ns
    command = [sys.executable, "-m", "ucf11lib", *arguments(folder, store, "--resume")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, **pipes)
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            if file.stat().st_mtime_ns != before:
                break
        time.sleep(0.002)
    return process


def test_train_killed_and_terminated_has_the_same_bytes(undisturbed, store, tmp_path, capsys):
    folder, draw = tmp_path / "r", np.random.default_rng(0)
    for file in ("config.json", "history.csv", "checkpoint.npz", "checkpoint.npz"):
        process = start(folder, store, file)
        if file == "config.json":
            assert main(arguments(folder, store)) == 2
            words = "r: another process trains in it; wait for it, or choose another --run"
            assert_failed(capsys.readouterr().err, words)
        else:
            time.sleep(draw.uniform(0, 0.05))
        process.kill()
        process.communicate()
        assert not (folder / "metrics.json").exists()
    process = start(folder, store, "environment.json")
    process.terminate()
    assert_failed(process.communicate()[1], "interrupted; resume with: python -m ucf11lib train")
    assert process.returncode == 143
    (folder / ".partial-machine-1-model.keras").write_text("torn")
    os.truncate(folder / checkpoints.NEWEST, 5000)
    lines = []
    run = train(undisturbed.config, folder, store=store, resume=True, log=lines.append)
    assert "checkpoint.npz: damaged" in lines[1]
    assert lines[1].endswith("resuming from the checkpoint before it")
    assert_same(undisturbed, run)
    assert os.listdir(tmp_path) == ["r"]


def test_train_on_a_full_disk_resumes(undisturbed, store, tiny_disk, monkeypatch, capsys):
    def fill(line):
        if line.startswith("epoch   1/"):
            with contextlib.suppress(OSError), open(tiny_disk / "filler", "wb", 0) as file:
                while True:
                    file.write(bytes(4096))

    subprocess.run(["mount", "-o", "remount,size=16m", tiny_disk], check=True)
    monkeypatch.setattr(training, "train", functools.partial(train, log=fill))
    assert main(arguments(tiny_disk / "r", store)) == 1
    resume = f"resume: python -m ucf11lib train cnn_lstm --profile smoke --store {store.path} --run"
    assert_failed(capsys.readouterr().err, "No space left on device", resume, "--resume")
    (tiny_disk / "filler").unlink()
    run = train(undisturbed.config, tiny_disk / "r", store=store, resume=True, log=silent)
    assert_same(undisturbed, run)


def test_train_out_of_memory_is_one_line(store, tmp_path, capsys):
    """C3D's third convolution has weights of 0.9 GB; the process may have 1 GiB more in all."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    most = psutil.Process().memory_info().vms + 2**30
    resource.setrlimit(resource.RLIMIT_AS, (most, limits[1]))
    wide = ["train", "c3d", "--profile", "smoke", "--set", "width=16"]
    try:
        code = main([*wide, "--store", str(store.path), "--run", str(tmp_path / "r")])
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert code == 1
    error = capsys.readouterr().err
    assert_failed(error, "out of memory for a tensor of shape [3,3,3,", "batch_size", "bfloat16")


def test_save_keeps_the_last_finite_weights(store, tmp_path):
    """The warm-up's first step moves nothing, the second breaks the network."""
    flat = {"optimizer": "sgd", "learning_rate": 1e6, "steps_per_epoch": 1, "epochs": 4}
    config = RunConfig.of(model="vgg9", profile="smoke", **flat)
    run = train(config, tmp_path / "r", store=store, log=silent)
    assert run.metrics["status"].startswith("stopped: non_finite")
    weights = load(run).get_weights()
    assert not all(np.isfinite(weight).all() for weight in weights)
    with np.load(run.path / checkpoints.NEWEST) as saved:
        assert all(np.isfinite(saved[f"arr_{i}"]).all() for i in range(len(weights)))


def test_restore_guesses_nothing_without_a_readable_checkpoint(undisturbed, store, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(undisturbed.config, tmp_path / "r", store=store, log=stop)
    content = bytearray((file := tmp_path / "r" / checkpoints.NEWEST).read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"checkpoint.npz: damaged \(.*CRC.*\), and none before it"):
        train(undisturbed.config, tmp_path / "r", store=store, resume=True, log=silent)


def test_train_deterministic_has_the_same_bytes_across_a_resume(undisturbed, store, tmp_path):
    config = undisturbed.config.with_(deterministic=True)
    try:
        complete = train(config, tmp_path / "complete", store=store, log=silent)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "r", store=store, log=stop)
        assert framework.is_op_determinism_enabled()
        assert_same(complete, train(config, tmp_path / "r", store=store, resume=True, log=silent))
    finally:
        framework.disable_op_determinism()  # or it would hold for the tests that follow
    assert config.name.endswith("-deterministic-" + config.digest)
