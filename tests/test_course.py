"""The course's two pickles: read, written, and refused when they would run something."""

import gzip
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ucf11lib.data import course, pickles, store
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


def loaded(content: bytes | object, tmp_path: Path) -> list[np.ndarray]:
    """What a pickle of (data, labels) holds, by way of a file."""
    file = tmp_path / "part.pkl"
    file.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, 2))
    with pickles.opened(file) as opened:
        return [item.load() if isinstance(item, pickles.Array) else np.array(item) for item in pickles.read(opened)]


@pytest.mark.parametrize("content", PYTHON2)
def test_reads_arrays_of_python_2(tmp_path, content):
    data, labels = loaded(content, tmp_path)
    assert data.tolist() == [[200, 201]]
    assert labels.tolist() == [3]


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<f4", ">f8", "b1"])
def test_arrays_keep_shape_type_and_order(tmp_path, protocol, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for form in (array, np.asfortranarray(array), array[:0], array[0, 0, 0]):
        (found,) = loaded(pickle.dumps((form,), protocol), tmp_path)
        assert found.dtype == form.dtype
        np.testing.assert_array_equal(found, form)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rows", [1, 3, 7, 100])
def test_what_is_too_long_for_memory_comes_in_chunks(tmp_path, monkeypatch, protocol, order, rows):
    monkeypatch.setattr(pickles, "LONG", 100)
    array = np.asarray(np.random.default_rng(0).integers(0, 256, (50, 3, 7), np.uint8), order=order)
    (tmp_path / "x").write_bytes(pickle.dumps((array, [1]), protocol))
    with pickles.opened(tmp_path / "x") as opened:
        found, labels = pickles.read(opened)
        chunks = list(found.chunks(rows))
    assert labels == [1]
    assert {len(chunk) for chunk in chunks[:-1]} <= {rows}
    np.testing.assert_array_equal(np.concatenate(chunks), array)


def test_compressed_parts_in_the_other_order_give_the_same_store(tmp_path, capsys):
    data, labels = sequences(6), np.array([0, 0, 3, 3, 7, 10])
    first = course.prepare(tmp_path / "a", dump(tmp_path / "x", (data[:3], labels[:3]), (data[3:], labels[3:])))
    folder = dump(tmp_path / "y", (data[3:], labels[3:]), (data[:3], labels[:3]))
    for name in course.PARTS:
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
        (folder / name).unlink()
    second = course.prepare(tmp_path / "b", folder)
    for name in ("frames.npy", "index.csv"):
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes()


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
def test_labels_come_in_many_forms(tmp_path, form):
    data, labels = sequences(4), np.array([0, 2, 9, 10])
    folder = dump(tmp_path / "in", (data[:2], form(labels[:2])), (data[2:], form(labels[2:])))
    assert course.prepare(tmp_path / "s", folder).labels.tolist() == [0, 2, 9, 10]


@pytest.mark.parametrize(
    "form",
    [
        lambda data: data.astype(np.int64),
        lambda data: data.astype(np.float64),
        lambda data: data.astype(np.float32) + 0.3,
        lambda data: (data / 255).astype(np.float32),
        lambda data: (data / 255).astype(np.float16),
    ],
)
def test_other_number_types_give_the_same_bytes(tmp_path, form):
    data = np.minimum(sequences(2), 254)
    part = (form(data[:1]), [0])
    made = course.prepare(tmp_path / "s", dump(tmp_path / "in", part, (form(data[1:]), [1])))
    np.testing.assert_array_equal(made.frames, data)


def test_classes_in_another_order_are_found_by_their_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "COURSE_SEQUENCES", (1, 2, 3, *[0] * 8))
    labels = [0, 1, 1, 2, 2, 2]
    data = sequences(6)
    folder = dump(tmp_path / "a", (data[:3], labels[:3]), (data[3:], labels[3:]))
    assert course.prepare(tmp_path / "s", folder).labels.tolist() == labels
    folder = dump(tmp_path / "b", (data[:3], [0, 0, 1]), (data[3:], [2, 2, 2]))
    with pytest.raises(UserError, match="label 0 has 2 sequences, which is UCF-11's biking: the classes"):
        course.prepare(tmp_path / "t", folder)


def test_an_interrupted_reading_goes_on(tmp_path, monkeypatch, capsys):
    labels = np.repeat(np.arange(4), 5)
    folder = dump(tmp_path / "in", (sequences(20)[:11], labels[:11]), (sequences(20)[11:], labels[11:]))
    course.prepare(tmp_path / "whole", folder)
    add, added = store.StoreWriter.add, []

    def stopping(self, *arguments, **options):
        added.append(options["clip"])
        if len(added) == 9:
            raise KeyboardInterrupt
        add(self, *arguments, **options)

    monkeypatch.setattr(store.StoreWriter, "add", stopping)
    with pytest.raises(KeyboardInterrupt):
        course.prepare(tmp_path / "s", folder)
    course.prepare(tmp_path / "s", folder)
    assert len(added) == 9 + 12
    for file in (tmp_path / "whole").iterdir():
        assert (tmp_path / "s" / file.name).read_bytes() == file.read_bytes()


READ = """
import resource, sys
from ucf11lib.data import course
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
course.prepare(sys.argv[1], sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_part_is_never_in_memory(tmp_path, protocol):
    """128 sequences are 47 MB; what reading needs is a few chunks of 6 MB, and does not grow."""
    data = np.repeat(sequences(4), 64, axis=0)
    folder = dump(tmp_path / "in", *[(data[half], np.zeros(128, int)) for half in (slice(128), slice(128, 256))],
                  protocol=protocol)  # fmt: skip
    command = [sys.executable, "-c", READ, str(tmp_path / "s"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) * 1024 < 0.75 * 128 * data[0].nbytes


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
    with pytest.raises(UserError, match="holds tuple of 2"):
        course.prepare(tmp_path / "store", dump(tmp_path / "in", tampered, tampered))
    assert not np.dtype("u1").hasobject


GOOD = pickle.dumps((np.full((1, *course.SHAPE), 9, np.uint8), [0]), 4)


def refused(tmp_path: Path, bad: object, message: str) -> None:
    """Whatever the second part is, the first is good; nothing is made, and one line says which file and what."""
    folder = dump(tmp_path / "in", (sequences(1), [0]), bad)
    with pytest.raises(UserError, match=message) as caught:
        course.prepare(tmp_path / "store", folder)
    assert str(folder / course.PARTS[1]) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["in"]


# `make` stands for a call that would create a file; %r is its name.
HOSTILE = {
    "a class instance of protocol 0": (b"(S%r\nS'w'\ni__builtin__\nopen\n.", r"names __builtin__\.open"),
    "a class called by OBJ": (b"(c__builtin__\nopen\nS%r\nS'w'\no.", r"names __builtin__\.open"),
    "a new object": (b"\x80\x02cnumpy\nndarray\n)\x81.", "instruction NEWOBJ"),
    "a new object with keywords": (b"\x80\x04\x8c\x05numpy\x8c\x07ndarray\x93)(t\x92.", "instruction NEWOBJ_EX"),
    "an extension code": (b"\x80\x02\x82\x01.", "instruction EXT1"),
    "a persistent name": (b"P%r\n.", "asks for .*, which is not in the file"),
    "a persistent object": (b"\x80\x02(K\x01K\x02tQ.", r"asks for \(1, 2\), which is not in the file"),
    "a buffer kept elsewhere": (b"\x80\x05\x97.", "instruction NEXT_BUFFER"),
    "a module by a dotted name": (b"\x80\x04\x8c\x02os\x8c\x0bpath.exists\x93.", r"names os\.path\.exists"),
    "numpy's door to other pickles": (b"cnumpy\nload\n(S%r\nNI01\ntR.", r"names numpy\.load"),
    "the state of a list": (b"(l(dS'x'\nS'y'\nsb.", "DICT"),
    "the state of a number": (b"I1\n(lb.", "sets the state of int"),
    "a call of a number": (b"I1\n(tR.", "not callable"),
    "more bytes than there are": (b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x.", "1099511627776 bytes"),
    "a negative length": (b"T\xff\xff\xff\xffx.", "run of -1 bytes"),
    "a memo that is not there": (b"g7\n.", "Memo value not found"),
    "an empty stack": (b".", "IndexError"),
    "an instruction that does not exist": (b"\x80\x02\xff.", "instruction 0xff"),
    "a protocol of the future": (b"\x80\x63.", "unsupported pickle protocol"),
    "an array without its bytes": (
        GOOD.replace(b"B" + np.uint32(368640).tobytes() + bytes([9]) * 368340, b"B" + np.uint32(300).tobytes()),
        r"an array of \(1, 30, 64, 64, 3\) and uint8 in 300 bytes",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_pickles_are_refused_and_make_nothing(tmp_path, case):
    content, message = HOSTILE[case]
    victim = tmp_path / "victim"
    refused(tmp_path, content.replace(b"%r", repr(str(victim)).encode()), message)
    assert not victim.exists()


def of(shape: tuple, dtype: object = np.uint8) -> np.ndarray:
    return np.full(shape, 9, dtype)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ((of((2, 30, 32, 32, 3)), [0, 1]), r"data is uint8 \(2, 30, 32, 32, 3\), expected uint8 \(n, 30, 64"),
        ((of((1, *course.SHAPE), np.float32) - 10, [0]), r"data is float32 -1\.\.-1, expected grey levels 0\.\.255"),
        ((of((1, *course.SHAPE), np.float32) * np.nan, [0]), r"data is float32 nan"),
        ((of((1, *course.SHAPE), np.int32) * 100, [0]), r"data is int32 0\.\.900"),
        ((of((1, *course.SHAPE)) // 9, [0]), r"data is uint8 0\.\.1, expected grey levels 0\.\.255, or 0\.\.1 as"),
        (([[1, 2], [3, 4]], [0, 1]), r"holds tuple of 2; it must be a pickled \(data, labels\)"),
        ((of((1, *course.SHAPE)), [0, 1]), r"labels are int64 \(2,\), expected 1"),
        ((of((1, *course.SHAPE)), np.zeros((1, 11))), r"labels are float64 \(1, 11\)"),
        ((of((1, *course.SHAPE)), np.ones((1, 11))), r"labels are float64 \(1, 11\)"),
        ((of((1, *course.SHAPE)), np.eye(5)[:1]), r"labels are float64 \(1, 5\)"),
        ((of((1, *course.SHAPE)), [None]), r"labels are list of 1"),
        ((of((1, *course.SHAPE)), ["walking"]), r"labels are list of 1"),
        ((of((1, *course.SHAPE)), [0.5]), r"labels 0\.5\.\.0\.5"),
        ((of((2, *course.SHAPE)), [0, 11]), r"labels 11\.\.11, expected 0\.\.10"),
        ((of((2, *course.SHAPE)), [-1, 3]), r"labels -1\.\.-1"),
        ((of((2, *course.SHAPE)), [3, 1]), r"label 1 at sequence 1 comes after a higher one"),
        ((None, None), r"holds tuple of 2"),
        ([1, 2, 3], r"holds list of 3; it must be a pickled \(data, labels\)"),
        (of(3), r"holds Array of 3"),
        (b"", r"EOFError"),
        (b"\x80\x02(no pickle at all", r"not read"),
        (GOOD[:-1000], r"not read"),
        (gzip.compress(GOOD)[:-100], r"not read"),
        (gzip.compress(GOOD[:-1000]), r"not read"),
        (gzip.compress(GOOD)[:200] + b"broken" + gzip.compress(GOOD)[206:], r"not read"),
    ],
)
def test_a_file_that_is_not_the_course_s_is_named_and_leaves_no_store(tmp_path, bad, message):
    refused(tmp_path, bad, message)


def test_a_missing_part_is_named_before_the_other_is_read(tmp_path):
    folder = dump(tmp_path / "in", b"not even a pickle", (sequences(1), [0]))
    (folder / course.PARTS[1]).unlink()
    with pytest.raises(UserError, match=r"part2\.pkl: no such file; give --data"):
        course.prepare(tmp_path / "store", folder)
    with pytest.raises(UserError, match=r"part1\.pkl: no such file"):
        course.prepare(tmp_path / "store", tmp_path / "nowhere")
