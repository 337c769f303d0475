import json

import av
import numpy as np
import pytest

from ucf11lib import jobs
from ucf11lib.config import RunConfig
from ucf11lib.errors import UserError
from ucf11lib.predict import predict


def write_video(path, frames):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, store):
    config = RunConfig("cnn_lstm", profile="smoke")
    return jobs.train(config, tmp_path_factory.mktemp("runs") / "r", store=store, say=lambda line: None)


def test_windows_are_averaged(run, tmp_path, store):
    video = write_video(tmp_path / "v.mp4", np.concatenate([store.frames[0], store.frames[1], store.frames[2][:10]]))
    found = predict(video, run)
    assert (found.frames, found.track.shape) == (70, (2, 11))
    assert found.probabilities == pytest.approx(found.track.mean(axis=0))
    assert found.probabilities.sum() == pytest.approx(1)
    assert found.ranking()[0][1] == found.probabilities.max()


def test_a_short_video_is_refused(run, tmp_path, store):
    video = write_video(tmp_path / "v.mp4", store.frames[0][:20])
    with pytest.raises(UserError, match=r"20 frames, but one sequence is 30"):
        predict(video, run)


def test_json_of_a_real_video(run, videos, cli):
    video = videos / "ucf101_sample" / "Biking" / "v_Biking_g01_c01.avi"
    done = cli("predict", video, "--run", run.path, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["probabilities"]) == set(run.config["classes"])
    assert [w["first_frame"] for w in found["windows"]] == list(range(0, found["frames"] - 29, 30))
    assert "synthetic data" in found["trained_on"]
    plain = cli("predict", video, "--run", run.path)
    assert plain.stdout.count("%") == 11
    assert plain.stderr == ""
