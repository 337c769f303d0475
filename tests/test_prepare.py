"""`prepare` as a user runs it: killed, fed with damaged videos, and asked again what it made."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from test_videos import write_video

from ucf11lib.data import store, videos

KILLS, ROUNDS = 20, 5
MUTANTS = 300


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A tree of clips that takes a second or two to decode."""
    folder = tmp_path_factory.mktemp("tree")
    noise = np.random.default_rng(0).integers(0, 256, (70, 240, 320, 3), np.uint8)
    first = write_video(folder / "in/a/g0/c0.mpg", noise)
    for i in range(1, 24):
        other = folder / f"in/{'ab'[i % 2]}/g{i % 5}/c{i}.mpg"
        other.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(first, other)
    return folder / "in"


def start(tree: Path, path: Path) -> subprocess.Popen:
    command = ["-m", "ucf11lib", "prepare", "--source", "videos", "--data", str(tree), "--store", str(path)]
    return subprocess.Popen([sys.executable, *command, "--workers", "2"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)  # fmt: skip


def test_killed_at_any_moment_it_leaves_no_store_or_a_good_one_and_goes_on(tree, tmp_path):
    began = time.monotonic()
    assert start(tree, tmp_path / "whole").wait(120) == 0
    seconds = time.monotonic() - began
    moments = random.Random(0)
    for number in range(ROUNDS):
        path = tmp_path / f"s{number}"
        for _ in range(KILLS // ROUNDS):
            process = start(tree, path)
            time.sleep(moments.uniform(0, seconds))
            process.send_signal(signal.SIGKILL)
            process.wait()
            if path.exists():
                store.ClipStore.open(path).verify()
        if not path.exists():
            assert start(tree, path).wait(120) == 0
        assert contents(path) == contents(tmp_path / "whole")
    assert sorted(os.listdir(tmp_path)) == [*(f"s{number}" for number in range(ROUNDS)), "whole"]


def test_ctrl_c_says_how_to_go_on(tree, tmp_path):
    command = [sys.executable, "-m", "ucf11lib", "prepare", "--source", "videos", "--data", str(tree)]
    process = subprocess.Popen(
        [*command, "--store", str(tmp_path / "s")],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    journal = tmp_path / ".partial-s" / store.JOURNAL
    while not (journal.exists() and journal.stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("error: interrupted; go on where it was with: python -m ucf11lib prepare")
    assert not (tmp_path / "s").exists()


def mutants(tmp_path: Path, sources: list[Path]) -> tuple[Path, list[str]]:
    """Damage real videos in every way: bytes flipped, cut, wiped, emptied, renamed to another format."""
    choice, folder = random.Random(1), tmp_path / "in"
    for number in range(MUTANTS):
        source = choice.choice(sources)
        content, suffix = bytearray(source.read_bytes()), source.suffix
        kind = choice.choice(["flip", "flip", "cut", "wipe", "empty", "rename"])
        if kind == "flip":
            for _ in range(choice.choice([1, 10, 100, 1000])):
                content[choice.randrange(len(content))] ^= 1 << choice.randrange(8)
        elif kind == "cut":
            del content[choice.randrange(len(content)) :]
        elif kind == "wipe":
            at, length = choice.randrange(len(content)), choice.randrange(1, len(content) // 4)
            content[at : at + length] = bytes([choice.choice([0, 255])]) * len(content[at : at + length])
        elif kind == "empty":
            content.clear()
        else:
            suffix = choice.choice(sorted(set(videos.SUFFIXES) - {suffix}))
        target = folder / f"{'ab'[number % 2]}/g{number % 7}/{kind}{number}{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder, [file.relative_to(folder).with_suffix("").as_posix() for file in folder.glob("*/*/*")]


def test_three_hundred_damaged_videos_end_in_a_store_without_black_frames(tree, tmp_path, cli):
    real = sorted((Path(__file__).parents[2] / "shared" / "videos").glob("**/*_*.[am][vp][ig]"))
    folder, clips = mutants(tmp_path, real or sorted(tree.glob("*/*/*")))
    done = cli("prepare", "--source", "videos", "--data", folder, "--store", tmp_path / "s", "--broken", 1, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    made = store.ClipStore.open(tmp_path / "s")
    left_out = [item["clip"] for item in made.info["left_out"]]
    assert sorted({*made.clips, *left_out}) == sorted(clips)
    assert len(set(made.clips)) + len(left_out) == len(clips) == MUTANTS
    assert all(f"left out: {clip}: " in done.stdout for clip in left_out)
    brightest = made.frames.max(axis=(2, 3, 4))
    assert brightest.min() > 32
    assert 0 < len(set(made.clips)) < MUTANTS / 2


def test_a_decoder_that_hangs_or_is_killed_costs_its_own_clip_only(tmp_path, monkeypatch):
    """A pipe that nobody writes to is a file that never ends."""
    for i in range(4):
        write_video(tmp_path / f"in/a/g/c{i}.mpg")
    os.mkfifo(tmp_path / "in/a/g/endless.mpg")
    monkeypatch.setattr(videos, "PATIENCE", 3)
    made = videos.prepare(tmp_path / "s", tmp_path / "in", workers=2)
    assert made.info["left_out"] == [
        {"clip": "a/g/endless", "reason": "the decoder did not come to an end", "damaged": True}
    ]
    monkeypatch.setattr(videos, "PATIENCE", 100)

    def kill() -> None:
        journal = tmp_path / ".partial-t" / store.JOURNAL
        while not (journal.exists() and journal.read_bytes().count(b"\n") == 4):
            time.sleep(0.05)
        for server in psutil.Process().children():
            for worker in server.children():
                worker.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    made = videos.prepare(tmp_path / "t", tmp_path / "in", workers=2)
    killer.join()
    assert made.info["left_out"] == [
        {"clip": "a/g/endless", "reason": "the decoder crashed (exit code -9)", "damaged": True}
    ]
    assert list(made.clips) == [f"a/g/c{i}" for i in range(4)]


def test_any_number_of_workers_makes_the_same_store(tree, tmp_path):
    made = [videos.prepare(tmp_path / f"s{n}", tree, workers=n).path for n in (1, 2, 5)]
    assert contents(made[0]) == contents(made[1]) == contents(made[2])


def test_window_stride_and_size_are_taken_and_recorded(tmp_path, cli):
    write_video(tmp_path / "in/a/g/c.mpg", 50)
    made = cli("prepare", "--source", "videos", "--data", tmp_path / "in", "--store", tmp_path / "s",
               "--window", 16, "--stride", 8, "--size", 24)  # fmt: skip
    assert "5 sequences of 16x24x24x3 every 8 frames" in made.stdout, made.stderr
    opened = store.ClipStore.open(tmp_path / "s")
    assert (opened.info["window"], opened.info["stride"], opened.info["size"]) == (16, 8, 24)
    assert opened.index["first_frame"].tolist() == [0, 8, 16, 24, 32]
    assert np.array_equal(opened.frames[0, 8:], opened.frames[1, :8])
    whole = videos.decode(tmp_path / "in/a/g/c.mpg", 24)
    assert np.array_equal(opened.frames[4], whole[32:48])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--source", "videos", "--stride", "0"], "--stride 0: give 1 or more"),
        (["--source", "videos", "--window", "-1"], "--window -1: give 1 or more"),
        (["--source", "videos", "--workers", "0"], "--workers 0: give 1 or more"),
        (["--source", "videos", "--broken", "2"], "--broken 2.0: give a share, 0 to 1"),
        (["--source", "synthetic", "--size", "32"], "--size: only where videos are decoded"),
        (["--source", "course", "--group-pattern", "x"], "--group-pattern: only where videos are decoded"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path, cli, options, message):
    write_video(tmp_path / "in/a/g/c.mpg")
    done = cli("prepare", *options, "--data", tmp_path / "in", "--store", tmp_path / "s")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["in"]


def test_verify_and_export_from_the_command_line(store, tmp_path, cli):
    shutil.copytree(store.path, tmp_path / "s")
    done = cli("verify", tmp_path / "s")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "every byte is as it was written"
    done = cli("export", tmp_path / "s", tmp_path / "pickles")
    assert done.returncode == 0, done.stderr
    done = cli("prepare", "--source", "course", "--data", tmp_path / "pickles", "--store", tmp_path / "t")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "s/frames.npy").read_bytes() == (tmp_path / "t/frames.npy").read_bytes()
    content = bytearray((tmp_path / "s/frames.npy").read_bytes())
    content[12345] ^= 1
    (tmp_path / "s/frames.npy").write_bytes(content)
    done = cli("verify", tmp_path / "s")
    assert done.returncode == 2
    assert "the frames differ from their checksum" in done.stderr
