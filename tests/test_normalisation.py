"""The moved camera, and the tables of the experiment."""

import av
import numpy as np
import pytest
from test_videos import write_video

from ucf11lib import normalisation
from ucf11lib.data import videos


def frames_of(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture
def filmed(tmp_path):
    """A still picture, and the same filmed by a moved camera."""
    picture = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8).repeat(12, 0).repeat(12, 1)
    write_video(tmp_path / "in/walk/lena_walk.avi", np.repeat(picture[None], 60, axis=0), "mpeg4")
    normalisation.moved_camera(tmp_path / "in", tmp_path / "out")
    return frames_of(tmp_path / "in/walk/lena_walk.avi"), frames_of(tmp_path / "out/walk/lena_walk.avi"), tmp_path


def test_the_moved_camera_shows_a_part_of_each_picture_and_moves(filmed):
    still, moved, _ = filmed
    assert moved.shape == (60, 90, 120, 3)
    places = []
    for whole, part in zip(still, moved, strict=True):
        found = [(top, left) for top in range(19) for left in range(25)
                 if np.array_equal(whole[top : top + 90, left : left + 120], part)]  # fmt: skip
        assert len(found) == 1
        places += found
    steps = np.abs(np.diff(places, axis=0)).max()
    assert 0 < steps <= 4
    assert np.ptp(places, axis=0).min() > 4


def test_the_moved_camera_is_the_same_again_and_kept(filmed):
    *_, folder = filmed
    first = (folder / "out/walk/lena_walk.avi").read_bytes()
    normalisation.moved_camera(folder / "in", folder / "again")
    assert (folder / "again/walk/lena_walk.avi").read_bytes() == first
    normalisation.moved_camera(folder / "nowhere", folder / "again")
    made = videos.prepare(folder / "s", folder / "again")
    assert made.groups.tolist() == ["lena", "lena"]


def row(data, inputs, norm, *accuracy):
    return {"data": data, "inputs": inputs, "norm": norm, "accuracy": accuracy}


ROWS = [
    row("a", "dataset", "none", 0.5, 0.7),
    row("a", "sequence", "none", 0.8, 0.9),
    row("a", "dataset", "batch", 0.5, 0.5),
    row("a", "sequence", "batch", 0.9, 0.9),
]


def test_the_table_has_a_line_a_normalisation_and_a_column_a_data_set():
    table = normalisation.table(ROWS + [other | {"data": "b"} for other in ROWS])
    assert table.columns.tolist() == ["input", "batch normalisation", "a", "b"]
    assert table["input"].tolist() == ["dataset", "dataset", "sequence", "sequence"]
    assert table["a"].tolist()[0] == "60.0 % (50.0 to 70.0)"


def test_effects_are_against_data_set_statistics():
    table = normalisation.effects(ROWS)
    assert table.to_dict("records") == [
        {"data": "a", "sequence input": "+25.0", "batch normalisation": "-10.0", "both": "+30.0"}
    ]
