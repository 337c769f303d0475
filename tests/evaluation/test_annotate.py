import itertools
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ucf11lib import figures, models
from ucf11lib.data.videos import pictures
from ucf11lib.errors import UserError
from ucf11lib.evaluation import annotate
from ucf11lib.evaluation.videos import Classifier, predict_video


@pytest.fixture
def by(trained):
    return Classifier(trained, models.load(trained))


def decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return np.stack(frames), stream.average_rate, container.metadata["title"]


def test_write_annotated_has_the_frames_and_burns_in_the_prediction(
    by, tmp_path, store, write_video
):
    frames = np.concatenate(store.frames[:3])[:70]
    path = write_video(tmp_path / "v.avi", frames, "ffv1")
    result = predict_video(path, by, explain=True)
    calls = []

    def draw(*drawing):
        calls.append(drawing)
        return figures.overlay(*drawing)

    annotate.write_annotated(result, tmp_path / "out.mp4", draw)
    shown, rate, title = decoded(tmp_path / "out.mp4")
    assert (shown.shape, rate) == ((70, 320, 320, 3), 30)
    assert {call[1] for call in calls} == {title}
    name, share = result.ranking()[0]
    assert title == f"whole video: {name} {round(100 * share)} %"
    assert [call[2] for call in calls[::35]] == ["0.0 s", "1.2 s"]
    of_windows = [by.ranking(row) for row in result.track]
    assert [call[3] for call in calls] == [of_windows[min(i // 30, 1)] for i in range(70)]
    assert calls[31][4] == pytest.approx(result.maps[1, 1])
    assert calls[65][4] is None  # in no window
    halved = replace(result, images=range(0, 70, 2), starts=result.starts[:1], maps=result.maps[:1])
    at_half_rate = []
    annotate.write_annotated(
        halved, tmp_path / "half.mp4", lambda *drawing: at_half_rate.append(drawing) or drawing[0]
    )
    assert at_half_rate[41][4] == pytest.approx(result.maps[0, 20])
    assert at_half_rate[61][4] is None
    difference = np.abs(shown[31].astype(int) - figures.overlay(*calls[31]))
    assert difference.mean() < 8  # what is drawn is what is encoded


@pytest.mark.slow
def test_write_annotated_of_a_real_video_at_its_size_and_rate(by, tmp_path, videos, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = videos / "ucf101_sample" / "Biking" / "v_Biking_g01_c01.avi"
    result = predict_video(path, by)
    annotate.write_annotated(result, Path("12:30.mp4"), figures.overlay)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        size, rate = (stream.height, stream.width), stream.average_rate
        n = sum(1 for _ in container.decode(stream))
    shown, shown_rate, _ = decoded(tmp_path / "12:30.mp4")
    assert (len(shown), shown.shape[1:3], shown_rate) == (n, size, rate)


def test_write_annotated_begins_at_zero_and_ends_where_the_file_breaks_off(
    by, tmp_path, write_video, monkeypatch
):
    """MPEG-TS begins at 1.4 s."""
    result = predict_video(write_video(tmp_path / "v.ts", 60), by)
    times = []

    def draw(*drawing):
        times.append(drawing[2])
        return figures.overlay(*drawing)

    annotate.write_annotated(result, tmp_path / "out.mp4", draw)
    assert (times[0], times[-1], len(times)) == ("0.0 s", "2.0 s", 60)

    def broken(*arguments):
        yield from itertools.islice(pictures(*arguments), 20)
        raise av.error.InvalidDataError(1094995529, "Invalid data", str(result.video))

    monkeypatch.setattr(annotate, "pictures", broken)
    annotate.write_annotated(result, tmp_path / "cut.mp4", draw)
    assert len(decoded(tmp_path / "cut.mp4")[0]) == 20


@pytest.mark.parametrize("name", ["v.mpg", "turned.mp4"])
def test_write_annotated_has_the_shape_of_the_pixels(by, tmp_path, name):
    """720x576 shown as 1024x576, as DVDs have it; turned, as 576x1024."""
    path, turned = tmp_path / name, name != "v.mpg"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video" if path.suffix == ".mpg" else "libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(64, 45)
        for level in range(40):
            picture = np.full((576, 720, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    if turned:
        content, matrix = path.read_bytes(), (0, 1 << 16, 0, -1 << 16, 0, 0, 576 << 16, 0, 1 << 30)
        at = content.index(b"tkhd") + 44
        path.write_bytes(content[:at] + struct.pack(">9i", *matrix) + content[at + 36 :])
    annotate.write_annotated(predict_video(path, by), out := tmp_path / "out.mp4", figures.overlay)
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        shape = stream.width, stream.height, stream.sample_aspect_ratio
    assert shape == ((576, 720, Fraction(45, 64)) if turned else (720, 576, Fraction(64, 45)))


def test_write_annotated_that_fails_leaves_nothing(by, tmp_path, write_video):
    result = predict_video(write_video(tmp_path / "v.mpg", 40), by)

    def draw(*_):
        raise UserError("stopped")

    with pytest.raises(UserError, match="stopped"):
        annotate.write_annotated(result, tmp_path / "new" / "out.mp4", draw)
    assert list((tmp_path / "new").iterdir()) == []
