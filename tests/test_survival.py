"""What ends a training from outside, each for real; it goes on to the weights of one that nothing disturbed."""

import contextlib
import functools
import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import psutil
import pytest

from ucf11lib import checkpoints, jobs
from ucf11lib.__main__ import main
from ucf11lib.backend import keras
from ucf11lib.config import RunConfig
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import Interrupted, RunFailed, UserError

SETTINGS = ("epochs=3", "steps_per_epoch=12", "dropout=0.5")
CONFIG = RunConfig("cnn_lstm", profile="smoke").having(*SETTINGS)


def silent(line):
    pass


@pytest.fixture(scope="module")
def undisturbed(store, tmp_path_factory):
    return jobs.train(CONFIG, tmp_path_factory.mktemp("runs") / "r", store=store, say=silent)


def arguments(folder, store, *more):
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    return ["train", "cnn_lstm", "--profile", "smoke", "--store", str(store.path), "--run", str(folder),
            *settings, *more]  # fmt: skip


def assert_same(run, other):
    pd.testing.assert_frame_equal(
        run.history.drop(columns="seconds"), other.history.drop(columns="seconds"), check_exact=True
    )
    assert all(map(np.array_equal, run.model().get_weights(), other.model().get_weights()))
    assert all(np.array_equal(run.predictions[key], other.predictions[key]) for key in run.predictions)
    best = [keras.models.clone_model(run.model()) for _ in range(2)]
    for model, each in zip(best, (run, other), strict=True):
        model.load_weights(each.path / "best.weights.h5")
    assert all(map(np.array_equal, *(model.get_weights() for model in best)))
    assert sorted(os.listdir(run.path)) == sorted(os.listdir(other.path))
    assert other.history["seconds"].is_monotonic_increasing


def start(folder, store, minutes):
    command = [sys.executable, "-m", "ucf11lib", *arguments(folder, store, "--resume", "--checkpoint-minutes", minutes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process, file, times):
    """Return when `file` has been written anew so often, or the process has ended."""
    seen = set()
    while process.poll() is None and len(seen) <= times:
        with contextlib.suppress(FileNotFoundError):
            seen.add(file.stat().st_mtime_ns)
        time.sleep(0.005)


@pytest.mark.slow
def test_a_training_that_is_killed_again_and_again_comes_to_the_same(undisturbed, store, tmp_path, capsys):
    folder, draw = tmp_path / "r", np.random.default_rng(0)
    for round_ in range(3):
        process = start(folder, store, "0")
        if round_ == 0:
            wait_for(process, folder / "config.json", 0)
            assert main(arguments(folder, store)) == 2
            assert capsys.readouterr().err == (
                f"error: {folder}: another process trains in it; wait for it, or choose another --run\n"
            )
        else:
            wait_for(process, folder / "checkpoint.npz", draw.integers(1, 9))
        process.kill()
        process.communicate()
        assert not (folder / "metrics.json").exists()
    (folder / ".partial-1-model.keras").write_text("torn")
    process = start(folder, store, "60")
    while not process.stdout.readline().startswith("resuming after epoch"):
        assert process.poll() is None
    process.terminate()
    said = process.communicate()[1]
    assert process.returncode == 143
    assert said.startswith("error: interrupted; go on where it was with: python -m ucf11lib train cnn_lstm ")
    assert said.endswith("--resume --checkpoint-minutes 60\n")
    os.truncate(folder / "checkpoint.npz", 5000)
    lines = []
    run = jobs.train(CONFIG, folder, store=store, resume=True, say=lines.append)
    assert "checkpoint.npz: damaged" in lines[1]
    assert lines[1].endswith("going on from the checkpoint before it")
    assert_same(undisturbed, run)
    assert os.listdir(tmp_path) == ["r"]


def test_ctrl_c_finishes_the_step_and_a_clock_that_is_set_back_does_no_harm(undisturbed, store, tmp_path, monkeypatch):
    clock = itertools.count(2e9, -3600)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore the signal
    try:
        with pytest.raises(Interrupted) as stopped:
            jobs.train(CONFIG, tmp_path / "r", store=store, say=lambda line: signal.raise_signal(signal.SIGINT))
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped.value.number == signal.SIGINT
    lines = []
    run = jobs.train(CONFIG, tmp_path / "r", store=store, resume=True, say=lines.append)
    assert lines[1] == "resuming after epoch 0 and 1 of 12 steps"
    assert_same(undisturbed, run)
    assert jobs.train(CONFIG, run.path, store=store, resume=True, say=lines.append) == run
    assert lines[-1] == f"{run.path}: finished already"


@pytest.fixture
def after_an_epoch(monkeypatch):
    """Let `fault()` happen once, after the first epoch of trainings on the command line."""

    def arrange(fault):
        def say(line):
            if line.startswith("epoch   1/"):
                fault()

        monkeypatch.setattr(jobs, "train", functools.partial(jobs.train, say=say))

    return arrange


def failed(capsys, *words, code=1):
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1, said
    for word in words:
        assert word in said


def test_a_full_disk_keeps_the_last_checkpoint(undisturbed, store, tiny_disk, after_an_epoch, capsys):
    def fill():
        with contextlib.suppress(OSError), open(tiny_disk / "filler", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    subprocess.run(["mount", "-o", "remount,size=16m", tiny_disk], check=True)
    after_an_epoch(fill)
    assert main(arguments(tiny_disk / "r", store)) == 1
    failed(capsys, "No space left on device", f"go on with: python -m ucf11lib train cnn_lstm --profile smoke --store "
           f"{store.path} --run {tiny_disk / 'r'}", "--resume")  # fmt: skip
    (tiny_disk / "filler").unlink()
    run = jobs.train(CONFIG, tiny_disk / "r", store=store, resume=True)
    assert_same(undisturbed, run)
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    assert main(arguments(tiny_disk / "s", store)) == 1
    failed(capsys, "Read-only file system")


def test_a_store_that_changes_under_a_run(undisturbed, store, tmp_path, after_an_epoch, capsys):
    copy, folder = tmp_path / "s", tmp_path / "r"
    shutil.copytree(store.path, copy)
    after_an_epoch(lambda: os.truncate(copy / "frames.npy", 100_000))
    assert main(arguments(folder, ClipStore.open(copy))) == 1
    failed(capsys, f"{copy}: frames.npy was changed while it was in use")
    shutil.copy(store.path / "frames.npy", copy)
    opened = ClipStore.open(copy)
    after_an_epoch(lambda: os.utime(copy / "frames.npy"))
    assert main(arguments(folder, opened, "--resume")) == 0
    info = (copy / "store.json").read_text()
    (folder / "metrics.json").unlink()
    (copy / "store.json").write_text(info.replace(opened.info["sha256"]["frames"], "0" * 64))
    capsys.readouterr()
    assert main(arguments(folder, opened, "--resume")) == 2
    failed(capsys, f"{copy}: not the data that {folder} was begun with")


def test_what_a_thread_of_the_pipeline_raises_is_one_line(store, tmp_path):
    opened = ClipStore.open(store.path)
    unreadable = os.open(store.path / "frames.npy", os.O_WRONLY)

    def fault(line):
        if line.startswith("epoch"):
            os.dup2(unreadable, opened._descriptor)

    with pytest.raises(RunFailed, match=r"s: frames.npy cannot be read \(Bad file descriptor\); see to the disk$"):
        jobs.train(CONFIG, tmp_path / "r", store=opened, say=fault)
    os.close(unreadable)


def test_out_of_memory_says_what_to_change(store, tmp_path, capsys):
    """C3D's second convolution would have 221 GB; the process may have 6 more, so that none of it is ever touched."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 6 * 2**30, limits[1]))
    try:
        code = main(["train", "c3d", "--set", "width=500", "--store", str(store.path), "--run", str(tmp_path / "r")])
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert code == 1
    failed(capsys, "out of memory", "batch_size", "width", "--mixed-precision")


def test_weights_that_are_not_finite_never_replace_good_ones(store, tmp_path):
    config = RunConfig("cnn_lstm", profile="smoke", settings="learning_rate=1e38,steps_per_epoch=12")
    run = jobs.train(config, tmp_path / "r", store=store, checkpoint_minutes=0, say=silent)
    assert run.metrics["status"].startswith("stopped: non_finite")
    assert not all(np.isfinite(weight).all() for weight in run.model().get_weights())
    with np.load(run.path / checkpoints.NEWEST) as kept:
        assert all(np.isfinite(kept[key]).all() for key in kept if key.startswith("model"))
        assert 1 <= len(kept["rows"]) < 8  # the warm-up's first step moves nothing, the second breaks it
    assert not (run.path / "best.weights.h5").exists()


def test_without_any_good_checkpoint_nothing_is_guessed(store, tmp_path):
    with pytest.raises(Interrupted):
        jobs.train(CONFIG, tmp_path / "r", store=store, say=lambda line: signal.raise_signal(signal.SIGTERM))
    file = tmp_path / "r" / checkpoints.NEWEST
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"checkpoint.npz: damaged \(.*CRC.*\), and none before it"):
        jobs.train(CONFIG, tmp_path / "r", store=store, resume=True, say=silent)


@pytest.mark.parametrize("threads", ["1", "4"])
def test_any_number_of_pipeline_threads_gives_the_same(undisturbed, store, tmp_path, monkeypatch, threads):
    monkeypatch.setenv("UCF11_PIPELINE_THREADS", threads)
    assert_same(undisturbed, jobs.train(CONFIG, tmp_path / "r", store=store, say=silent))


def test_no_threads_are_refused(store, monkeypatch):
    from ucf11lib.data import batches

    monkeypatch.setenv("UCF11_PIPELINE_THREADS", "0")
    with pytest.raises(UserError, match="UCF11_PIPELINE_THREADS=0: give a number of threads, 1 or more"):
        batches.evaluation_batches(store, np.arange(4), 2)


def test_deterministic_operations_give_the_same_across_a_resume(store, tmp_path):
    from tensorflow.python.framework import config as framework

    config = replace(CONFIG, deterministic=True)
    try:
        whole = jobs.train(config, tmp_path / "whole", store=store, say=silent)
        with pytest.raises(Interrupted):
            jobs.train(config, tmp_path / "r", store=store, say=lambda line: signal.raise_signal(signal.SIGTERM))
        assert framework.is_op_determinism_enabled()
        assert_same(whole, jobs.train(config, tmp_path / "r", store=store, resume=True, say=silent))
    finally:
        framework.disable_op_determinism()  # or it would hold for the tests that follow
    assert config.name.endswith("-deterministic")
