import json
import shutil

import numpy as np
import pytest

from ucf11lib.data.store import ClipStore
from ucf11lib.data.writer import create
from ucf11lib.errors import UserError
from ucf11lib.runs import RunConfig


def write(path, n=3, size=8, window=4):
    frames = np.random.default_rng(0).integers(0, 256, (n, window, size, size, 3), dtype=np.uint8)
    with create(
        path,
        source="videos",
        classes=["biking", "soccer_juggling"],
        origin={"folder": "x"},
        window=window,
        size=size,
    ) as writer:
        writer.add(frames[:2], label=0, group="a", clip="a/1", first_frame=8)
        writer.add(frames[2:], label=1, group="b", clip="b/1")
        writer.leave_out("b/2", "3 frames, fewer than 4")
    return frames


def test_open_reads_what_was_written(tmp_path):
    frames = write(tmp_path / "s")
    store = ClipStore.open(tmp_path / "s")
    assert np.array_equal(store.frames, frames)
    assert store.labels.tolist() == [0, 0, 1]
    assert store.groups.tolist() == ["a", "a", "b"]
    assert store.index["first_frame"].tolist() == [8, 12, 0]
    assert store.classes == ("biking", "soccer juggling")
    assert store.info.left_out == [
        {"clip": "b/2", "reason": "3 frames, fewer than 4", "damaged": False}
    ]
    assert "1 clips left out" in store.summary()


def test_open_maps_frames_read_only(tmp_path):
    write(tmp_path / "s")
    store = ClipStore.open(tmp_path / "s")
    assert isinstance(store.frames, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        store.frames[0] = 0


def test_take_reads_in_the_order_asked_for(store):
    indices = np.array([100, 3, 3, 0, 131])
    assert np.array_equal(store.take(indices), store.frames[indices])
    assert store.take(indices[:0]).shape == (0, 30, 64, 64, 3)


def write_nothing(path):
    with create(path, source="videos", classes=["a"], origin={}) as writer:
        writer.leave_out("a/1", "2 frames")


def test_create_empty_store_is_refused(tmp_path):
    with pytest.raises(UserError, match="no sequence of 30 frames; 1 clips left out, the first"):
        write_nothing(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_create_never_overwrites(tmp_path):
    write(tmp_path / "s")
    before = (tmp_path / "s" / "frames.npy").read_bytes()
    with pytest.raises(UserError, match="exists already"):
        write(tmp_path / "s")
    assert (tmp_path / "s" / "frames.npy").read_bytes() == before


@pytest.mark.parametrize("name", ["frames.npy", "index.csv"])
def test_verify_notices_one_changed_byte(tmp_path, name):
    write(tmp_path / "s")
    ClipStore.open(tmp_path / "s").verify()
    data = bytearray((tmp_path / "s" / name).read_bytes())
    data[-3] ^= 1
    (tmp_path / "s" / name).write_bytes(data)
    with pytest.raises(UserError, match="checksum"):
        ClipStore.open(tmp_path / "s").verify()


def test_open_refuses_another_format(tmp_path):
    write(tmp_path / "s")
    info = json.loads((tmp_path / "s" / "store.json").read_text())
    (tmp_path / "s" / "store.json").write_text(json.dumps(info | {"format": 99}))
    with pytest.raises(UserError, match="format 99, this version reads 1"):
        ClipStore.open(tmp_path / "s")


@pytest.mark.parametrize("name", ["frames.npy", "index.csv", "store.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "a zip file", "two commas a line"])
def test_open_damaged_store_is_one_line(tmp_path, name, damage):
    write(tmp_path / "s")
    file = tmp_path / "s" / name
    data = file.read_bytes()
    file.unlink()
    contents = {
        "empty": b"",
        "half": data[: len(data) // 2],
        "a zip file": b"PK\3\4" + data,
        "two commas a line": b"label\n0,0,0\n",
    }
    if damage != "missing":
        file.write_bytes(contents[damage])
    with pytest.raises(UserError) as raised:
        ClipStore.open(tmp_path / "s")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("column", ["label", "group", "clip", "first_frame"])
def test_open_refuses_an_index_without_a_column(tmp_path, column):
    write(tmp_path / "s")
    index = tmp_path / "s" / "index.csv"
    index.write_text(index.read_text().replace(column, "other", 1))
    with pytest.raises(UserError, match=f"no column '{column}'; prepare the store again"):
        ClipStore.open(tmp_path / "s")


def test_create_many_sequences_fit_the_first_header(tmp_path):
    """The count is written in place of a zero, so it must not need a longer header."""
    with create(
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


def test_open_moved_store(store, tmp_path):
    shutil.copytree(store.path, tmp_path / "moved")
    ClipStore.open(tmp_path / "moved").verify()


def test_channel_statistics_of_the_pixels(store):
    indices = np.arange(0, 60)
    mean, std = store.channel_statistics(indices)
    pixels = store.frames[indices].reshape(-1, 3).astype(np.float64)
    assert mean == pytest.approx(pixels.mean(axis=0), rel=1e-5)
    assert std == pytest.approx(pixels.std(axis=0), rel=1e-5)


@pytest.mark.parametrize("label", ["99", "-1", "0.5", "x"])
def test_open_refuses_labels_that_are_no_class(tmp_path, label):
    write(tmp_path / "s")
    index = tmp_path / "s" / "index.csv"
    index.write_text(index.read_text().replace("\n1,soccer", f"\n{label},soccer"))
    with pytest.raises(UserError, match=f"label '{label}' is no class; prepare the store again"):
        ClipStore.open(tmp_path / "s")


def test_create_failure_leaves_nothing(tmp_path):
    def write_half():
        with create(tmp_path / "s", source="videos", classes=["a"], origin={}) as writer:
            writer.add(np.zeros((1, 30, 64, 64, 3), np.uint8), label=0, group="g", clip="c")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_flat_is_what_a_run_on_the_store_has(store):
    config = RunConfig.of(model="c3d", **store.flat())
    assert (config.data.groups, config.data.render_seed) == (3, 5)
