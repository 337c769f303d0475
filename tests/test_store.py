import json
import shutil

import numpy as np
import pytest

from ucf11lib.data import store as stores
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError


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
    assert store.info["left_out"] == [{"clip": "b/2", "reason": "3 frames, fewer than 4"}]
    assert "1 clips left out" in store.summary()


def test_frames_are_a_read_only_map(tmp_path):
    write(tmp_path / "s")
    store = ClipStore.open(tmp_path / "s")
    assert isinstance(store.frames, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        store.frames[0] = 0


def write_and_fail(path):
    with stores.create(path, source="videos", classes=["a"], origin={}) as writer:
        writer.add(np.zeros((1, 30, 64, 64, 3), np.uint8), label=0, group="g", clip="c")
        raise ZeroDivisionError


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_and_fail(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


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
