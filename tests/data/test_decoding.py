"""Videos become frames of one size, in order, or one line that says why not."""

import os
import shutil
import struct
import subprocess
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from PIL import Image

from ucf11lib.data.videos import decoding
from ucf11lib.data.videos.decoding import Decoded, decode, decode_all
from ucf11lib.errors import UserError


def test_decode_counts_frames_and_keeps_their_order(tmp_path, write_video):
    frames = decode(write_video(tmp_path / "x.mpg", 47)).frames
    assert frames.shape == (47, 64, 64, 3)
    assert frames.dtype == np.uint8
    levels = frames.mean((1, 2, 3))
    assert (np.diff(levels) > 0).all()
    np.testing.assert_allclose(levels, np.linspace(20, 220, 47), atol=4)


def test_decode_averages_areas(tmp_path, write_video):
    board = np.indices((240, 320)).sum(0) % 2 * 255
    image = np.stack([board] * 3, -1)[None].astype(np.uint8)
    frames = decode(write_video(tmp_path / "x.avi", image, "ffv1")).frames
    # 3.75 rows a pixel do not hold black and white in halves.
    assert abs(frames.astype(int) - 127).max() <= 12
    assert abs(frames.mean() - 127.5) < 1


def test_decode_squashes_and_keeps_colours_in_place(tmp_path, write_video):
    quarters = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 0, 0]]], np.uint8)
    image = quarters.repeat(60, axis=0).repeat(200, axis=1)
    file = write_video(tmp_path / "x.avi", image[None], "ffv1")
    frame = decode(file, size=32).frames[0].astype(int)
    expected = quarters.repeat(16, axis=0).repeat(16, axis=1)
    inside = np.r_[0:15, 17:32]  # without the edges between the colours
    assert abs(frame - expected)[inside][:, inside].max() <= 4


@pytest.mark.parametrize(
    "matrix",  # a, b, c, d of the eight ways in which a square can lie
    [(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1),
     (0, 1, -1, 0), (0, -1, 1, 0), (0, 1, 1, 0), (0, -1, -1, 0)],
)  # fmt: skip
@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_decode_turns_and_mirrors_as_ffmpeg_does(tmp_path, write_video, matrix, codec):
    if not shutil.which("ffmpeg"):
        pytest.skip("no ffmpeg to compare with")
    image = np.zeros((5, 64, 64, 3), np.uint8)
    image[:, :32, :32], image[:, :32, 32:], image[:, 32:, :32] = 60, 120, 240
    path = write_video(tmp_path / "x.mp4", image, codec)
    content = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    x, y = ((64 << 16) * (min(one, other) < 0) for one, other in ((a, c), (b, d)))
    at = content.index(b"tkhd") + 44
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, x, y, 1 << 30)
    path.write_bytes(content)
    command = ["ffmpeg", "-v", "error", "-i", path, "-frames:v", "1", "-f", "rawvideo"]
    command += ["-pix_fmt", "rgb24", "-"]
    seen = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)
    difference = decode(path).frames[0].astype(int) - seen.reshape(64, 64, 3)
    assert np.abs(difference).max() <= 2


def test_sequences_drop_the_rest_and_cross_no_gap():
    frames = np.arange(7, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    starts = (decoded := Decoded(frames)).starts(3)
    assert starts.tolist() == [0, 3]
    assert decoded.sequences(starts, 3)[:, :, 0, 0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert decoded.sequences(decoded.starts(8), 8).shape == (0, 8, 4, 4, 3)
    assert Decoded(frames, gaps=[1]).starts(2, 1).tolist() == [1, 2, 3, 4, 5]


def test_decode_resamples_files_without_times_and_joined_ones(ffmpeg, tmp_path):
    ffmpeg("-t", "3", "-c:v", "libx264", tmp_path / "x.h264")
    assert len(decode(tmp_path / "x.h264", fps=10).frames) == 30
    for name, codec in (("x.ts", "mpeg2video"), ("x.mpg", "mpeg1video")):
        ffmpeg("-t", "3", "-c:v", codec, path := tmp_path / name)
        path.write_bytes(2 * path.read_bytes())  # the second half's times begin again
        full = decode(path).frames
        assert (len(full), len(decode(path, fps=10).frames)) == (150, 60)
        assert (decode(path).gaps, "times go back" in decode(path).trouble) == ([75], True)
        assert np.array_equal(decode(path, fps=25).frames, full)


def test_decode_a_last_frame_that_is_shown_long_is_no_damage(ffmpeg, tmp_path):
    longer = "setts=duration=if(eq(N\\,59)\\,25*DURATION\\,DURATION)"
    ffmpeg("-t", "2.4", "-c:v", "libx264", "-bf", "0", "-bsf:v", longer, tmp_path / "x.mkv")
    decoded = decode(tmp_path / "x.mkv")
    assert (len(decoded), decoded.lost, decoded.trouble) == (60, 0, "")


def test_decode_times_that_are_all_alike_tell_nothing(ffmpeg, tmp_path):
    still = ["-vf", "setpts=0", "-fps_mode", "passthrough"]
    ffmpeg("-frames:v", "60", *still, "-c:v", "ffv1", tmp_path / "x.mkv")
    assert len(decode(tmp_path / "x.mkv", fps=25).frames) == 60


def test_decode_refuses_pictures_of_gigabytes(ffmpeg, tmp_path):
    film = ["-f", "lavfi", "-i", "color=size=8192x8192", "-map", "1", "-frames:v", "1"]
    ffmpeg(*film, "-c:v", "libx264", "-preset", "ultrafast", tmp_path / "x.mp4")
    with pytest.raises(UserError, match="pictures of 8192x8192 pixels, more than 40 million"):
        decode(tmp_path / "x.mp4")


def test_decode_resamples_to_frames_a_second(tmp_path, write_video):
    path = write_video(tmp_path / "x.mp4", 50, "mpeg4")
    full = decode(path).frames
    rate = 30
    assert np.array_equal(decode(path, fps=rate).frames, full)
    assert np.array_equal(decode(path, fps=rate / 2).frames, full[::2])
    assert np.array_equal(decode(path, fps=2 * rate).frames, full.repeat(2, axis=0))


def test_decode_takes_a_limited_amount_of_memory(tmp_path, monkeypatch, write_video):
    """A few frames an hour apart are a file of some bytes, and gigabytes at 1000 a second."""
    path = write_video(tmp_path / "x.mp4", 60, "mpeg4")
    monkeypatch.setattr(decoding, "MAX_BYTES", 40 * 16 * 16 * 3)
    cut = decode(path, 16)
    assert cut.trouble.startswith("broke off after 41 frames: more than")
    assert (len(cut), cut.lost) == (41, 1)  # the rest is not missing
    monkeypatch.setattr(decoding, "MAX_BYTES", 100 * 16 * 16 * 3)
    assert len(decode(path, 16, fps=40).frames) == 80
    with pytest.raises(UserError, match="frames; cut it into clips"):
        decode(path, 16, fps=1000)


def test_decode_names_what_is_wrong(tmp_path, capfd, write_video):
    (tmp_path / "empty.mp4").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.mp4")
    with av.open(str(tmp_path / "sound.avi"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    content = write_video(tmp_path / "x.avi", 3, "mpeg4").read_bytes()
    (tmp_path / "unknown.avi").write_bytes(content.replace(b"FMP4", b"ZZZZ"))
    (tmp_path / "notes.nfo").write_text("FFmpeg shows text as on a terminal\n" * 5000)
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile x.avi\n")  # another's frames
    for name in ("x%d.png", "x1.png", "x2.png"):  # of which the first names the others
        Image.new("RGB", (64, 64)).save(tmp_path / name)
    for name, message in (
        ("notes.nfo", "no video stream"),
        ("list.mp4", "no video stream"),
        ("x%d.png", "no video stream"),
        ("unknown.avi", "no video stream that FFmpeg knows"),
        ("empty.mp4", "cannot be opened: Invalid data"),
        ("sound.avi", "no video stream"),
        ("nowhere.mpg", "cannot be opened: No such file"),
        (".", "cannot be opened: Is a directory"),
        ("pipe.mp4", "not an ordinary file"),
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
    assert len(decode(path).frames) == 3


@pytest.mark.slow
def test_decode_all_decoder_that_hangs_or_is_killed(tmp_path, monkeypatch, write_video):
    """A pipe that nobody writes to is a file that never ends; it costs its own clip only."""
    files = [write_video(tmp_path / f"c{i}.mpg") for i in range(3)]
    os.mkfifo(tmp_path / "endless.mpg")
    monkeypatch.setattr(decoding, "TIMEOUT_SECONDS", 2)
    results = list(decode_all([files[0], tmp_path / "endless.mpg", *files[1:]], 2, 16))
    assert [len(result.frames) for result in results] == [30, 0, 30, 30]
    assert results[1].trouble == "the decoder did not come to an end"
    monkeypatch.setattr(decoding, "TIMEOUT_SECONDS", 60)
    rest = decode_all([*files, tmp_path / "endless.mpg"], 2, 16)
    assert [len(next(rest).frames) for _ in files] == [30, 30, 30]
    writer = os.open(tmp_path / "endless.mpg", os.O_WRONLY)  # returns when a process reads it
    for server in psutil.Process().children():
        for process in server.children():
            process.kill()
    assert next(rest).trouble == "the decoder crashed (exit code -9)"
    assert list(rest) == []
    os.close(writer)
