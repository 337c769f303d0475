import av
import numpy as np
import pytest

from ucf11lib import paths
from ucf11lib.runs import RunConfig
from ucf11lib.studies.inputs import moved_camera

CONFIG = RunConfig.of(model="cnn_lstm")


def write_video(path, frames):
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())


def frames_of(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture
def filmed(tmp_path, monkeypatch):
    """A still picture, and the file of the same filmed by a moved camera."""
    monkeypatch.setenv("UCF11_DATA", str(tmp_path / "data"))
    picture = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    still = np.repeat(picture.repeat(12, 0).repeat(12, 1)[None], 60, axis=0)
    write_video(tmp_path / "weizmann/walk/lena_walk.avi", still)
    changes = moved_camera(CONFIG, tmp_path)
    assert changes == {"source": "videos", "data": str(paths.data_dir() / "weizmann_moved")}
    return still, paths.data_dir() / "weizmann_moved/walk/lena_walk.avi"


def test_moved_camera_shows_a_part_of_each_picture_and_moves(filmed):
    still, file = filmed
    moved = frames_of(file)
    assert moved.shape == (60, 90, 120, 3)
    places = []
    for picture, part in zip(still, moved, strict=True):
        fits = [(top, left) for top in range(19) for left in range(25)
                if np.array_equal(picture[top : top + 90, left : left + 120], part)]  # fmt: skip
        assert len(fits) == 1
        places += fits
    assert 0 < np.abs(np.diff(places, axis=0)).max() <= 4
    assert np.ptp(places, axis=0).min() > 4


def test_moved_camera_is_the_same_again_and_filmed_once(filmed, tmp_path, monkeypatch):
    _, file = filmed
    first = file.read_bytes()
    stamp = file.stat().st_mtime_ns
    moved_camera(CONFIG, tmp_path)
    assert file.stat().st_mtime_ns == stamp
    monkeypatch.setenv("UCF11_DATA", str(tmp_path / "again"))
    moved_camera(CONFIG, tmp_path)
    assert (tmp_path / "again/weizmann_moved/walk/lena_walk.avi").read_bytes() == first
