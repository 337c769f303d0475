"""Files that are not the course's: one line names the file and what is wrong."""

import os
import pickle

import numpy as np
import pytest

from ucf11lib.data.course import source as course
from ucf11lib.errors import UserError

ONE = np.full((1, *course.SHAPE), 9, np.uint8)
TWO = np.repeat(ONE, 2, axis=0)


def doubled(times: int) -> list:
    """A small object graph that is a large one when it is unfolded."""
    value = [0]
    for _ in range(times):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("data", "labels", "message"),
    [
        (TWO[:, :, ::2, ::2], [0, 1], r"data is uint8 \(2, 30, 32, 32, 3\), expected uint8 \(n, 3"),
        (ONE - np.float32(10), [0], r"data is float32 -1\.\.-1, expected grey levels 0\.\.255"),
        (ONE * np.float32(np.nan), [0], r"data is float32 nan"),
        (ONE * np.int32(100), [0], r"data is int32 900\.\.900"),
        (ONE // 9, [0], r"data is uint8 1\.\.1, expected grey levels 0\.\.255, or 0\.\.1 as"),
        (ONE, [0, 1], r"labels are an array of \(2,\), expected 1"),
        (ONE, np.zeros((1, 11)), r"labels are an array of \(1, 11\)"),
        (ONE, np.ones((1, 11)), r"labels are an array of \(1, 11\)"),
        (ONE, np.eye(5)[:1], r"labels are an array of \(1, 5\)"),
        (ONE, [None], r"labels are list, expected 1 integers"),
        (ONE, [10**400], r"label 1000"),
        (ONE, [10**5000], r"label 1000"),  # more digits than Python prints
        (ONE, doubled(40), r"labels are list, expected 1"),
        (ONE, ["walking"], r"labels are list, expected 1"),
        (ONE, [0.5], r"label 0\.5"),
        (ONE, [np.nan], r"label nan, expected 0\.\.10"),
        (TWO, [False, True], r"label False, expected 0\.\.10"),
        (TWO, [0, 11], r"label 11, expected 0\.\.10"),
        (TWO, [-1, 3], r"label -1, expected"),
        (TWO, [3, 1], r"label 1 at sequence 1 comes after a higher one"),
    ],
)
def test_prepare_refuses_other_files(tmp_path, data, labels, message, dump_parts):
    folder = dump_parts(tmp_path / "in", (ONE, [0]), (data, labels))
    with pytest.raises(UserError, match=message) as raised:
        course.prepare(tmp_path / "store", folder)
    assert str(folder / course.PARTS[1]) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert sorted(os.listdir(tmp_path)) == ["in"]


def test_prepare_refuses_labels_that_only_say_their_shape(tmp_path, dump_parts):
    """A pickle can set attributes of the stand-in that it gets for a class of numpy."""
    start, _, end = pickle.dumps((ONE, None), 2).rpartition(b"N\x86")
    stand_in = b"cnumpy\ndtype\n}X\x05\x00\x00\x00shapeK\x01\x85sb\x86"
    folder = dump_parts(tmp_path / "in", start + stand_in + end, (ONE, [0]))
    with pytest.raises(UserError, match="labels are function, expected 1 integers"):
        course.prepare(tmp_path / "store", folder)


def test_prepare_refuses_what_follows_the_pickle_and_names_other_files(tmp_path, dump_parts):
    rows = np.eye(11, dtype=int)[[0, 1]].tolist()  # one-hot, as lists
    folder = dump_parts(tmp_path / "in", (TWO, rows), (TWO, [2, 2]))
    (folder / "youtube_action_train_data_part3.pkl").write_bytes(b"x")
    store = course.prepare(tmp_path / "store", folder)
    assert store.labels.tolist() == [0, 1, 2, 2]
    (note,) = store.info.notes
    assert note == {
        "file": "youtube_action_train_data_part3.pkl",
        "reason": "not one of the parts",
    }
    with (folder / course.PARTS[0]).open("ab") as file:
        pickle.dump((TWO, [1, 1]), file, 2)
    with pytest.raises(UserError, match=r"part1\.pkl: not read \(more follows the first pickle"):
        course.prepare(tmp_path / "other", folder)


def test_prepare_missing_part_is_named_first(tmp_path, dump_parts):
    folder = dump_parts(tmp_path / "in", b"no pickle", (ONE, [0]))
    (folder / course.PARTS[1]).unlink()
    with pytest.raises(UserError, match=r"part2\.pkl: no such file; give --data"):
        course.prepare(tmp_path / "store", folder)
    with pytest.raises(UserError, match=r"part1\.pkl: no such file"):
        course.prepare(tmp_path / "store", tmp_path / "nowhere")
