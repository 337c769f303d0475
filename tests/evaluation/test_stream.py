import tempfile
import threading
import types
from pathlib import Path

import av
import numpy as np
import pytest

from ucf11lib import models
from ucf11lib.data.videos import decode
from ucf11lib.errors import UserError
from ucf11lib.evaluation import stream
from ucf11lib.evaluation.videos import Classifier


@pytest.fixture
def by(trained):
    return Classifier(trained, models.load(trained))


def test_predict_stream_ends_with_the_last_window(by, tmp_path, write_video, store, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_video(tmp_path / "12:30.mpg", np.concatenate(store.frames[:3])[:70])
    *_, last = stream.predict_stream(by, path.name)
    expected = by.ranking(by(decode(path)[None, 40:])[0])
    assert last["frames"] == 70
    assert last["probabilities"] == pytest.approx(dict(expected))
    assert (last["prediction"], last["test_flip"]) == (expected[0][0], False)


def test_predict_stream_skips_what_no_window_has(by, tmp_path, write_video, monkeypatch):
    monkeypatch.setattr(stream, "PERIOD_SECONDS", 1e9)
    answers = list(stream.predict_stream(by, str(write_video(tmp_path / "v.mpg", 400))))
    assert len(answers) <= 2
    assert answers[-1]["frames"] == 400
    windows = 30 * len(answers)
    assert sum(answer["skipped"] for answer in answers) >= 400 - windows


def test_answers_are_a_second_apart_and_one_more_at_the_end(monkeypatch):
    now = [0.0]

    class Reader:
        window = 1
        is_alive = staticmethod(lambda: now[0] < 3.5)
        newest = property(lambda _: ((np.zeros(1),), *2 * [1 + int(30 * now[0])], now[0]))

    class Constant:
        test_flip = False
        __call__ = staticmethod(lambda frames: frames)
        ranking = staticmethod(lambda _: [("diving", 1.0)])

    sleep = lambda seconds: now.append(now.pop() + seconds)  # noqa: E731
    clock = types.SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    monkeypatch.setattr(stream, "time", clock)
    times = [answer["seconds"] for answer in stream._answers(Constant(), Reader())]
    assert times == pytest.approx([0, 1, 2, 3, 3.5], abs=0.05)


@pytest.mark.parametrize(
    ("name", "words"),
    [("short.mpg", "ended after 20 frames, and one sequence is 30"), ("text", "Invalid data .*")],
)
def test_predict_stream_without_a_window(by, tmp_path, write_video, name, words):
    (tmp_path / "text").write_text("no video" * 1000)
    write_video(tmp_path / "short.mpg", 20)
    with pytest.raises(UserError, match=rf"{name}: .*{words}; give a stream"):
        list(stream.predict_stream(by, str(tmp_path / name)))


def test_reader_of_standard_input_takes_no_file_of_its_name(tmp_path, write_video, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "v.mpg").rename(stream.STDIN)
    opened = []

    def refuse(file, **_):
        opened.append(file)
        raise ValueError("opened")

    monkeypatch.setattr(av, "open", refuse)
    stream._Reader(stream.STDIN, 30, 64, None).join()
    assert opened == [stream.STDIN]


@pytest.mark.parametrize(("fps", "shown"), [(15, [*range(2, 61, 2)]), (60, None)])
def test_reader_resamples(tmp_path, write_video, fps, shown):
    path = write_video(tmp_path / "v.avi", 61, "mpeg4")
    reader = stream._Reader(str(path), 30, 64, fps)
    reader.join()
    frames, seen, at_rate, seconds = reader.newest
    shown = shown or [*np.arange(92, 122) // 2]
    assert (seen, at_rate, seconds) == (61, 2 * fps + 1, pytest.approx(2))
    assert np.array_equal(np.stack(frames), decode(path)[shown])


def test_predict_stream_of_a_file_below_dev(by, write_video):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        (*_, last) = stream.predict_stream(by, str(write_video(Path(folder) / "v.mpg", 40)))
    assert last["frames"] == 40


def test_predict_stream_that_is_left_stops_reading(by, tmp_path, write_video):
    answers = stream.predict_stream(by, str(write_video(tmp_path / "v.mpg", 2000)))
    next(answers)
    (reader,) = [one for one in threading.enumerate() if isinstance(one, stream._Reader)]
    answers.close()
    reader.join()
    assert reader.newest[1] < 2000


@pytest.mark.parametrize("suffix", ["mkv", "avi"])
def test_reader_at_the_files_rate_has_its_frames(tmp_path, write_video, suffix):
    """Matroska rounds times, and AVI has those of decoding."""
    reader = stream._Reader(str(write_video(tmp_path / f"v.{suffix}", 60, "libx264")), 30, 64, 30)
    reader.join()
    _, seen, at_rate, _ = reader.newest
    assert seen == 60
    assert 60 <= at_rate <= 62
