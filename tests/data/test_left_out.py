"""Clips that cannot be used are left out and listed, and too many of them are an error."""

import os

import numpy as np
import pytest

from ucf11lib import paths
from ucf11lib.data.store import ClipStore
from ucf11lib.data.videos.decode import decode
from ucf11lib.errors import UserError


def test_prepare_lists_short_and_broken_clips(tmp_path, capfd, write_video, prepare_videos):
    for i in range(2):
        write_video(tmp_path / f"in/a/g/good{i}.mpg", 65)
    write_video(tmp_path / "in/a/g/short.mpg", 21)
    (tmp_path / "in/a/g/text.mpg").write_text("this is no video\n" * 100)
    (tmp_path / "in/a/g/to_nowhere.mpg").symlink_to(tmp_path / "nowhere")
    store = prepare_videos(tmp_path / "s", tmp_path / "in", broken=0.5)
    assert len(store) == 4
    assert store.info.frames_read == 2 * 65 + 21
    assert store.info.left_out == [
        {"clip": "a/g/short", "reason": "21 frames, fewer than 30", "damaged": False},
        {
            "clip": "a/g/text",
            "reason": "cannot be opened: Invalid data found when processing input",
            "damaged": True,
        },
        {
            "clip": "a/g/to_nowhere",
            "reason": "cannot be opened: No such file or directory",
            "damaged": True,
        },
    ]
    assert "3 clips left out" in store.summary()
    assert capfd.readouterr().err == ""


def test_prepare_leaves_out_a_truncated_mpg(tmp_path, write_video, prepare_videos):
    rng = np.random.default_rng(0)
    write_video(tmp_path / "in/a/g/good.mpg", 30)
    path = write_video(tmp_path / "in/a/g/cut.mpg", rng.integers(0, 256, (90, 48, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    store = prepare_videos(tmp_path / "s", tmp_path / "in")
    assert list(store.clips) == ["a/g/good"]
    (left_out,) = store.info.left_out
    assert left_out["clip"] == "a/g/cut"
    assert left_out["reason"] == f"frame {store.info.frames_read - 30} is damaged"


def test_prepare_leaves_out_a_clip_that_breaks_off(tmp_path, capfd, write_video, prepare_videos):
    write_video(tmp_path / "in/a/g/good.mpg", 30)
    path = tmp_path / "in/a/g/broken.avi"
    content = bytearray(write_video(path, 60, "mpeg4").read_bytes())
    packets = [i for i in range(len(content)) if content[i : i + 4] == b"00dc"]
    starts = [i for i in packets if content[i + 8 : i + 11] == b"\0\0\1"]
    content[starts[40] + 8 : starts[41] - 1] = bytes(starts[41] - starts[40] - 9)
    path.write_bytes(content)  # zeros for a packet, which the decoder refuses
    store = prepare_videos(tmp_path / "s", tmp_path / "in")
    assert list(store.clips) == ["a/g/good"]
    (left_out,) = store.info.left_out
    assert left_out["reason"].startswith("broke off after ")
    assert "Invalid data" in left_out["reason"]
    assert store.info.frames_read == 30 + int(left_out["reason"].split()[3])
    assert capfd.readouterr().err == ""
    with pytest.raises(UserError, match=r"broken\.avi: broke off after \d+ frames"):
        decode(path)


@pytest.mark.parametrize(
    ("bad", "message"), [(1, "1 clips left out"), (2, "no sequence of 30 frames; 2 clips left out")]
)
def test_prepare_only_broken_clips_leaves_no_store(tmp_path, bad, message, prepare_videos):
    for i in range(bad):
        (tmp_path / "in/a/g").mkdir(parents=True, exist_ok=True)
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
        prepare_videos(tmp_path / "t", tmp_path / "in")
    assert not (tmp_path / "t").exists()
    (decoded,) = tmp_path.glob(".partial-t/*")
    frames = (decoded / "frames.npy").stat().st_ino
    allowed = float(str(caught.value).split()[-1])
    store = prepare_videos(tmp_path / "t", tmp_path / "in", broken=allowed)
    assert len(store.info.left_out) == 3
    assert (tmp_path / "t/frames.npy").stat().st_ino == frames, "decoded again"
    assert sorted(os.listdir(tmp_path)) == ["in", "s", "t"]


def test_prepare_never_overwrites(tmp_path, write_video, prepare_videos):
    write_video(tmp_path / "in/a/g/c.mpg")
    store = prepare_videos(tmp_path / "s", tmp_path / "in")
    with pytest.raises(UserError, match="exists already"):
        prepare_videos(tmp_path / "s", tmp_path / "in")
    other = paths.lock(tmp_path / ".partial-t.lock")
    with other, pytest.raises(UserError, match="another process is preparing it; wait"):
        prepare_videos(tmp_path / "t", tmp_path / "in")
    assert ClipStore.open(tmp_path / "s").info == store.info
