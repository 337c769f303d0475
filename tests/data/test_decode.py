"""Videos become frames of one size, in order, or one line that says why not."""

import os
import struct
import time
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from ucf11lib.data.videos import decode as decode_module
from ucf11lib.data.videos.decode import decode, decode_all, windows
from ucf11lib.errors import UserError


def test_decode_counts_frames_and_keeps_their_order(tmp_path, write_video):
    frames = decode(write_video(tmp_path / "x.mpg", 47))
    assert frames.shape == (47, 64, 64, 3)
    assert frames.dtype == np.uint8
    levels = frames.mean((1, 2, 3))
    assert (np.diff(levels) > 0).all()
    np.testing.assert_allclose(levels, np.linspace(20, 220, 47), atol=4)


def test_decode_averages_areas(tmp_path, write_video):
    board = np.indices((240, 320)).sum(0) % 2 * 255
    image = np.stack([board] * 3, -1)[None].astype(np.uint8)
    frames = decode(write_video(tmp_path / "x.avi", image, "ffv1"))
    # 3.75 rows a pixel do not hold black and white in halves.
    assert abs(frames.astype(int) - 127).max() <= 12
    assert abs(frames.mean() - 127.5) < 1


def test_decode_squashes_and_keeps_colours_in_place(tmp_path, write_video):
    quarters = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 0, 0]]], np.uint8)
    image = quarters.repeat(60, axis=0).repeat(200, axis=1)
    frame = decode(write_video(tmp_path / "x.avi", image[None], "ffv1"), size=32)[0].astype(int)
    expected = quarters.repeat(16, axis=0).repeat(16, axis=1)
    inside = np.r_[0:15, 17:32]  # without the edges between the colours
    assert abs(frame - expected)[inside][:, inside].max() <= 4


def test_decode_turned_video_of_a_phone(tmp_path, write_video):
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


def test_windows_drop_the_rest():
    frames = np.arange(7, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    assert windows(frames, 3)[:, :, 0, 0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert windows(frames, 8).shape == (0, 8, 4, 4, 3)


def test_decode_names_what_is_wrong(tmp_path, capfd, write_video):
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


def test_decode_title_in_odd_bytes(tmp_path, write_video):
    path = write_video(tmp_path / "x.avi", 3, "mpeg4")
    content = path.read_bytes()
    at = content.index(b"ISFT")
    path.write_bytes(content[: at + 8] + b"\xff\xfe" + content[at + 10 :])
    assert len(decode(path)) == 3


def test_decode_all_decoder_that_hangs_or_is_killed(tmp_path, monkeypatch, write_video):
    """A pipe that nobody writes to is a file that never ends; it costs its own clip only."""
    files = [write_video(tmp_path / f"c{i}.mpg") for i in range(3)]
    os.mkfifo(tmp_path / "endless.mpg")
    monkeypatch.setattr(decode_module, "TIMEOUT_SECONDS", 2)
    results = list(decode_all([files[0], tmp_path / "endless.mpg", *files[1:]], 16, 2))
    assert [len(frames) for frames, _ in results] == [30, 0, 30, 30]
    assert results[1][1] == "the decoder did not come to an end"
    monkeypatch.setattr(decode_module, "TIMEOUT_SECONDS", 60)
    rest = decode_all([*files, tmp_path / "endless.mpg"], 16, 2)
    assert [len(next(rest)[0]) for _ in files] == [30, 30, 30]
    time.sleep(0.5)  # until a process has begun the last file
    for server in psutil.Process().children():
        for process in server.children():
            process.kill()
    assert next(rest)[1] == "the decoder crashed (exit code -9)"
    assert list(rest) == []
