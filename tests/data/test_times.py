"""Files whose times are rounded, or those of decoding, or whose header was never completed."""

import av
import numpy as np
import pytest

from ucf11lib.data.videos.decoding import decode
from ucf11lib.data.videos.times import resampled, steady


class Pipe:
    """A file in which nobody can go back."""

    def __init__(self):
        self.data = bytearray()

    def write(self, part):
        self.data += part


def write(file, rate=25, frames=60, codec="libx264", format=None, **options):
    """Write frames, each lighter than the last, by default with B-frames."""
    with av.open(file if format else str(file), "w", format=format) as container:
        stream = container.add_stream(codec, rate, options=options)
        stream.width, stream.height = 96, 64
        stream.pix_fmt = stream.codec_context.codec.video_formats[0].name
        for level in np.linspace(20, 220, frames).astype(np.uint8):
            picture = av.VideoFrame.from_ndarray(np.full((64, 96, 3), level), "rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return file


@pytest.mark.parametrize("suffix", ["mkv", "flv", "gif", "mp4", "avi", "ts"])
def test_decode_at_the_files_rate_or_half_of_it_shows_each_frame_as_often(tmp_path, suffix):
    """Matroska rounds times to a thousandth of a second, GIF to a hundredth."""
    codec = {"gif": "gif"}.get(suffix, "libx264")
    path = write(tmp_path / f"v.{suffix}", 30, 46, codec)
    assert list(decode(path, fps=30).images) == [*range(46)]
    assert list(decode(path, fps=15).images) == [*range(0, 46, 2)]


@pytest.mark.parametrize(("fps", "tick"), [(40, 0.01), (350, 0.001), (25, 0.04), (30, 0.001)])
def test_resampled_at_the_own_rate_is_each_frame_once(fps, tick):
    times = np.round(np.arange(200) / fps / tick) * tick
    assert resampled(times, fps, tick).tolist() == [*range(200)]


@pytest.mark.parametrize("suffix", ["avi", "asf", "mxf", "mkv"])
def test_decode_with_b_frames_has_all_frames_in_any_container(tmp_path, suffix):
    path = write(tmp_path / f"v.{suffix}", preset="veryslow")
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert (times != sorted(times)) == (suffix != "mkv")  # the others' are those of decoding
    for fps in (None, 25):
        decoded = decode(path, fps=fps)
        assert (len(decoded), decoded.gaps, decoded.trouble) == (60, [], "")


def test_decode_damage_among_b_frames_costs_one_frame(tmp_path):
    path = write(tmp_path / "v.avi", preset="veryslow")
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size]
    hit = packets[30]
    data = bytearray(path.read_bytes())
    data[hit.pos + 8 : hit.pos + 8 + hit.size] = bytes(hit.size)
    path.write_bytes(data)
    decoded = decode(path)
    assert (decoded.lost, len(decoded.gaps)) == (1, 1)
    assert 20 < decoded.gaps[0] < 40


@pytest.mark.parametrize(("suffix", "codec"), [("avi", "mpeg4"), ("rm", "rv20")])
def test_decode_ignores_a_header_that_was_never_completed(tmp_path, suffix, codec):
    """What is written to a pipe has a placeholder for its length."""

    pipe = Pipe()
    write(pipe, frames=40, codec=codec, format=suffix)
    (tmp_path / "v").write_bytes(pipe.data)
    decoded = decode(tmp_path / "v")
    assert (len(decoded), decoded.trouble) == (40, "")


def test_steady_shares_out_equal_times():
    assert steady(np.array([0.0, 0.0, 0.08, 0.08, 0.16])).tolist() == [0, 0.04, 0.08, 0.12, 0.16]
    assert steady(np.array([1.0, 2.0, 2.0])) == pytest.approx([1, 2, 2.5])
    assert steady(np.array([0.0, 1.0, 0.0, 1.0])).tolist() == [0, 1, 2, 3]
