"""Videos become frames of one size, in order, or one line that says why not."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from ucf11lib.data.videos.decode import decode, windows
from ucf11lib.errors import UserError


def test_frames_are_counted_by_decoding_and_stay_in_order(tmp_path, write_video):
    frames = decode(write_video(tmp_path / "x.mpg", 47))
    assert frames.shape == (47, 64, 64, 3)
    assert frames.dtype == np.uint8
    levels = frames.mean((1, 2, 3))
    assert (np.diff(levels) > 0).all()
    np.testing.assert_allclose(levels, np.linspace(20, 220, 47), atol=4)


def test_scaling_averages_areas(tmp_path, write_video):
    board = np.indices((240, 320)).sum(0) % 2 * 255
    image = np.stack([board] * 3, -1)[None].astype(np.uint8)
    frames = decode(write_video(tmp_path / "x.avi", image, "ffv1"))
    assert frames.shape == (1, 64, 64, 3)
    # 3.75 rows a pixel do not hold black and white in halves.
    assert abs(frames.astype(int) - 127).max() <= 12
    assert abs(frames.mean() - 127.5) < 1


def test_colours_keep_their_places_and_the_picture_is_squashed(tmp_path, write_video):
    image = np.zeros((1, 120, 400, 3), np.uint8)
    image[:, :60, :200, 0] = image[:, :60, 200:, 1] = image[:, 60:, :200, 2] = 255
    frame = decode(write_video(tmp_path / "x.avi", image, "ffv1"), size=32)[0].astype(int)
    for rows, columns, colour in (
        (slice(0, 15), slice(0, 15), (255, 0, 0)),
        (slice(0, 15), slice(17, 32), (0, 255, 0)),
        (slice(17, 32), slice(0, 15), (0, 0, 255)),
        (slice(17, 32), slice(17, 32), (0, 0, 0)),
    ):
        assert abs(frame[rows, columns] - colour).max() <= 4


def test_a_phone_s_turned_video_stands_upright(tmp_path, write_video):
    image = np.zeros((5, 48, 64, 3), np.uint8)
    image[:, :24] = 255
    path = write_video(tmp_path / "x.mp4", image, "mpeg4")
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    content[matrix : matrix + 36] = struct.pack(
        ">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30
    )
    path.write_bytes(content)
    frames = decode(path)  # a quarter turn to the right takes the white half there
    assert frames[:, :, 34:].min() > 240
    assert frames[:, :, :30].max() < 15


def test_size_and_window_are_the_caller_s(tmp_path, write_video, prepare_videos):
    write_video(tmp_path / "in/a/x.mpg", 25)
    made = prepare_videos(tmp_path / "s", tmp_path / "in", window=8, size=16)
    assert made.frames.shape == (3, 8, 16, 16, 3)
    assert made.index["first_frame"].tolist() == [0, 8, 16]
    np.testing.assert_array_equal(
        made.frames.reshape(24, 16, 16, 3), decode(tmp_path / "in/a/x.mpg", 16)[:24]
    )


def test_windows_follow_each_other_and_drop_the_rest():
    frames = np.arange(7, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    assert windows(frames, 3)[:, :, 0, 0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert windows(frames, 8).shape == (0, 8, 4, 4, 3)


def test_the_same_tree_gives_the_same_store(tmp_path, write_video, prepare_videos):
    for i in range(12):
        write_video(tmp_path / f"in/a/g{i % 3}/c{i}.mpg", 30 + i)
    made = [prepare_videos(tmp_path / name, tmp_path / "in") for name in "st"]
    assert made[0].info == made[1].info
    assert list(made[0].clips) == sorted(made[0].clips)


def test_decode_says_what_is_wrong_with_a_file(tmp_path, capfd, write_video):
    (tmp_path / "empty.mp4").write_bytes(b"")
    with av.open(str(tmp_path / "sound.avi"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    content = write_video(tmp_path / "x.avi", 3, "mpeg4").read_bytes()
    (tmp_path / "unknown.avi").write_bytes(content.replace(b"FMP4", b"ZZZZ"))
    for name, message in (
        ("unknown.avi", "no video stream that FFmpeg knows"),
        ("empty.mp4", "cannot be opened: Invalid data"),
        ("sound.avi", "no video stream"),
        ("nowhere.mpg", "cannot be opened: No such file"),
        (".", "cannot be opened: Is a directory"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            decode(tmp_path / name)
        assert Path(name).name in str(caught.value)
        assert "give a video" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_title_in_odd_bytes_does_not_stop_decoding(tmp_path, write_video):
    path = write_video(tmp_path / "x.avi", 3, "mpeg4")
    content = path.read_bytes()
    at = content.index(b"ISFT")
    path.write_bytes(content[: at + 8] + b"\xff\xfe" + content[at + 10 :])
    assert len(decode(path)) == 3
