"""`predict -` on a pipe that FFmpeg feeds in real time."""

import json
import os
import shutil
import subprocess
import sys

import pytest


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")
def test_predict_stdin_answers_while_the_stream_runs_and_ends_with_it(trained):
    source = "testsrc=size=320x240:rate=30:duration=20"
    feed = ["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", source]
    feed += ["-c:v", "mpeg2video", "-b:v", "8M", "-f", "matroska", "-"]
    command = [sys.executable, "-m", "ucf11lib", "predict", "-", "--run", trained.path]
    with subprocess.Popen(feed, stdout=subprocess.PIPE) as ffmpeg:
        done = subprocess.run(
            command, stdin=ffmpeg.stdout, capture_output=True, text=True, timeout=300, check=False
        )
    assert (done.returncode, ffmpeg.returncode) == (0, 0), done.stderr
    answers = list(map(json.loads, done.stdout.splitlines()))
    seen = [answer["frames"] for answer in answers]
    assert len(answers) >= 2
    assert seen == sorted(set(seen))
    assert seen[0] >= 30
    assert seen[-1] == 600
    assert all(answer["prediction"] in trained.data.classes for answer in answers)


def test_predict_reader_that_leaves_ends_it(trained, write_video, tmp_path):
    path = write_video(tmp_path / "v.mpg", 60)
    command = [sys.executable, "-m", "ucf11lib", "predict", "-", "--run", trained.path]
    reading, writing = os.pipe()
    os.close(reading)
    with path.open("rb") as file:
        done = subprocess.run(
            command, stdin=file, stdout=writing, stderr=subprocess.PIPE, timeout=300, check=False
        )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
