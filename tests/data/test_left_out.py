"""Clips that cannot be used are left out and listed, and too many of them are an error."""

import os

import numpy as np
import pytest

from ucf11lib import paths
from ucf11lib.data.store import ClipStore
from ucf11lib.data.videos import source
from ucf11lib.data.videos.decoding import decode
from ucf11lib.errors import UserError


def test_prepare_lists_short_and_broken_clips(tmp_path, capfd, write_video, prepare_videos):
    folder = tmp_path / "in/a/g"
    for i in range(2):
        write_video(folder / f"good{i}.mpg", 65)
    write_video(folder / "short.mpg", 21)
    (folder / "text.mpg").write_text("this is no video\n" * 100)
    (folder / "to_nowhere.mpg").symlink_to(tmp_path / "nowhere")
    store = prepare_videos(tmp_path / "s", tmp_path / "in", broken=0.5)
    assert len(store) == 4
    assert store.info.frames_read == 2 * 65 + 21
    invalid = "cannot be opened: Invalid data found when processing input"
    assert [list(item.values()) for item in store.info.left_out] == [
        ["a/g/short", "21 frames, fewer than 30", False],
        ["a/g/text", invalid, True],
    ]
    assert f"left out: a/g/text: {invalid}\n" in store.formatted()
    assert "note: a/g/to_nowhere.mpg: a link to nothing\n" in store.formatted()
    assert "2 clips left out" in store.summary()
    assert capfd.readouterr().err == ""


def test_prepare_damaged_clips_of_any_usual_suffix_are_left_out(
    tmp_path, write_video, prepare_videos
):
    write_video(tmp_path / "in/a/good.mpg")
    for suffix in ("3gp", "asf", "f4v", "m2ts", "mxf", "rm", "TS", "vob"):
        (tmp_path / f"in/a/{suffix}.{suffix}").write_bytes(b"damaged" * 100)
    (tmp_path / "in/a/notes.txt").write_bytes(b"damaged" * 100)
    store = prepare_videos(tmp_path / "s", tmp_path / "in", broken=1)
    assert {one["damaged"] for one in store.info.left_out} == {True}
    assert len(store.info.left_out) == 8
    assert [one["file"] for one in store.info.notes] == ["a/notes.txt"]


def test_prepare_uses_what_is_good_of_damaged_clips(tmp_path, capfd, write_video, prepare_videos):
    noise = np.random.default_rng(0).integers(0, 256, (120, 48, 64, 3), np.uint8)
    cut = write_video(tmp_path / "in/a/g/cut.mpg", noise)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    for name, wiped in (("zeros", [40]), ("worse", range(40, 60))):
        file = tmp_path / f"in/a/g/{name}.avi"
        content = bytearray(write_video(file, 100, "mpeg4").read_bytes())
        packets = [i for i in range(len(content)) if content[i : i + 4] == b"00dc"]
        starts = [i for i in packets if content[i + 8 : i + 11] == b"\0\0\1"]
        for packet in wiped:
            length = starts[packet + 1] - starts[packet] - 9
            content[starts[packet] + 8 :][:length] = bytes(length)
            content[starts[packet] + 8 : starts[packet + 1] - 1] = bytes(length)
        file.write_bytes(content)
    store = prepare_videos(tmp_path / "s", tmp_path / "in", broken=1)
    table = store.index.groupby("clip")["first_frame"].agg(list)
    assert table["a/g/zeros"] == [0, 41]  # of the frames that are left, none over the gap
    assert table["a/g/cut"] == [0, 30]
    notes = {item["file"]: item["reason"] for item in store.info.notes}
    assert notes["a/g/zeros"] == "1 of 100 frames are damaged or missing; the rest is used"
    assert set(notes) == {"a/g/cut", "a/g/zeros"}
    (left_out,) = store.info.left_out
    assert (left_out["clip"], left_out["damaged"]) == ("a/g/worse", True)
    assert "of 100 frames are damaged or missing" in left_out["reason"]
    assert capfd.readouterr().err == ""
    assert len(decode(tmp_path / "in/a/g/worse.avi").frames) > 60


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (1, "class a has no sequence; 1 clips left out"),
        (2, "class a has no sequence; 2 clips left out"),
    ],
)
def test_prepare_only_broken_clips_leaves_no_store(tmp_path, bad, message, prepare_videos):
    (tmp_path / "in/a/g").mkdir(parents=True)
    for i in range(bad):
        (tmp_path / f"in/a/g/c{i}.mpg").write_bytes(b"")
    with pytest.raises(UserError, match=f"{message}, the first: .*a/g/c0") as caught:
        prepare_videos(tmp_path / "s", tmp_path / "in")
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["in"]


def test_prepare_more_than_two_percent_broken_is_saved_for_the_next_call(
    tmp_path, write_video, prepare_videos
):
    grey = np.full((30, 16, 16, 3), 90, np.uint8)
    good = write_video(tmp_path / "in/a/g/c0.mpg", grey).read_bytes()
    for i in range(1, 98):
        (tmp_path / f"in/a/g/c{i}.mpg").write_bytes(good)
    for i in range(2):
        (tmp_path / f"in/a/g/bad{i}.mpg").write_bytes(b"")
    assert len(prepare_videos(tmp_path / "s", tmp_path / "in").info.left_out) == 2
    (tmp_path / "in/a/g/bad2.mpg").write_bytes(b"")
    message = r"3 of 101 clips .*: a/g/bad0 \(cannot be opened.*--broken 0.03"
    with pytest.raises(UserError, match=message) as caught:
        prepare_videos(tmp_path / "t-20261128", tmp_path / "in")
    assert not (tmp_path / "t-20261128").exists()
    (decoded,) = tmp_path.glob(".partial-t-20261128/*")
    frames = (decoded / "frames.npy").stat().st_ino
    allowed = float(str(caught.value).split()[-1])
    for name in ("t-20261129", "t-20261128"):  # a store of another name takes nothing away
        store = prepare_videos(tmp_path / name, tmp_path / "in", broken=allowed)
    assert len(store.info.left_out) == 3
    assert (tmp_path / "t-20261128/frames.npy").stat().st_ino == frames, "decoded again"
    assert sorted(os.listdir(tmp_path)) == ["in", "s", "t-20261128", "t-20261129"]


def test_prepare_never_overwrites(tmp_path, write_video, prepare_videos):
    write_video(tmp_path / "in/a/g/c.mpg")
    store = prepare_videos(tmp_path / "s", tmp_path / "in")
    with pytest.raises(UserError, match="exists already"):
        prepare_videos(tmp_path / "s", tmp_path / "in")
    other = paths.lock(tmp_path / ".partial-t.lock")
    with other, pytest.raises(UserError, match="another process is preparing it; wait"):
        prepare_videos(tmp_path / "t", tmp_path / "in")
    assert ClipStore.open(tmp_path / "s").info == store.info


def test_prepare_sequences_that_overlap_are_written_a_few_at_a_time(
    tmp_path, write_video, prepare_videos, monkeypatch
):
    monkeypatch.setattr(source, "SEQUENCES_AT_ONCE", 4)
    path = write_video(tmp_path / "v/a/b.mpg", 40)
    store = prepare_videos(tmp_path / "s", tmp_path / "v", stride=1)
    starts = store.index["first_frame"].to_numpy()
    assert starts.tolist() == [*range(11)]
    assert np.array_equal(store.frames, decode(path).sequences(starts, 30))
    assert store.info.frames_read == 40
    store.verify()
