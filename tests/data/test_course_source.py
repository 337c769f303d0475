"""The course's two pickles: into a store, and out of one."""

import gzip
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ucf11lib.data.course import source as course
from ucf11lib.data.store import ClipStore
from ucf11lib.data.synthetic.motions import MOTIONS
from ucf11lib.data.writer import create
from ucf11lib.errors import UserError

FRAMES = np.random.default_rng(0).integers(0, 255, (7, *course.SHAPE), np.uint8)


def write_store(path: Path, labels: list[int], classes: list[str] | None = None) -> ClipStore:
    with create(path, source="ucf11", classes=classes or list(MOTIONS), origin={}) as writer:
        for i, label in enumerate(labels):
            writer.add(FRAMES[i : i + 1], label=label, group=f"g{i}", clip=f"c{i}")
    return ClipStore.open(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_prepare_any_pickle_protocol(tmp_path, capsys, protocol, dump_parts):
    labels = np.array([0, 3, 3, 7, 10])
    parts = [(FRAMES[:3], labels[:3]), (FRAMES[3:5], list(labels[3:]))]
    store = course.prepare(tmp_path / "s", dump_parts(tmp_path / "in", *parts, protocol=protocol))
    np.testing.assert_array_equal(store.frames, FRAMES[:5])
    np.testing.assert_array_equal(store.labels, labels)
    assert (store.index.groupby("clip")["label"].nunique() == 1).all()
    assert (store.index.groupby("group")["label"].nunique() == 1).all()
    assert store.info.classes == tuple(MOTIONS)
    assert store.info.origin["groups"] == store.info.origin["clips"] == "estimated"
    assert "estimated from the frames" in capsys.readouterr().err
    assert store.kind.endswith(", groups estimated)")
    store.verify()


@pytest.mark.parametrize(
    "form",
    [
        list,
        lambda labels: labels[:, None],
        lambda labels: np.eye(11)[labels],
        lambda labels: np.eye(11, dtype=bool)[labels],
        lambda labels: labels.astype("f4"),
        lambda labels: labels.astype(">i2"),
        lambda labels: [np.int64(label) for label in labels],
    ],
)
def test_prepare_labels_in_many_forms(tmp_path, form, dump_parts):
    parts = [(FRAMES[:2], form(np.array([0, 2]))), (FRAMES[2:4], form(np.array([9, 10])))]
    store = course.prepare(tmp_path / "s", dump_parts(tmp_path / "in", *parts))
    assert store.labels.tolist() == [0, 2, 9, 10]


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [("i8", 1, 0), ("f8", 1, 0), ("f4", 1, 0.3), ("f4", 1 / 255, 0), ("f2", 1 / 255, 0)],
)
def test_prepare_other_number_types_same_bytes(tmp_path, dtype, scale, offset, dump_parts):
    data = (FRAMES[:2] * scale + offset).astype(dtype)
    folder = dump_parts(tmp_path / "in", (data[:1], [0]), (data[1:], [1]))
    np.testing.assert_array_equal(course.prepare(tmp_path / "s", folder).frames, FRAMES[:2])


def test_prepare_compressed_parts_give_the_same_store(tmp_path, dump_parts):
    folder = dump_parts(tmp_path / "x", (FRAMES[:3], [0, 0, 3]), (FRAMES[3:6], [3, 7, 10]))
    first = course.prepare(tmp_path / "a", folder)
    for name in course.PARTS:
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
        (folder / name).unlink()
    assert course.prepare(tmp_path / "b", folder).info.sha256 == first.info.sha256


def test_prepare_notices_classes_in_another_order(tmp_path, monkeypatch, dump_parts):
    monkeypatch.setattr(course, "COURSE_SEQUENCES", (1, 2, 3, *[0] * 8))
    folder = dump_parts(tmp_path / "a", (FRAMES[:3], [0, 1, 1]), (FRAMES[3:6], [2, 2, 2]))
    assert len(course.prepare(tmp_path / "s", folder)) == 6
    folder = dump_parts(tmp_path / "b", (FRAMES[:3], [0, 0, 1]), (FRAMES[3:6], [2, 2, 2]))
    message = "label 0 has 2 sequences, which is UCF-11's biking: the classes"
    with pytest.raises(UserError, match=message):
        course.prepare(tmp_path / "t", folder)


def test_export_round_trip_keeps_every_byte(tmp_path):
    first = write_store(tmp_path / "a", [0, 0, 1, 2, 2, 5, 10])
    files = course.export(first, tmp_path / "x")
    second = course.prepare(tmp_path / "b", tmp_path / "x")
    assert (tmp_path / "a/frames.npy").read_bytes() == (tmp_path / "b/frames.npy").read_bytes()
    again = course.export(second, tmp_path / "y")
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
    assert sorted(os.listdir(tmp_path / "x")) == list(course.PARTS)


def test_export_is_read_by_plain_pickle_sorted_by_class_and_by_old_pythons(tmp_path):
    store = write_store(tmp_path / "a", [3, 0, 3, 1, 0, 10, 0])
    contents = [file.read_bytes() for file in course.export(store, tmp_path)]
    for content in contents:
        assert content[:2] == b"\x80\x02"
        assert b"numpy._core" not in content
    (data, labels), (more_data, more_labels) = map(pickle.loads, contents)
    assert labels.tolist() == [0, 0, 0, 1]
    assert more_labels.tolist() == [3, 3, 10]
    frames = store.frames[[1, 4, 6, 3, 0, 2, 5]]
    np.testing.assert_array_equal(np.concatenate([data, more_data]), frames)


@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [([4], None, [4]), ([0, 1, 1], ["biking", "walking"], [1, 10, 10])],
    ids=["an empty second part", "some of the classes"],
)
def test_export_of_few_sequences_or_classes(tmp_path, labels, classes, numbers):
    course.export(write_store(tmp_path / "a", labels, classes), tmp_path)
    assert course.prepare(tmp_path / "b", tmp_path).labels.tolist() == numbers


def test_export_refuses_a_damaged_store(tmp_path):
    store = write_store(tmp_path / "a", [0, 1])
    with (store.path / "frames.npy").open("r+b") as file:
        file.seek(200_000)
        file.write(bytes(100))
    with pytest.raises(UserError, match="differ from their checksum"):
        course.export(ClipStore.open(store.path), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_export_refuses_to_overwrite(tmp_path):
    store = write_store(tmp_path / "a", [0, 1])
    (tmp_path / course.PARTS[1]).write_bytes(b"precious")
    with pytest.raises(UserError, match=r"part2\.pkl: exists already"):
        course.export(store, tmp_path)
    assert (tmp_path / course.PARTS[1]).read_bytes() == b"precious"
    assert not (tmp_path / course.PARTS[0]).exists()


@pytest.mark.parametrize("part", course.PARTS)
def test_export_leaves_a_link_to_what_is_away(tmp_path, part):
    (tmp_path / part).symlink_to("/mnt/away")
    with pytest.raises(UserError, match=f"{part}: exists already"):
        course.export(write_store(tmp_path / "a", [0, 1]), tmp_path)
    assert (tmp_path / part).is_symlink()


def test_export_refuses_other_classes_and_shapes(tmp_path):
    with pytest.raises(UserError, match="juggling_knives"):
        course.export(write_store(tmp_path / "a", [0], ["juggling_knives"]), tmp_path)
    info = {"source": "ucf11", "classes": ["biking"], "origin": {}, "window": 2, "size": 8}
    with create(tmp_path / "b", **info) as writer:
        writer.add(np.zeros((1, 2, 8, 8, 3), np.uint8), label=0, group="g", clip="c")
    with pytest.raises(UserError, match=r"\(2, 8, 8, 3\)"):
        course.export(ClipStore.open(tmp_path / "b"), tmp_path)


READ = """
import resource, sys
from ucf11lib.data.course import source
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source.prepare(sys.argv[1], sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [2, 4])
def test_prepare_needs_little_more_memory_than_a_part(tmp_path, protocol, dump_parts):
    """Each part has 128 sequences, 47 MB; the process may grow by 2.3 times the larger file."""
    part = (np.repeat(FRAMES[:2], 64, axis=0), np.zeros(128, int))
    folder = dump_parts(tmp_path / "in", part, part, protocol=protocol)
    command = [sys.executable, "-c", READ, str(tmp_path / "s"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    largest = max(file.stat().st_size for file in folder.iterdir())
    assert int(done.stdout) * 1024 < 2.3 * largest
