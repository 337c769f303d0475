import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ucf11lib.data import store as stores
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import RunFailed, UserError


def write(path, n=3, size=8, window=4):
    frames = np.random.default_rng(0).integers(0, 256, (n, window, size, size, 3), dtype=np.uint8)
    with stores.create(
        path, source="videos", classes=["biking", "soccer_juggling"], origin={"folder": "x"}, window=window, size=size
    ) as writer:
        writer.add(frames[:2], label=0, group="a", clip="a/1", first_frame=8)
        writer.add(frames[2:], label=1, group="b", clip="b/1")
        writer.leave_out("b/2", "3 frames, fewer than 4")
    return frames


def test_what_was_written_is_read_back(tmp_path):
    frames = write(tmp_path / "s")
    store = ClipStore.open(tmp_path / "s")
    assert np.array_equal(store.frames, frames)
    assert store.labels.tolist() == [0, 0, 1]
    assert store.groups.tolist() == ["a", "a", "b"]
    assert store.index["first_frame"].tolist() == [8, 12, 0]
    assert store.classes == ("biking", "soccer juggling")
    assert store.info["left_out"] == [{"clip": "b/2", "reason": "3 frames, fewer than 4", "damaged": False}]
    assert "1 clips left out" in store.summary()


def test_frames_are_a_read_only_map(tmp_path):
    write(tmp_path / "s")
    store = ClipStore.open(tmp_path / "s")
    assert isinstance(store.frames, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        store.frames[0] = 0


CLIPS = {f"clip{i}": np.random.default_rng(i).integers(0, 256, (1 + i % 3, 2, 4, 4, 3), np.uint8) for i in range(6)}


def write_clips(path, stop_after=None, error=KeyboardInterrupt, inputs=None):
    """Write `CLIPS`, or as many as `stop_after` of those that are left; return the names that were not there yet."""
    with stores.create(path, source="videos", classes=["a"], origin={}, window=2, size=4, inputs=inputs) as writer:
        left = list(CLIPS)[len(writer.done) :]
        for number, clip in enumerate(left):
            if number == stop_after:
                raise error("stopped")
            if clip == "clip3":
                writer.leave_out(clip, "a reason", frames_read=7, damaged=True)
            else:
                writer.add(CLIPS[clip], label=0, group="g", clip=clip)
    return left


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_refused_write_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="stopped"):
        write_clips(tmp_path / "s", stop_after=2, error=UserError)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_goes_on_and_comes_to_the_same_bytes(tmp_path):
    write_clips(tmp_path / "whole")
    for stop_after in range(6):
        path = tmp_path / f"s{stop_after}"
        with pytest.raises(KeyboardInterrupt):
            write_clips(path, stop_after=stop_after)
        assert not path.exists()
        assert write_clips(path) == list(CLIPS)[stop_after:]
        assert contents(path) == contents(tmp_path / "whole")
        ClipStore.open(path).verify()
    assert sorted(file.name for file in tmp_path.iterdir()) == [*(f"s{i}" for i in range(6)), "whole"]


@pytest.mark.parametrize(
    ("file", "damage", "lost"),
    [
        ("frames.npy", lambda data: data[:-1], 1),  # of clip 2, the last
        ("frames.npy", lambda data: data[:200], 3),
        ("frames.npy", lambda data: data[:150] + b"x" + data[151:], 3),
        ("frames.npy", lambda data: data + b"more", 0),
        ("journal.jsonl", lambda data: data[:-5], 1),
        ("journal.jsonl", lambda data: b"", 3),
        ("plan.txt", lambda data: b"another", 3),
    ],
)
def test_what_is_torn_is_done_again(tmp_path, file, damage, lost):
    write_clips(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        write_clips(tmp_path / "s", stop_after=3)
    torn = tmp_path / ".partial-s" / file
    torn.write_bytes(damage(torn.read_bytes()))
    assert write_clips(tmp_path / "s") == list(CLIPS)[3 - lost :]
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


def test_other_inputs_begin_anew(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_clips(tmp_path / "s", stop_after=3, inputs=1)
    assert write_clips(tmp_path / "s", inputs=2) == list(CLIPS)


MAKE = """
import sys, time
sys.path.insert(0, sys.argv[2])
from test_store import write_clips
from ucf11lib.errors import RunFailed, UserError
print("ready", flush=True)
sys.stdin.readline()
try:
    write_clips(sys.argv[1])
    print("made")
except UserError as error:
    print(error)
"""


def test_of_several_processes_one_makes_the_store(tmp_path):
    def start():
        command = [sys.executable, "-c", MAKE, str(tmp_path / "s"), str(Path(__file__).parent)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    processes = [start() for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    said = [process.communicate("go\n", timeout=60)[0] for process in processes]
    assert sorted(text.strip().split(": ")[-1].split(";")[0] for text in said)[-1] == "made"
    assert sum(text == "made\n" for text in said) == 1
    assert all("exists already" in text or "another process made it" in text for text in said if text != "made\n")
    ClipStore.open(tmp_path / "s").verify()
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_take_reads_what_the_map_shows_in_the_order_asked_for(store):
    indices = np.array([100, 3, 3, 0, 131])
    assert np.array_equal(store.take(indices), store.frames[indices])
    assert store.take(indices[:0]).shape == (0, 30, 64, 64, 3)


def test_take_says_when_the_file_was_cut_under_it(tmp_path):
    write(tmp_path / "s")
    opened = ClipStore.open(tmp_path / "s")
    opened.take([0])
    os.truncate(tmp_path / "s" / "frames.npy", 500)
    with pytest.raises(RunFailed, match="cut short while it was read"):
        opened.take([0, 2])


def write_nothing(path):
    with stores.create(path, source="videos", classes=["a"], origin={}) as writer:
        writer.leave_out("a/1", "2 frames")


def test_an_empty_store_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no sequence of 30 frames found; 1 clips left out, the first"):
        write_nothing(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_store_is_not_overwritten(tmp_path):
    write(tmp_path / "s")
    before = (tmp_path / "s" / "frames.npy").read_bytes()
    with pytest.raises(UserError, match="exists already"):
        write(tmp_path / "s")
    assert (tmp_path / "s" / "frames.npy").read_bytes() == before


@pytest.mark.parametrize("name", ["frames.npy", "index.csv"])
def test_verify_finds_one_changed_byte(tmp_path, name):
    write(tmp_path / "s")
    ClipStore.open(tmp_path / "s").verify()
    data = bytearray((tmp_path / "s" / name).read_bytes())
    data[-3] ^= 1
    (tmp_path / "s" / name).write_bytes(data)
    with pytest.raises(UserError, match="checksum"):
        ClipStore.open(tmp_path / "s").verify()


def test_another_format_is_refused(tmp_path):
    write(tmp_path / "s")
    info = json.loads((tmp_path / "s" / "store.json").read_text())
    (tmp_path / "s" / "store.json").write_text(json.dumps(info | {"format": 99}))
    with pytest.raises(UserError, match="format 99, this version reads 1"):
        ClipStore.open(tmp_path / "s")


@pytest.mark.parametrize("damage", ["truncate", "no index", "no json", "broken json"])
def test_a_damaged_store_is_refused(tmp_path, damage):
    folder = tmp_path / "s"
    write(folder)
    if damage == "truncate":
        data = (folder / "frames.npy").read_bytes()
        (folder / "frames.npy").write_bytes(data[: len(data) // 2])
    elif damage == "no index":
        (folder / "index.csv").unlink()
    elif damage == "no json":
        (folder / "store.json").unlink()
    else:
        (folder / "store.json").write_text("{")
    with pytest.raises(UserError) as raised:
        ClipStore.open(folder)
    assert "\n" not in str(raised.value)


def test_many_sequences_fit_the_header_of_none(tmp_path):
    """The count is written in place of a zero, so it must not need a longer header."""
    with stores.create(
        tmp_path / "s", source="videos", classes=["a"], origin={"folder": ""}, window=1, size=1
    ) as writer:
        writer.add(np.zeros((123456, 1, 1, 1, 3), np.uint8), label=0, group="g", clip="c")
    store = ClipStore.open(tmp_path / "s")
    assert len(store) == 123456
    store.verify()


def test_describe_counts_each_class(store):
    table = store.describe()
    assert table["class"].tolist() == [*store.classes, "all"]
    assert table["sequences"].tolist() == [12] * 11 + [132]
    assert table["clips"].tolist() == [6] * 11 + [66]
    assert table["groups"].tolist() == [3] * 11 + [33]


def test_a_moved_store_still_opens(store, tmp_path):
    shutil.copytree(store.path, tmp_path / "moved")
    ClipStore.open(tmp_path / "moved").verify()


def test_channel_statistics_are_those_of_the_pixels(store):
    indices = np.arange(0, 60)
    mean, deviation = store.channel_statistics(indices)
    pixels = store.frames[indices].reshape(-1, 3).astype(np.float64)
    assert mean == pytest.approx(pixels.mean(axis=0), rel=1e-5)
    assert deviation == pytest.approx(pixels.std(axis=0), rel=1e-5)
