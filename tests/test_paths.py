import errno
import functools
import json
import math
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from ucf11lib import paths


def test_atomic_file_leaves_nothing_on_failure(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), paths.atomic_file(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]
    with paths.atomic_file(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


def test_atomic_file_asks_for_space_first(tmp_path):
    full = pytest.raises(OSError, match="No space left")
    with full, paths.atomic_file(tmp_path / "a", expected_bytes=1 << 60):
        pass


def test_atomic_file_is_on_the_disk_before_its_name_is(tmp_path, monkeypatch):
    order, replace = [], Path.replace
    monkeypatch.setattr(os, "fsync", lambda _: order.append("bytes"))
    monkeypatch.setattr(Path, "replace", lambda *paths: order.append("name") or replace(*paths))
    with paths.atomic_file(tmp_path / "a") as temporary:
        temporary.write_text("mine")
    assert order == ["bytes", "name"]
    monkeypatch.setattr(Path, "rename", lambda *paths: order.append("name") or replace(*paths))
    with paths.atomic_dir(tmp_path / "d") as temporary:
        (temporary / "x").write_text("mine")
    assert order == 2 * ["bytes", "name"]


def test_atomic_dir_never_replaces(tmp_path, request):
    request.addfinalizer(functools.partial(os.umask, os.umask(0o022)))
    with pytest.raises(FileExistsError), paths.atomic_dir(tmp_path / "d") as temporary:  # noqa: PT012
        (temporary / "x").write_text("mine")
        (tmp_path / "d").mkdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["d"]
    with paths.atomic_dir(tmp_path / "e") as temporary:
        (temporary / "x").write_text("mine")
    assert [path.name for path in (tmp_path / "e").iterdir()] == ["x"]
    assert (tmp_path / "e").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("name", ["a.txt", "a" * 251 + ".txt", "é" * 120 + ".txt"])
def test_atomic_file_removes_what_a_killed_process_left_of_it(tmp_path, name):
    program = (
        "import os, signal, sys, pathlib\n"
        "from ucf11lib import paths\n"
        "with paths.atomic_file(pathlib.Path(sys.argv[1])) as one, one.open('w'):\n"
        "    with paths.atomic_dir(pathlib.Path(sys.argv[2])):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / name), str(tmp_path / "d")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    lives = f".partial-{socket.gethostname()}-1-{name[-40:]}"
    mine = [lives, ".partial-elsewhere-9-d", ".partial-d"]
    for other in mine:  # the second is another machine's, the third is none of these
        (tmp_path / other).touch()
    assert len(list(tmp_path.iterdir())) == 5
    with paths.atomic_file(tmp_path / name) as one, paths.atomic_dir(tmp_path / "d"):
        one.write_text("new")
    assert {path.name for path in tmp_path.iterdir()} == {*mine, name, "d"}


def test_atomic_file_of_a_new_name_replaces_nothing(tmp_path):
    file = tmp_path / "a.csv"

    def write():
        with paths.atomic_file(file, new=True) as mine:
            mine.write_text("mine")
            file.write_text("another command's")

    with pytest.raises(FileExistsError) as raised:
        write()
    assert raised.value.filename == str(file)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["another command's"]


@pytest.mark.parametrize("atomic", [paths.atomic_file, paths.atomic_dir])
def test_atomic_errors_name_what_was_asked_for(tmp_path, atomic):
    path = tmp_path / "a"
    with pytest.raises(OSError, match=f"File too large: '{path}'"), atomic(path):
        raise OSError(errno.EFBIG, "as of a write, which names no file")
    with pytest.raises(PermissionError, match=f"denied: '{path}'"), atomic(path) as temporary:
        raise OSError(errno.EACCES, "denied", str(temporary / "part"))
    with pytest.raises(FileNotFoundError, match="'/nowhere'"), atomic(path):
        Path("/nowhere").read_text()
    with pytest.raises(requests.Timeout), atomic(path):
        raise requests.Timeout("no error of the system")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("atomic", [paths.atomic_file, paths.atomic_dir])
def test_atomic_errors_of_a_read_only_disk_name_what_was_asked_for(tiny_disk, atomic):
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    path = tiny_disk / "a"
    with pytest.raises(OSError, match=f"Read-only file system: '{path}'"), atomic(path) as mine:
        mine.write_text("x")


def _hold(file, ready):
    with paths.lock(file):
        ready.set()
        multiprocessing.Event().wait()


def test_write_json_what_is_not_finite_is_null(tmp_path):
    paths.write_json(tmp_path / "a.json", {"losses": [1.5, math.nan], "norm": -math.inf})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {"losses": [1.5, None], "norm": None}


def test_lock_is_held_by_one_process(tmp_path):
    file = tmp_path / "sub" / ".lock"
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(file, ready))
    assert not paths.is_locked(file)
    process.start()
    assert ready.wait(60)
    assert paths.is_locked(file)
    with pytest.raises(paths.Locked), paths.lock(file, wait=False):
        pass
    process.kill()
    process.join()
    assert not paths.is_locked(file)
    with paths.lock(file, wait=False):
        assert paths.is_locked(file)
    assert not file.exists()


def test_lock_where_no_file_can_be_made_fails():
    with pytest.raises(FileNotFoundError), paths.lock(Path("/proc/x.lock")):
        pass


def test_remove_torn_of_the_current_folder_and_of_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert paths.remove_torn(Path()) == paths.remove_torn(tmp_path)
    with pytest.raises(IsADirectoryError):
        paths.remove_torn(Path("/"))


def test_data_dir_relative_is_in_the_checkout(monkeypatch, tmp_path):
    monkeypatch.setenv("UCF11_DATA", "data2")
    monkeypatch.chdir(tmp_path)
    assert paths.data_dir() == paths.ROOT / "data2"


def test_display_is_relative_inside_the_current_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert paths.display(tmp_path / "a" / "b") == "a/b"
    assert paths.display("/etc/hosts") == "/etc/hosts"
