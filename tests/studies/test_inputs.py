from pathlib import Path

import av
import numpy as np

from ucf11lib import paths
from ucf11lib.runs import RunConfig
from ucf11lib.studies.inputs import moved_camera

CONFIG = RunConfig.of(model="cnn_lstm")


def frames_of(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_moved_camera_shows_a_part_of_each_picture_and_moves(tmp_path, monkeypatch, write_video):
    monkeypatch.setenv("UCF11_DATA", str(tmp_path / "data"))
    picture = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    picture = picture.repeat(12, axis=0).repeat(12, axis=1)
    still = write_video(tmp_path / "weizmann/walk/lena_walk.avi", np.stack([picture] * 60))
    changes = moved_camera(CONFIG, tmp_path)
    folder = Path(changes["data"])
    assert changes == {"source": "videos", "data": str(folder)}
    assert folder.is_relative_to(paths.data_dir())
    assert moved_camera(CONFIG, tmp_path / "other")["data"] != str(folder)
    assert not (tmp_path / "other").exists()
    moved = folder / "walk" / "lena_walk.avi"
    parts = frames_of(moved)
    assert parts.shape == (60, 90, 120, 3)
    places = []
    for whole, part in zip(frames_of(still), parts, strict=True):
        fits = [(top, left) for top in range(19) for left in range(25)
                if np.array_equal(whole[top : top + 90, left : left + 120], part)]  # fmt: skip
        assert len(fits) == 1
        places += fits
    assert 0 < np.abs(np.diff(places, axis=0)).max() <= 4
    assert np.ptp(places, axis=0).min() > 4

    stamp = moved.stat().st_mtime_ns
    moved_camera(CONFIG, tmp_path)
    assert moved.stat().st_mtime_ns == stamp
    monkeypatch.setenv("UCF11_DATA", str(tmp_path / "again"))
    moved_camera(CONFIG, tmp_path)
    again = tmp_path / "again" / moved.relative_to(tmp_path / "data")
    assert again.read_bytes() == moved.read_bytes()

    write_video(tmp_path / "weizmann/walk/ido_walk.avi")
    both = Path(moved_camera(CONFIG, tmp_path)["data"])
    assert {file.name for file in both.rglob("*.avi")} == {"ido_walk.avi", "lena_walk.avi"}
