import base64
import hashlib
import io
import os
import re
import subprocess
import sys

import av
import matplotlib
import numpy as np
import pytest
from PIL import Image

from ucf11lib import figures
from ucf11lib.figures import motion

PROGRAM = """
import hashlib, numpy as np
from ucf11lib.figures.motion import encode, play
frames = np.random.default_rng(0).integers(0, 256, (1, 30, 16, 16, 3), dtype=np.uint8)
print(hashlib.sha256(encode(play(frames, ["a"], note="n").pictures)).hexdigest())
"""


def decoded(content):
    with av.open(io.BytesIO(content)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        return np.stack([one.to_ndarray(format="rgb24") for one in container.decode(video=0)])


@pytest.mark.parametrize("size", [(64, 64), (31, 45)])
def test_encode_shows_the_frames_in_their_order_and_colours(size):
    levels = np.linspace(20, 220, 30).astype(np.uint8)
    frames = np.zeros((30, *size, 3), np.uint8)
    frames[..., 0] = levels[:, None, None]
    frames[..., 2] = 100
    shown = decoded(motion.encode(frames))
    assert shown.shape == (30, size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    difference = np.abs(shown[:, : size[0], : size[1]].astype(int) - frames)
    assert difference.mean() < 4


@pytest.mark.slow
def test_encode_gives_the_same_bytes_in_every_process():
    frames = np.random.default_rng(0).integers(0, 256, (1, 30, 16, 16, 3), dtype=np.uint8)
    pictures = figures.play(frames, ["a"], note="n").pictures
    content = motion.encode(pictures)
    assert motion.encode(pictures) == content
    # memory is filled with other bytes, so that an encoder that reads before it writes is seen
    options = {"env": os.environ | {"MALLOC_PERTURB_": "1"}, "capture_output": True}
    other = subprocess.run([sys.executable, "-c", PROGRAM], check=True, **options)
    assert other.stdout.decode().strip() == hashlib.sha256(content).hexdigest()
    created = content.index(b"mvhd") + 8  # ISO 14496-12: the times of creation and of change
    assert content[created : created + 8] == bytes(8)


def test_play_shows_each_frame_enlarged_below_its_title(inputs):
    film = figures.play(inputs.FRAMES, inputs.CLASSES, columns=2, note=inputs.NOTE)
    big = inputs.FRAMES.repeat(8, axis=2).repeat(8, axis=3)
    height, width = film.pictures.shape[1:3]
    assert len(film.pictures) == 30
    assert width == 2 * 128 + 3 * motion.GAP
    header = 4 + motion.LINE
    corners = [(header, 8), (header, 8 + 136), (2 * header + 136, 8)]
    for (top, left), sequence in zip(corners, big, strict=True):
        shown = film.pictures[:, top : top + 128, left : left + 128]
        np.testing.assert_array_equal(shown, sequence)
        title = film.pictures[0, top - header : top, left : left + 128]
        assert title.min() < 100
    assert film.pictures[0, height - motion.LINE :].min() < 150  # the note


def test_play_puts_a_map_in_colour_beside_the_frames(inputs):
    film = figures.play(inputs.FRAMES[:1], ["a"], overlay=inputs.HEAT[:1], note="")
    last = film.pictures[-1, 4 + motion.LINE :, motion.GAP : -motion.GAP]
    beside = last[:256, 256:]
    plain = np.rint(inputs.FRAMES[0, -1] @ motion.LUMA).repeat(16, 0).repeat(16, 1)
    np.testing.assert_allclose(beside[:, 128:, 1], plain[:, 128:], atol=1)
    hottest = np.array(matplotlib.colormaps[motion.HEAT](1.0)[:3]) * 255 * motion.MAX_OPACITY
    grey = (1 - motion.MAX_OPACITY) * plain[0, 0]
    np.testing.assert_allclose(beside[0, 0], hottest + grey, atol=1)


def test_play_in_a_notebook_is_a_video_that_loops_with_escaped_text(inputs):
    titles = ['<b>"a"', "b & c", "d"]
    html = figures.play(inputs.FRAMES, titles, note="<script>")._repr_html_()
    tag = re.match(r"<video [^>]*>", html)[0]
    assert {"autoplay", "loop", "muted", "playsinline"} <= set(tag[:-1].split())
    assert "&lt;b&gt;&quot;a&quot;, b &amp; c" in tag
    assert "<script>" not in html
    assert "<b>" not in html
    content = base64.b64decode(re.search(r'src="data:video/mp4;base64,([^"]+)"', tag)[1])
    assert len(decoded(content)) == 30
    poster = base64.b64decode(re.search(r'poster="data:image/webp;base64,([^"]+)"', tag)[1])
    assert Image.open(io.BytesIO(poster)).size[1] == decoded(content).shape[1]


def test_save_writes_animations_of_the_same_bytes_and_no_still_picture(inputs, tmp_path):
    film = figures.play(inputs.FRAMES, inputs.CLASSES, note=inputs.NOTE)
    save = figures.saver(tmp_path)
    files = [tmp_path / name for name in ("a.webp", "b.webp", "c.mp4")]
    assert [save(film, file.name) for file in files] == [film] * 3
    assert files[0].read_bytes() == files[1].read_bytes()
    with Image.open(files[0]) as animation:
        assert (animation.n_frames, animation.info["loop"]) == (30, 0)
    assert len(decoded(files[2].read_bytes())) == 30
    with pytest.raises(ValueError, match=r"\.webp or \.mp4"):
        save(film, "d.png")
    assert sorted(tmp_path.iterdir()) == files


def test_overlaid_is_grey_without_heat():
    sequence = np.full((2, 4, 6, 3), (200, 100, 0), np.uint8)
    maps = np.zeros((2, 4, 6), np.float32)
    maps[1] = 1
    cold, hot = motion.overlaid(sequence, maps)
    assert (cold == round(0.299 * 200 + 0.587 * 100)).all()
    assert (hot[..., 0] > 200).all()
    assert (hot[..., 2] < 60).all()
