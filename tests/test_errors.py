"""What the system refuses is one line with the right remedy and exit code."""

import errno
import os
import subprocess
import sys

import pytest

from ucf11lib.errors import RunFailed, UserError, one_line, open_streams

LATE = """
import ctypes, os, signal, sys, time
from ucf11lib.errors import one_line, raise_on_signals

class Late:
    def now(self):
        os.kill(os.getpid(), signal.SIGTERM)

    __del__ = now

    @property
    def asked(self):
        self.now()
        time.sleep(60)

def in_a_destructor():
    Late()

def below_c_code():  # which discards the error and continues
    ctypes.pythonapi.PyObject_HasAttrString(ctypes.py_object(Late()), b"asked")

def turned_into_another():
    try:
        Late().asked
    except KeyboardInterrupt:
        pass
    raise SystemError("bad argument to internal function")

def inside_tensorflow():  # where an error at any place may crash the process
    names = {"__name__": "tensorflow.python", "late": Late()}
    exec("def call():\\n late.now()\\n print('left TensorFlow')", names)
    names["call"]()
    print("not reached")

def inside_tensorflow_for_long():
    names = {"__name__": "keras.predict", "late": Late(), "time": time}
    exec("def call():\\n late.now()\\n while True: time.sleep(0.1)", names)
    names["call"]()

raise_on_signals()
try:
    globals()[sys.argv[1]]()
    time.sleep(60)
except BaseException as error:
    Late.__del__ = lambda self: None
    print(one_line(error, "RESUME"))
    time.sleep(0.3)  # nothing is sent again
    print("ended")
"""


@pytest.mark.parametrize(
    ("number", "words", "code"),
    [
        (errno.ENOSPC, "a: No space left on device; free some space or choose another place", 1),
        (errno.EACCES, "a: Permission denied; allow it with chmod, or choose another", 2),
        (errno.ENAMETOOLONG, "a: File name too long; choose a shorter name", 2),
        (errno.EISDIR, "a: Is a directory; a folder is where a file should be", 2),
        (errno.ENOLCK, "a: No locks available; put runs and data on a disk that has locks", 1),
        (errno.EMFILE, "a: Too many open files; raise the limit of open files with 'ulimit", 1),
        (errno.EFBIG, "a: File too large; raise the limit of file sizes with 'ulimit -f", 1),
        (errno.ESTALE, "[Errno 116] Stale file handle: 'a'; resume: RESUME", 1),
    ],
)
def test_one_line_of_the_system(number, words, code):
    line, exit_code = one_line(OSError(number, os.strerror(number), "a"), "RESUME")
    assert line.startswith(words)
    assert exit_code == code


def test_one_line_is_one_line_and_raises_faults_of_ours():
    assert one_line(UserError("a\nb.mp4: no"), "") == ("a b.mp4: no", 2)
    assert one_line(RunFailed("no"), "") == ("no", 1)
    assert one_line(MemoryError(), "X") == ("out of memory; free some; resume: X", 1)
    broken = ImportError("a.so: failed to map segment", name="tensorflow.python")
    assert one_line(broken, "X")[0].startswith("a.so: failed to map segment; raise the limit")
    with pytest.raises(ImportError):
        one_line(ImportError("cannot import name", name="ucf11lib.paths"), "X")
    wrapped = RuntimeError("no cluster")
    wrapped.__context__ = OSError(errno.EMFILE, "Too many open files")
    assert one_line(wrapped, "X")[0].startswith("output: Too many open files; raise")
    wrapped.__context__ = FileNotFoundError(errno.ENOENT, "x")
    with pytest.raises(RuntimeError, match="no cluster"):
        one_line(wrapped, "X")


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        ("ValueError('no number')", "other cannot be loaded: no number; correct its settings"),
        ("OSError(24, 'x')", "output: Too many open files; raise the limit"),
    ],
)
def test_one_line_of_an_import(raised, message):
    with pytest.raises((ValueError, OSError)) as error:
        exec(f"raise {raised}", {"__name__": "other.part"})
    assert one_line(error.value, "X")[0].startswith(message)


HANGS = """
import sys, threading
from ucf11lib import __main__, errors
threading.Thread(target=threading.Event().wait).start()
__main__.one_line = lambda *_: ("no", 1)
__main__.end_within = lambda seconds: errors.end_within(seconds / 10)
sys.exit(__main__.main())
"""
CONNECT = "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT"
PREPARE = "prepare --profile smoke --store {}/s"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "setting", "value", "message"),
    [
        (PREPARE, "TQDM_NCOLS", "wide", "tqdm cannot be loaded: invalid"),
        ("study {}/g.yaml", "DASK_CONFIG", "{}", "dask cannot be loaded: A dask config file at"),
        ("study {}/g.yaml --workers 2", CONNECT, "soon", "Dask starts no workers: "),
    ],
)
def test_settings_that_other_packages_refuse(tmp_path, cli, words, setting, value, message):
    (tmp_path / "dask.yaml").write_text("distributed: [1")
    (tmp_path / "g.yaml").write_text("base: {profile: smoke, model: c3d}\ngrid: {seed: [0, 1]}\n")
    done = cli(*words.format(tmp_path).split(), **{setting: value.format(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == ["dask.yaml", "g.yaml"]


def test_names_are_utf8_in_any_locale():
    command = [sys.executable, "-m", "ucf11lib", "store", "describe", "caf\u00e9"]
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(command, env=os.environ | locale, capture_output=True, check=False)
    assert done.stderr.decode().startswith("error: caf\u00e9: not a clip store")
    assert done.returncode == 2


def test_what_commands_a_terminal_is_shown(capsys):
    title = "\x1b]0;mine\x07\u202e"
    shown = "\\x1b]0;mine\\x07\\u202e"
    assert one_line(UserError(f"{title}.mp4: no"), "")[0] == f"{shown}.mp4: no"
    open_streams()
    open_streams()
    print(title, "caf\u00e9\t1\n2")
    assert capsys.readouterr().out == f"{shown} caf\u00e9\t1\n2\n"


def test_output_and_errors_are_in_the_order_of_time_in_a_file():
    program = "import sys; from ucf11lib.errors import open_streams; open_streams(); "
    program += "print('first'); print('second', file=sys.stderr); print('third')"
    together = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run([sys.executable, "-c", program], check=True, **together)
    assert done.stdout == "first\nsecond\nthird\n"


def test_failed_command_ends_though_a_thread_hangs():
    """TensorFlow's do, where there is no memory for more of them."""
    command = [sys.executable, "-c", HANGS, "store", "describe", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: no\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "before"),
    [
        ("in_a_destructor", ""),
        ("below_c_code", ""),
        ("turned_into_another", ""),
        ("inside_tensorflow", "left TensorFlow\n"),
        ("inside_tensorflow_for_long", ""),
    ],
)
def test_sigterm_is_never_lost(where, before):
    """TensorFlow has destructors, and C code that discards what is raised below it."""
    command = [sys.executable, "-c", LATE, where]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout == f"{before}('interrupted; resume with: RESUME', 143)\nended\n"
    assert done.stderr == ""
