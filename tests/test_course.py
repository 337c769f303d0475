"""The course's two pickles: read, written, and refused when they would run something."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from ucf11lib.data import course, store
from ucf11lib.data.motions import MOTIONS
from ucf11lib.errors import UserError

# (uint8 [[200, 201]], int64 [3]) as Python 2.7 with numpy 1.16 wrote it: cPickle, protocol 2; and pickle, protocol 0.
PYTHON2 = [
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03(K\x01K"
    b"\x01K\x02\x86cnumpy\ndtype\nq\x04U\x02u1K\x00K\x01\x87Rq\x05(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff"
    b"\xffK\x00tb\x89U\x02\xc8\xc9tbh\x01h\x02K\x00\x85U\x01b\x87Rq\x06(K\x01K\x01\x85h\x04U\x02i8K\x00K\x01"
    b"\x87Rq\x07(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08\x03\x00\x00\x00\x00\x00\x00"
    b"\x00tb\x86q\x08.",
    b"(cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\ntp4\nRp5\n(I1\n(I1\n"
    b"I2\ntp6\ncnumpy\ndtype\np7\n(S'u1'\np8\nI0\nI1\ntp9\nRp10\n(I3\nS'|'\np11\nNNNI-1\nI-1\nI0\ntp12\nbI00\nS"
    b"'\\xc8\\xc9'\np13\ntp14\nb(lp15\nI3\natp16\n.",
]


def sequences(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, *course.SHAPE), np.uint8)


def dump(folder: Path, *parts: object, protocol: int = 2) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in zip(course.PARTS, parts, strict=True):
        (folder / name).write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return folder


def a_store(path: Path, labels: list[int], classes: list[str] | None = None) -> store.ClipStore:
    with store.create(path, source="ucf11", classes=classes or list(MOTIONS), origin={}) as writer:
        for i, (frames, label) in enumerate(zip(sequences(len(labels)), labels, strict=True)):
            writer.add(frames[None], label=label, group=f"g{i}", clip=f"c{i}")
    return store.ClipStore.open(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_reads_what_any_pickle_protocol_wrote(tmp_path, capsys, protocol):
    data, labels = sequences(5), np.array([0, 3, 3, 7, 10])
    folder = dump(tmp_path / "in", (data[:3], labels[:3]), (data[3:], list(labels[3:])), protocol=protocol)
    made = course.prepare(tmp_path / "store", folder)
    np.testing.assert_array_equal(made.frames, data)
    np.testing.assert_array_equal(made.labels, labels)
    assert made.index["confidence"].between(0.5, 1).all()
    assert (made.index.groupby("clip")["label"].nunique() == 1).all()
    assert (made.index.groupby("group")["label"].nunique() == 1).all()
    assert made.info["classes"] == list(MOTIONS)
    assert made.info["origin"]["groups"] == made.info["origin"]["clips"] == "estimated"
    assert "estimated from the frames" in capsys.readouterr().err
    assert made.kind.endswith(", groups estimated)")
    made.verify()


@pytest.mark.parametrize("content", PYTHON2)
def test_reads_arrays_of_python_2(tmp_path, monkeypatch, content):
    monkeypatch.setattr(course, "SHAPE", (2,))
    (tmp_path / "part.pkl").write_bytes(content)
    data, labels = course._load(tmp_path / "part.pkl")
    assert data.tolist() == [[200, 201]]
    assert labels.tolist() == [3]


def test_fortran_order_is_read_as_what_it_means(tmp_path):
    data = sequences(2)
    for protocol in (2, 5):
        folder = dump(tmp_path / "in", *[(np.asfortranarray(data), [0, 1])] * 2, protocol=protocol)
        np.testing.assert_array_equal(course._load(folder / course.PARTS[0])[0], data)


def test_round_trip_keeps_every_byte(tmp_path):
    first = a_store(tmp_path / "a", [0, 0, 1, 2, 2, 5, 10])
    files = course.export(first, tmp_path / "x")
    second = course.prepare(tmp_path / "b", tmp_path / "x")
    assert (tmp_path / "a/frames.npy").read_bytes() == (tmp_path / "b/frames.npy").read_bytes()
    again = course.export(second, tmp_path / "y")
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
    assert [file.name for file in files] == list(course.PARTS)
    assert sorted(os.listdir(tmp_path / "x")) == list(course.PARTS)


def test_plain_pickle_reads_the_export_sorted_by_class(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "CHUNK", 2)
    made = a_store(tmp_path / "a", [3, 0, 3, 1, 0, 10, 0])
    parts = [pickle.loads(file.read_bytes()) for file in course.export(made, tmp_path)]
    assert [len(data) for data, _ in parts] == [4, 3]
    labels = np.concatenate([labels for _, labels in parts])
    assert labels.tolist() == [0, 0, 0, 1, 3, 3, 10]
    np.testing.assert_array_equal(np.concatenate([data for data, _ in parts]), made.frames[[1, 4, 6, 3, 0, 2, 5]])


def test_export_speaks_as_old_pythons_and_numpys_do(tmp_path):
    for file in course.export(a_store(tmp_path / "a", [1, 2]), tmp_path):
        content = file.read_bytes()
        assert content[:2] == b"\x80\x02"
        assert b"numpy._core" not in content


def test_export_of_one_sequence_leaves_the_second_part_empty(tmp_path):
    course.export(a_store(tmp_path / "a", [4]), tmp_path)
    assert course.prepare(tmp_path / "b", tmp_path).labels.tolist() == [4]


def test_export_of_some_classes_uses_the_course_s_numbers(tmp_path):
    made = a_store(tmp_path / "a", [0, 1, 1], classes=["biking", "walking"])
    course.export(made, tmp_path)
    assert course.prepare(tmp_path / "b", tmp_path).labels.tolist() == [1, 10, 10]


def test_export_refuses_to_overwrite(tmp_path):
    made = a_store(tmp_path / "a", [0, 1])
    (tmp_path / course.PARTS[1]).write_bytes(b"precious")
    with pytest.raises(UserError, match=r"part2\.pkl: exists already"):
        course.export(made, tmp_path)
    assert (tmp_path / course.PARTS[1]).read_bytes() == b"precious"
    assert not (tmp_path / course.PARTS[0]).exists()


def test_export_refuses_other_classes_and_shapes(tmp_path):
    with pytest.raises(UserError, match="juggling_knives"):
        course.export(a_store(tmp_path / "a", [0], classes=["juggling_knives"]), tmp_path)
    with store.create(tmp_path / "b", source="ucf11", classes=["biking"], origin={}, window=2, size=8) as writer:
        writer.add(np.zeros((1, 2, 8, 8, 3), np.uint8), label=0, group="g", clip="c")
    with pytest.raises(UserError, match=r"\(2, 8, 8, 3\)"):
        course.export(store.ClipStore.open(tmp_path / "b"), tmp_path)


class Hostile:
    def __init__(self, call, *args):
        self.call = call, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_that_calls_a_function_is_refused_and_nothing_runs(tmp_path, protocol):
    victim = tmp_path / "victim"
    good = (sequences(1), [0])
    for call, args, name in (
        (os.system, (f"touch {victim}",), r"(posix|nt)\.system"),
        (open, (str(victim), "w"), r"(io|_io|builtins|__builtin__)\.open"),
        (eval, ("1",), r"(builtins|__builtin__)\.eval"),
        (np.load, (str(victim), None, True), r"numpy\.\S*load"),
    ):
        folder = dump(tmp_path / "in", good, (sequences(1), Hostile(call, *args)), protocol=protocol)
        with pytest.raises(UserError, match=name) as caught:
            course.prepare(tmp_path / "store", folder)
        assert course.PARTS[1] in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not victim.exists()
    assert os.listdir(tmp_path) == ["in"]


def test_a_pickle_cannot_make_an_array_of_pointers(tmp_path):
    raw = np.zeros(1, np.uint64)
    content = pickle.dumps((raw, raw), 2).replace(b"X\x02\x00\x00\x00u8", b"X\x02\x00\x00\x00O8")
    with pytest.raises(UserError, match="O8"):
        course.prepare(tmp_path / "store", dump(tmp_path / "in", content, content))


def test_a_pickle_cannot_alter_numpy_s_own_types(tmp_path):
    content = pickle.dumps(([np.dtype("u1")], [0]), 2)
    assert content.count(b"K\x00tq") == 1
    tampered = content.replace(b"K\x00tq", b"K\x3ftq")
    with pytest.raises(UserError, match="data is"):
        course.prepare(tmp_path / "store", dump(tmp_path / "in", tampered, tampered))
    assert not np.dtype("u1").hasobject


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ((np.zeros((2, 30, 32, 32, 3), np.uint8), [0, 1]), r"uint8 \(2, 30, 32, 32, 3\), expected uint8 \(n, 30, 64"),
        ((np.zeros((1, *course.SHAPE), np.float32), [0]), r"data is float32"),
        ((np.zeros((1, *course.SHAPE), np.uint8), [0, 1]), r"labels are int64 \(2,\), expected 1"),
        ((np.zeros((1, *course.SHAPE), np.uint8), np.zeros((1, 11))), r"labels are float64 \(1, 11\)"),
        ((np.zeros((1, *course.SHAPE), np.uint8), [None]), r"labels are object"),
        ((np.zeros((2, *course.SHAPE), np.uint8), [0, 11]), r"labels 11\.\.11, expected 0\.\.10"),
        ((np.zeros((2, *course.SHAPE), np.uint8), [-1, 3]), r"labels -1\.\.-1"),
        ((None, None), r"data is object \(\)"),
        ([1, 2, 3], r"it must be a pickled \(data, labels\)"),
        (b"", r"EOFError"),
        (b"\x80\x02(no pickle at all", r"not read"),
        (pickle.dumps((np.zeros((1, *course.SHAPE), np.uint8), [0]), 4)[:-1000], r"not read"),
    ],
)
def test_a_file_that_is_not_the_course_s_is_named_and_leaves_no_store(tmp_path, bad, message):
    folder = dump(tmp_path / "in", (sequences(1), [0]), bad)
    with pytest.raises(UserError, match=message) as caught:
        course.prepare(tmp_path / "store", folder)
    assert str(folder / course.PARTS[1]) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["in"]


def test_a_missing_part_is_named_before_the_other_is_read(tmp_path):
    folder = dump(tmp_path / "in", b"not even a pickle", (sequences(1), [0]))
    (folder / course.PARTS[1]).unlink()
    with pytest.raises(UserError, match=r"part2\.pkl: no such file; give --data"):
        course.prepare(tmp_path / "store", folder)
    with pytest.raises(UserError, match=r"part1\.pkl: no such file"):
        course.prepare(tmp_path / "store", tmp_path / "nowhere")
