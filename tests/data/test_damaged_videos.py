"""Of a damaged video the good frames are used, and no sequence goes over what is missing."""

import os

import numpy as np
import pytest

from ucf11lib.data.videos import decoding
from ucf11lib.data.videos.decoding import decode


@pytest.mark.parametrize("name", ["x.avi", "x.mpg", "x.mkv", "x.wmv"])
def test_decode_cut_file_gives_its_good_frames(tmp_path, write_video, name):
    codec = {"mpg": "mpeg1video", "wmv": "wmv2"}.get(name[2:], "mpeg4")
    path = write_video(tmp_path / name, 75, codec)
    full = decode(path)
    assert (len(full.frames), full.trouble) == (75, "")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    cut = decode(path)
    assert 30 < len(cut.frames) < 75
    assert np.array_equal(cut.frames, full.frames[: len(cut.frames)])
    assert "are damaged or missing" in cut.trouble


@pytest.mark.parametrize("kind", ["avi", "mkv", "webm"])
def test_decode_cut_file_with_sound_is_known_as_cut(ffmpeg, tmp_path, kind):
    codecs = {"webm": ["libvpx", "libvorbis"]}.get(kind, ["mpeg4", "mp2"])
    path = tmp_path / f"x.{kind}"
    ffmpeg("-f", "lavfi", "-i", "sine", "-t", "3", "-c:v", codecs[0], "-c:a", codecs[1], path)
    assert (len(decode(path).frames), decode(path).trouble) == (75, "")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    cut = decode(path)
    assert len(cut.frames) < 60
    assert cut.lost_share == pytest.approx(1 - len(cut.frames) / 75, abs=0.02)


def test_decode_no_sequence_goes_over_a_jump_in_time(ffmpeg, tmp_path):
    """Files that were joined, frames that are missing, and a pause, in which a player waits."""
    for offset, name in ((0, "a.ts"), (600, "b.ts")):
        ffmpeg("-frames:v", "34", "-c:v", "libx264", "-output_ts_offset", offset, tmp_path / name)
    joined = tmp_path / "joined.ts"
    joined.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    for fps, length in ((None, 68), (50, 136)):
        decoded = decode(joined, fps=fps)
        assert (len(decoded.frames), decoded.gaps) == (length, [length // 2])
        assert list(decoded.images) == [place * 68 // length for place in range(length)]
        assert decoded.trouble.startswith("its times jump by 599 s")
    ffmpeg("-frames:v", "100", "-c:v", "wmv2", hole := tmp_path / "hole.wmv")
    content = bytearray(hole.read_bytes())
    middle = len(content) // 2
    content[middle : middle + len(content) // 20] = bytes(len(content) // 20)
    hole.write_bytes(content)
    assert len(decode(hole).gaps) == 1
    wait = ["-vf", "select='lt(n,40)+gt(n,60)'", "-vsync", "vfr", "-frames:v", "90"]
    ffmpeg(*wait, "-c:v", "libvpx", pause := tmp_path / "pause.webm")
    assert (decode(pause).gaps, decode(pause).lost) == ([40], 0)
    assert decode(pause, fps=25).gaps == []


@pytest.mark.parametrize(
    ("name", "codec"), [("x.mkv", "libx264"), ("x.avi", "libx264"), ("x.avi", "mpeg4")]
)
def test_decode_variable_rates_are_no_damage(ffmpeg, tmp_path, name, codec):
    some = ["-vf", "select='not(mod(n,3))+not(mod(n,7))'", "-vsync", "vfr", "-frames:v", "90"]
    ffmpeg(*some, "-c:v", codec, path := tmp_path / name)
    decoded = decode(path)
    assert (len(decoded.frames), decoded.gaps, decoded.trouble) == (90, [], "")


def test_decode_cut_flash_file_is_known_as_cut(ffmpeg, tmp_path):
    ffmpeg("-frames:v", "100", "-c:v", "flv1", path := tmp_path / "x.flv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    cut = decode(path)
    assert cut.lost == 100 - len(cut.frames) > 30


def test_decode_gigabytes_of_zeros_behind_a_video_are_not_searched(ffmpeg, tmp_path, monkeypatch):
    ffmpeg("-frames:v", "50", "-c:v", "mpeg1video", path := tmp_path / "x.mpg")
    os.truncate(path, 20 << 30)
    monkeypatch.setattr(decoding, "READ_SECONDS", 1)
    decoded = decode(path)
    assert len(decoded.frames) == 49
    assert decoded.trouble.endswith("FFmpeg finds nothing more in it, and was stopped")


def test_decode_lost_share_is_of_the_files_frames(ffmpeg, tmp_path):
    path = tmp_path / "x.mp4"
    ffmpeg("-t", "3", "-c:v", "libx264", "-movflags", "faststart", path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    shares = {decode(path, fps=fps).lost_share for fps in (None, 5, 100)}
    assert len(shares) == 1
    assert 0 < shares.pop() < 0.5


@pytest.mark.parametrize(("kind", "codec"), [("mjpeg", "mjpeg"), ("h264", "libx264")])
def test_decode_pictures_that_grow_to_gigabytes_are_damage(ffmpeg, tmp_path, capfd, kind, codec):
    for name, size, n in (("small", "64x64", 20), ("large", "8192x8192", 2)):
        film = ["-f", "lavfi", "-i", f"color=size={size}", "-map", "1", "-frames:v", n]
        ffmpeg(*film, "-c:v", codec, "-preset", "ultrafast", tmp_path / f"{name}.{kind}")
    parts = [(tmp_path / f"{name}.{kind}").read_bytes() for name in ("small", "large")]
    (path := tmp_path / f"grows.{kind}").write_bytes(b"".join(parts))
    decoded = decode(path)
    assert (len(decoded), decoded.trouble) == (20, "2 of 22 frames are damaged or missing")
    assert capfd.readouterr().err == ""
