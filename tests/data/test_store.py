import os
import shutil

import numpy as np
import pytest

from ucf11lib.data.store import ClipStore
from ucf11lib.data.writer import create
from ucf11lib.errors import UserError
from ucf11lib.runs import RunConfig

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 4, 8, 8, 3), dtype=np.uint8)
INFO = {"source": "videos", "classes": ["biking", "soccer_juggling"], "origin": {"folder": "x"}}


@pytest.fixture
def path(tmp_path):
    """The folder of a store of three sequences."""
    with create(tmp_path / "s", **INFO, window=4, size=8) as writer:
        writer.add(FRAMES[:2], label=0, group="a", clip="a/1", first_frames=[8, 12])
        writer.add(FRAMES[2:], label=1, group="b", clip="b/1")
        writer.leave_out("b/2", "3 frames, fewer than 4")
    return tmp_path / "s"


def test_open_reads_what_was_written_also_elsewhere(path, tmp_path):
    store = ClipStore.open(shutil.move(path, tmp_path / "moved"))
    store.verify()
    assert np.array_equal(store.frames, FRAMES)
    assert store.labels.tolist() == [0, 0, 1]
    assert store.groups.tolist() == ["a", "a", "b"]
    assert store.index["first_frame"].tolist() == [8, 12, 0]
    assert store.classes == ("biking", "soccer juggling")
    left_out = {"clip": "b/2", "reason": "3 frames, fewer than 4", "damaged": False}
    assert store.info.left_out == [left_out]
    assert "1 clips left out" in store.summary()
    assert isinstance(store.frames, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        store.frames[0] = 0


def test_take_reads_in_the_order_asked_for(store):
    indices = np.array([100, 3, 3, 0, 131])
    assert np.array_equal(store.take(indices), store.frames[indices])
    assert store.take(indices[:0]).shape == (0, 30, 64, 64, 3)


def create_empty(path):
    with create(path, **INFO) as writer:
        writer.leave_out("a/1", "2 frames")


def create_half(path):
    with create(path, **INFO) as writer:
        writer.add(np.zeros((1, 30, 64, 64, 3), np.uint8), label=0, group="g", clip="c")
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (create_empty, UserError, "no sequence of 30 frames; 1 clips left out, the first: a/1: 2"),
        (create_half, KeyboardInterrupt, None),
    ],
)
def test_create_failure_leaves_nothing(tmp_path, write, error, message):
    with pytest.raises(error, match=message):
        write(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_create_never_overwrites(path):
    with pytest.raises(UserError, match="exists already"):
        create_half(path)
    ClipStore.open(path).verify()


@pytest.mark.parametrize("name", ["frames.npy", "index.csv"])
def test_verify_notices_one_changed_byte(path, name):
    data = bytearray((path / name).read_bytes())
    data[-6] ^= 1
    (path / name).write_bytes(data)
    with pytest.raises(UserError, match="checksum"):
        ClipStore.open(path).verify()


@pytest.mark.parametrize("name", ["frames.npy", "index.csv", "store.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "a zip file", "two commas a line"])
def test_open_damaged_store_is_one_line(path, name, damage):
    data = (path / name).read_bytes()
    (path / name).unlink()
    contents = {
        "empty": b"",
        "half": data[: len(data) // 2],
        "a zip file": b"PK\3\4" + data,
        "two commas a line": b"label\n0,0,0\n",
    }
    if damage != "missing":
        (path / name).write_bytes(contents[damage])
    with pytest.raises(UserError) as raised:
        ClipStore.open(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("store.json", '"format": 1', '"format": 99', "format 99, this version reads 1"),
        *[
            ("index.csv", "\n1,soc", f"\n{label},soc", f"label '{label}' is no class; prepare the")
            for label in ("99", "-1", "0.5", "x")
        ],
        *[
            ("index.csv", column, "other", f"no column '{column}'.; prepare the store again")
            for column in ("label", "group", "clip", "first_frame")
        ],
        *[
            ("index.csv", "a/1,12", f"a/1,{start}", "no number of a frame")
            for start in ("-1", "0.5", "x", "", "1e30")
        ],
        ("index.csv", "first_frame\n", "first_frame\r\n", "its lines end in CR LF"),
        ("store.json", '"notes": []', '"notes": [{"file": "a"}]', "missing required field reason"),
        ("store.json", '"stride": 4', '"stride": 0', "Expected int >= 1 - at stride"),
        ("store.json", '"clip": "b/2",', "", "missing required field clip - at left_out"),
        ("store.json", '"biking"', '"soccer_juggling"', "two classes have one name"),
        ("store.json", '"biking"', '"diving"', "its classes are not store.json's"),
    ],
)
def test_open_refuses_wrong_contents(path, name, old, new, message):
    text = (path / name).read_text()
    (path / name).write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        ClipStore.open(path)


@pytest.mark.parametrize("damage", ["order", "long header"])
def test_open_refuses_another_header(path, damage):
    data = (path / "frames.npy").read_bytes()
    if damage == "order":  # the checksum is of what comes behind it
        data = data.replace(b"'fortran_order': False", b"'fortran_order': True ", 1)
    else:
        data = b"\x93NUMPY\x02\x00\x00\xff\xff\xff" + data[10:]
    (path / "frames.npy").write_bytes(data)
    if damage == "long header":
        os.truncate(path / "frames.npy", 1 << 32)  # numpy would read all of it
    with pytest.raises(UserError, match=r"damaged \(.*prepare the store again"):
        ClipStore.open(path)


def test_open_refuses_a_store_without_sequences(path):
    """It would be false, and a training would use the default data instead."""
    np.save(path / "frames.npy", FRAMES[:0])
    (path / "index.csv").write_text("label,class,group,clip,first_frame\n")
    info = (path / "store.json").read_text()
    (path / "store.json").write_text(info.replace('"sequences": 3', '"sequences": 0'))
    with pytest.raises(UserError, match=r"damaged \(frames \(0, 4, 8, 8, 3\) uint8, index 0 rows"):
        ClipStore.open(path)


def test_create_many_sequences_fit_the_first_header(tmp_path):
    """The count is written in place of a zero, so it must not need a longer header."""
    with create(tmp_path / "s", **INFO, window=1, size=1) as writer:
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


def test_channel_statistics_of_the_pixels(store):
    mean, std = store.channel_statistics(np.arange(60))
    pixels = store.frames[:60].reshape(-1, 3).astype(np.float64)
    assert mean == pytest.approx(pixels.mean(axis=0), rel=1e-5)
    assert std == pytest.approx(pixels.std(axis=0), rel=1e-5)


def test_flat_is_what_a_run_on_the_store_has(store):
    store.info.origin["seed"] = 7  # of a stranger's store; the user's own must hold
    try:
        config = RunConfig.of(model="c3d", **store.flat())
    finally:
        del store.info.origin["seed"]
    assert (config.data.groups, config.data.render_seed, config.seed) == (3, 5, 0)
    assert {"stride", "fps", "group_pattern"} < set(store.flat())  # none is left to be changed


def test_flat_has_the_group_pattern_of_the_store(tmp_path, write_video, prepare_videos):
    for name in ("a/x1", "a/y2", "b/x1", "b/y2"):
        write_video(tmp_path / "in" / f"{name}.mpg")
    store = prepare_videos(tmp_path / "s", tmp_path / "in", group_pattern=r"[xy](\d)")
    config = RunConfig.of(model="c3d", **store.flat())
    assert config.data.group_pattern == r"[xy](\d)"
