"""Clips that cannot be used are left out and listed, and too many of them are an error."""

import os

import numpy as np
import pytest

from ucf11lib.data.store import ClipStore
from ucf11lib.data.videos.decode import decode
from ucf11lib.errors import UserError


def test_short_and_broken_clips_are_left_out_counted_and_listed(
    tmp_path, capfd, write_video, prepare_videos
):
    for i in range(2):
        write_video(tmp_path / f"in/a/g/good{i}.mpg", 65)
    write_video(tmp_path / "in/a/g/short.mpg", 21)
    (tmp_path / "in/a/g/text.mpg").write_text("this is no video\n" * 100)
    (tmp_path / "in/a/g/to_nowhere.mpg").symlink_to(tmp_path / "nowhere")
    made = prepare_videos(tmp_path / "s", tmp_path / "in", broken=0.5)
    assert len(made) == 4
    assert made.info.frames_read == 2 * 65 + 21
    assert made.info.left_out == [
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
    assert "3 clips left out" in made.summary()
    assert capfd.readouterr().err == ""


def test_a_truncated_mpg_is_left_out_for_its_last_picture_is_a_guess(
    tmp_path, write_video, prepare_videos
):
    rng = np.random.default_rng(0)
    write_video(tmp_path / "in/a/g/good.mpg", 30)
    path = write_video(tmp_path / "in/a/g/cut.mpg", rng.integers(0, 256, (90, 48, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    made = prepare_videos(tmp_path / "s", tmp_path / "in")
    assert list(made.clips) == ["a/g/good"]
    (left_out,) = made.info.left_out
    assert left_out["clip"] == "a/g/cut"
    assert left_out["reason"] == f"frame {made.info.frames_read - 30} is damaged"


def test_a_clip_that_breaks_off_is_left_out_whole(tmp_path, capfd, write_video, prepare_videos):
    write_video(tmp_path / "in/a/g/good.mpg", 30)
    path = tmp_path / "in/a/g/broken.avi"
    content = bytearray(write_video(path, 60, "mpeg4").read_bytes())
    packets = [i for i in range(len(content)) if content[i : i + 4] == b"00dc"]
    starts = [i for i in packets if content[i + 8 : i + 11] == b"\0\0\1"]
    content[starts[40] + 8 : starts[41] - 1] = bytes(starts[41] - starts[40] - 9)
    path.write_bytes(content)  # zeros for a packet, which the decoder refuses
    made = prepare_videos(tmp_path / "s", tmp_path / "in")
    assert list(made.clips) == ["a/g/good"]
    (left_out,) = made.info.left_out
    assert left_out["reason"].startswith("broke off after ")
    assert "Invalid data" in left_out["reason"]
    assert made.info.frames_read == 30 + int(left_out["reason"].split()[3])
    assert capfd.readouterr().err == ""
    with pytest.raises(UserError, match=r"broken\.avi: broke off after \d+ frames"):
        decode(path)


@pytest.mark.parametrize(
    ("bad", "message"), [(1, "1 clips left out"), (2, "no sequence of 30 frames; 2 clips left out")]
)
def test_a_tree_of_nothing_but_broken_clips_leaves_no_store(tmp_path, bad, message, prepare_videos):
    for i in range(bad):
        (tmp_path / "in/a/g").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"in/a/g/c{i}.mpg").write_bytes(b"")
    with pytest.raises(UserError, match=f"{message}, the first: .*a/g/c0") as caught:
        prepare_videos(tmp_path / "s", tmp_path / "in")
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["in"]


def test_more_than_two_percent_undecodable_is_a_broken_tree(tmp_path, write_video, prepare_videos):
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
    made = prepare_videos(tmp_path / "t", tmp_path / "in", broken=allowed)
    assert len(made.info.left_out) == 3
    assert (tmp_path / "t/frames.npy").stat().st_ino == frames, "decoded again"
    assert sorted(os.listdir(tmp_path)) == ["in", "s", "t"]


def test_an_existing_store_is_kept(tmp_path, write_video, prepare_videos):
    write_video(tmp_path / "in/a/g/c.mpg")
    made = prepare_videos(tmp_path / "s", tmp_path / "in")
    with pytest.raises(UserError, match="exists already"):
        prepare_videos(tmp_path / "s", tmp_path / "in")
    assert ClipStore.open(tmp_path / "s").info == made.info
