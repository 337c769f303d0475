"""`prepare` as a user runs it: killed, interrupted, given damaged videos, run twice at once."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ucf11lib.data.store import ClipStore

NAMES = Path(__file__).parents[3] / "shared" / "reference" / "ucf11_clip_names.txt"
COMMAND = [sys.executable, "-m", "ucf11lib", "prepare", "--source", "videos", "--data"]
KILLS = 5
MUTANTS = 150
SUFFIXES = (".avi", ".wmv", ".mkv", ".ts", ".mpg")


@pytest.fixture(scope="module")
def tree(tmp_path_factory, write_video) -> Path:
    """24 clips that take about a second to decode."""
    folder = tmp_path_factory.mktemp("tree") / "in"
    noise = np.random.default_rng(0).integers(0, 256, (70, 240, 320, 3), np.uint8)
    first = write_video(folder / "a/g0/c0.mpg", noise)
    for i in range(1, 24):
        copy(first, folder / f"{'ab'[i % 2]}/g{i % 5}/c{i}.mpg")
    return folder


def copy(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, to)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def start(tree: Path, path: Path, stderr: int = subprocess.DEVNULL) -> subprocess.Popen:
    command = [*COMMAND, str(tree), "--store", str(path), "--workers", "2"]
    options = {"stdout": subprocess.DEVNULL, "stderr": stderr, "start_new_session": True}
    return subprocess.Popen(command, **options, text=True)


def test_prepare_killed_at_any_moment_and_repeated(tree, tmp_path):
    began = time.monotonic()
    assert start(tree, tmp_path / "reference").wait(120) == 0
    seconds = time.monotonic() - began
    path = tmp_path / "s"
    for i in range(KILLS):
        process = start(tree, path)
        time.sleep(seconds * (i + 1) / (KILLS + 2))
        process.kill()
        process.wait()
        if path.exists():
            assert contents(path) == contents(tmp_path / "reference")
            shutil.rmtree(path)
    assert start(tree, path).wait(120) == 0
    assert contents(path) == contents(tmp_path / "reference")
    assert sorted(os.listdir(tmp_path)) == ["reference", "s"]


def wait_for_frames(folder: Path) -> None:
    for _ in range(1000):
        time.sleep(0.01)
        files = folder.glob(".partial-*/.partial-*/frames.npy")
        if sum(file.stat().st_size for file in files) > 1000:
            break


def close_terminal(process: subprocess.Popen) -> None:
    """Do as a terminal that is closed: its shell and the kernel signal all processes in it."""
    for _ in range(2):
        os.killpg(process.pid, signal.SIGHUP)
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_prepare_interrupted_leaves_nothing(tree, tmp_path, number):
    process = start(tree, tmp_path / "s", subprocess.PIPE)
    wait_for_frames(tmp_path)
    close_terminal(process) if number == signal.SIGHUP else process.send_signal(number)
    lines = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 128 + number
    wanted = "error: interrupted; resume with: python -m ucf11lib prepare"
    assert [line.startswith(wanted) for line in lines].count(True) == 1, lines
    assert os.listdir(tmp_path) == []


def test_prepare_by_nohup_survives_the_terminal(tree, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "COMMAND", ["nohup", *COMMAND])
    process = start(tree, tmp_path / "s")
    wait_for_frames(tmp_path)
    close_terminal(process)
    assert process.wait(120) == 0
    assert ClipStore.open(tmp_path / "s").classes == ("a", "b")


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_prepare_interrupted_while_its_processes_start_says_so_in_one_line(tree, tmp_path, seconds):
    process = start(tree, tmp_path / "s", subprocess.PIPE)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not children.read_text():
        time.sleep(0.01)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    lines = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 128 + signal.SIGINT
    (line,) = [line for line in lines if not line.startswith("decoding")]
    assert line.startswith("error: interrupted; resume with: python -m ucf11lib prepare")


def damaged(content: bytes, kind: str, rng: random.Random) -> bytes:
    data = bytearray(content)
    at = rng.randrange(len(data))
    if kind == "cut":
        return content[:at]
    if kind == "wipe":
        end = at + len(data[at : at + len(data) // 4])
        data[at:end] = bytes([rng.choice([0, 255])]) * (end - at)
    if kind == "flip":
        for _ in range(rng.choice([1, 10, 100, 1000])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return b"" if kind == "empty" else bytes(data)


def test_prepare_many_damaged_videos_leaves_no_black_frames(tree, tmp_path, cli):
    rng = random.Random(1)
    files = sorted((NAMES.parents[1] / "videos").glob("**/*_*.[am][vp][ig]"))
    clips = []
    for number in range(MUTANTS):
        file = rng.choice(files or sorted(tree.glob("*/*/*")))
        kind = rng.choice(["flip", "flip", "cut", "wipe", "empty", "rename"])
        suffix = rng.choice(SUFFIXES) if kind == "rename" else file.suffix
        clips.append(f"{'ab'[number % 2]}/g{number % 7}/{kind}{number}")
        target = tmp_path / "in" / f"{clips[-1]}{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(damaged(file.read_bytes(), kind, rng))
    options = ("--data", tmp_path / "in", "--store", tmp_path / "s", "--broken", 1)
    done = cli("prepare", "--source", "videos", *options, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    store = ClipStore.open(tmp_path / "s")
    left_out = [item["clip"] for item in store.info.left_out]
    assert sorted([*set(store.clips), *left_out]) == sorted(clips)
    assert all(f"left out: {clip}: " in done.stdout for clip in left_out)
    assert 0 < len(left_out) < MUTANTS
    assert store.frames.max(axis=(2, 3, 4)).min() > 32


def test_prepare_all_1600_clips(tmp_path, cli, write_video):
    if not NAMES.exists():
        pytest.skip(f"no list of the real names at {NAMES}")
    first = write_video(tmp_path / "c.mpg", np.full((31, 48, 64, 3), 90, np.uint8))
    for name in NAMES.read_text().split():
        copy(first, tmp_path / "UCF11_updated_mpg" / f"{name}.mpg")
    options = ("--data", tmp_path, "--store", tmp_path / "s")
    done = cli("prepare", "--source", "ucf11", *options, timeout=300)
    assert "1600 clips, 275 groups, 11 classes" in done.stdout, done.stderr


def test_store_export_prepare_and_verify(store, tmp_path, cli):
    path = shutil.copytree(store.path, tmp_path / "s")
    assert cli("store", "export", path, tmp_path / "pickles").returncode == 0
    options = ("--data", tmp_path / "pickles", "--store", tmp_path / "t")
    assert cli("prepare", "--source", "course", *options).returncode == 0
    assert (path / "frames.npy").read_bytes() == (tmp_path / "t/frames.npy").read_bytes()
    done = cli("store", "verify", path)
    assert done.stdout.splitlines()[-1] == "ok: every byte is as it was written"
    content = bytearray((path / "frames.npy").read_bytes())
    content[12345] ^= 1
    (path / "frames.npy").write_bytes(content)
    done = cli("store", "verify", path)
    assert done.returncode == 2
    assert "the frames differ from their checksum" in done.stderr
