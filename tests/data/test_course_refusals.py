"""Files that are not the course's: one line names the file and what is wrong."""

import os

import numpy as np
import pytest

from ucf11lib.data.course import source as course
from ucf11lib.errors import UserError


def of(shape: tuple, dtype: object = np.uint8) -> np.ndarray:
    return np.full(shape, 9, dtype)


def doubled(times: int) -> list:
    """A small object graph that is a large one when it is unfolded."""
    value = [0]
    for _ in range(times):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            (of((2, 30, 32, 32, 3)), [0, 1]),
            r"data is uint8 \(2, 30, 32, 32, 3\), expected uint8 \(n, 30, 64",
        ),
        (
            (of((1, *course.SHAPE), np.float32) - 10, [0]),
            r"data is float32 -1\.\.-1, expected grey levels 0\.\.255",
        ),
        ((of((1, *course.SHAPE), np.float32) * np.nan, [0]), r"data is float32 nan"),
        ((of((1, *course.SHAPE), np.int32) * 100, [0]), r"data is int32 900\.\.900"),
        (
            (of((1, *course.SHAPE)) // 9, [0]),
            r"data is uint8 1\.\.1, expected grey levels 0\.\.255, or 0\.\.1 as",
        ),
        ((of((1, *course.SHAPE)), [0, 1]), r"labels are an array of \(2,\), expected 1"),
        ((of((1, *course.SHAPE)), np.zeros((1, 11))), r"labels are an array of \(1, 11\)"),
        ((of((1, *course.SHAPE)), np.ones((1, 11))), r"labels are an array of \(1, 11\)"),
        ((of((1, *course.SHAPE)), np.eye(5)[:1]), r"labels are an array of \(1, 5\)"),
        ((of((1, *course.SHAPE)), [None]), r"labels are list, expected 1 integers"),
        ((of((1, *course.SHAPE)), [10**400]), r"labels 1000"),
        ((of((1, *course.SHAPE)), doubled(40)), r"labels are list, expected 1"),
        ((of((1, *course.SHAPE)), ["walking"]), r"labels are list, expected 1"),
        ((of((1, *course.SHAPE)), [0.5]), r"labels 0\.5\.\.0\.5"),
        ((of((2, *course.SHAPE)), [0, 11]), r"labels 11\.\.11, expected 0\.\.10"),
        ((of((2, *course.SHAPE)), [-1, 3]), r"labels -1\.\.-1"),
        ((of((2, *course.SHAPE)), [3, 1]), r"label 1 at sequence 1 comes after a higher one"),
    ],
)
def test_prepare_refuses_other_files(tmp_path, bad, message, dump_parts):
    folder = dump_parts(tmp_path / "in", (of((1, *course.SHAPE)), [0]), bad)
    with pytest.raises(UserError, match=message) as raised:
        course.prepare(tmp_path / "store", folder)
    assert str(folder / course.PARTS[1]) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert sorted(os.listdir(tmp_path)) == ["in"]


def test_prepare_missing_part_is_named_first(tmp_path, dump_parts):
    folder = dump_parts(tmp_path / "in", b"no pickle", (of((1, *course.SHAPE)), [0]))
    (folder / course.PARTS[1]).unlink()
    with pytest.raises(UserError, match=r"part2\.pkl: no such file; give --data"):
        course.prepare(tmp_path / "store", folder)
    with pytest.raises(UserError, match=r"part1\.pkl: no such file"):
        course.prepare(tmp_path / "store", tmp_path / "nowhere")
