"""Pickled arrays: read as data, and refused when they would run something."""

import gzip
import os
import pickle
import resource
import time

import numpy as np
import pytest

from ucf11lib.data.course.pickles import Refused, read_pair

# (uint8 [[200, 201]], int64 [3]) as Python 2.7 with numpy 1.16 wrote it: cPickle, protocol 2;
# and pickle, protocol 0.
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


def load(tmp_path, content):
    """What a pickle of (data, labels) holds, read from a file."""
    file = tmp_path / "part.pkl"
    file.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, 2))
    return read_pair(file)


@pytest.mark.parametrize("content", PYTHON2)
def test_read_pair_arrays_of_python_2(tmp_path, content):
    data, labels = load(tmp_path, content)
    assert data.tolist() == [[200, 201]]
    assert list(labels) == [3]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_read_pair_keeps_shape_type_and_order(tmp_path, protocol):
    for dtype in ("u1", "<i2", ">i2", "<f4", ">f8", "b1"):
        array = np.arange(24).reshape(2, 3, 4).astype(dtype)
        for form in (array, np.asfortranarray(array), array[:0], array[:1, 0, 0]):
            data, labels = load(tmp_path, pickle.dumps((form, [np.int64(3), 4]), protocol))
            assert data.dtype == form.dtype
            np.testing.assert_array_equal(data, form)
            assert labels == [3, 4]


class Hostile:
    def __init__(self, call, *args):
        self.call = call, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_read_pair_refuses_calls_and_runs_nothing(tmp_path, protocol):
    victim = tmp_path / "victim"
    for call, args, name in (
        (os.system, (f"touch {victim}",), r"(posix|nt)\.system"),
        (open, (str(victim), "w"), r"(io|_io|builtins|__builtin__)\.open"),
        (eval, ("1",), r"(builtins|__builtin__)\.eval"),
        (np.load, (str(victim), None, True), r"numpy\.\S*load"),
    ):
        content = pickle.dumps((np.zeros(3, np.uint8), Hostile(call, *args)), protocol)
        with pytest.raises(Refused, match=name):
            load(tmp_path, content)
        assert not victim.exists()


def test_read_pair_refuses_arrays_of_objects_and_changed_types(tmp_path):
    raw = np.zeros(1, np.uint64)
    content = pickle.dumps((raw, raw), 2)
    with pytest.raises(Refused, match="not numeric"):
        load(tmp_path, content.replace(b"X\x02\x00\x00\x00u8", b"X\x02\x00\x00\x00O8"))
    content = pickle.dumps(([np.dtype("u1")], [0]), 2)
    assert content.count(b"K\x00tq") == 1
    with pytest.raises(Refused):
        load(tmp_path, content.replace(b"K\x00tq", b"K\x3ftq"))
    assert not np.dtype("u1").hasobject


# %r is the name of a file that a call would create.
HOSTILE = {
    "a class instance of protocol 0": b"(S%r\nS'w'\ni__builtin__\nopen\n.",
    "a class called by OBJ": b"(c__builtin__\nopen\nS%r\nS'w'\no.",
    "a new object": b"\x80\x02cnumpy\nndarray\n)\x81.",
    "a new object with keywords": b"\x80\x04\x8c\x05numpy\x8c\x07ndarray\x93)(t\x92.",
    "an extension code": b"\x80\x02\x82\x01.",
    "a persistent name": b"P%r\n.",
    "a persistent object": b"\x80\x02(K\x01K\x02tQ.",
    "a buffer elsewhere": b"\x80\x05\x97.",
    "a module by a dotted name": b"\x80\x04\x8c\x02os\x8c\x0bpath.exists\x93.",
    "numpy's way to other pickles": b"cnumpy\nload\n(S%r\nNI01\ntR.",
    "more bytes than there are": b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x.",
    "an instruction that does not exist": b"\x80\x02\xff.",
    "nothing": b"",
    "a list of three": pickle.dumps([1, 2, 3]),
    "lists": pickle.dumps(([[1, 2], [3, 4]], [0, 1])),
    "only an array": pickle.dumps(np.zeros(3)),
    "a shape of doubling tuples": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n"
    + b")R(K\x01K\x02\x85q\x00"
    + b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(40))
    + b"cnumpy\ndtype\nX\x02\x00\x00\x00u1K\x00K\x01\x87R\x89U\x00tb.",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [b"\x80\x02Nr\xff\xff\xff\x7f.", gzip.compress(b"\x80\x02" + b"]" * (1 << 25), 1)],
    ids=["a memo of 2**31 entries", "33 million lists, compressed"],
)
def test_read_pair_has_little_memory_for_a_small_file(tmp_path, content):
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(Refused, match=r"it takes more than [0-9]+ MiB of memory"):
        load(tmp_path, content)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_read_pair_cannot_change_the_stand_ins(tmp_path):
    """BUILD sets attributes of what is on the stack, such as a function's defaults."""
    change = b"N}X\x0c\x00\x00\x00__defaults__X\x03\x00\x00\x00bad\x85s\x86b0N."
    with pytest.raises(Refused):
        load(tmp_path, b"\x80\x02c_codecs\nencode\n" + change)
    assert load(tmp_path, (np.arange(3), [1]))[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("case", HOSTILE)
def test_read_pair_refuses_hostile_pickles(tmp_path, case):
    victim = tmp_path / "victim"
    start = time.monotonic()
    with pytest.raises(Refused) as raised:
        load(tmp_path, HOSTILE[case].replace(b"%r", repr(str(victim)).encode()))
    assert not victim.exists()
    assert len(str(raised.value)) < 200
    assert time.monotonic() - start < 20  # a refusal, not an exhausted machine


def test_read_pair_refuses_damaged_gzip(tmp_path):
    good = pickle.dumps((np.full((1, 30, 64, 64, 3), 9, np.uint8), [0]), 4)
    packed = gzip.compress(good, compresslevel=0)
    assert load(tmp_path, packed)[1] == [0]
    middle = len(packed) // 2
    wrong = packed[:middle] + bytes([packed[middle] ^ 0x55]) + packed[middle + 1 :]
    for content in (packed[:-100], gzip.compress(good[:-1000]), wrong, good[:-1000]):
        with pytest.raises(Refused):
            load(tmp_path, content)
