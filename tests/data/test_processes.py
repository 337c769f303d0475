import os
import subprocess
import sys
import tempfile

import pytest

SCRIPT = """
import os
from ucf11lib.data.processes import in_processes
print("started")
print(list(in_processes(os.path.basename, [("a/b",), ("c/d",), (None,)], 2)))
print(__import__("__main__").SEEN)
"""
KILLED = """
import os, signal
from ucf11lib.data.processes import in_processes
list(in_processes(os.path.basename, [("a/b",)], 1))
os.kill(os.getpid(), signal.SIGKILL)
"""
SEEN = "SEEN = 'its own names are there again'\n"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["script", "stdin", "module"])
def test_in_processes_does_not_run_the_users_program_again(how, tmp_path):
    (tmp_path / "own.py").write_text(SEEN + SCRIPT)
    how = {"script": ["own.py"], "stdin": ["-"], "module": ["-m", "own"]}[how]
    command = [sys.executable, *how]
    options = {"capture_output": True, "text": True, "timeout": 120, "check": True}
    done = subprocess.run(command, cwd=tmp_path, input=SEEN + SCRIPT, **options)
    lines = ["started", "['b', 'd', 'failed (TypeError)']", "its own names are there again"]
    assert done.stdout.splitlines() == lines


@pytest.mark.slow
def test_in_processes_removes_what_a_killed_process_left():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a socket's path is short
        environment = os.environ | {"TMPDIR": folder}
        for _ in range(2):
            subprocess.run([sys.executable, "-c", KILLED], env=environment, check=False)
            (left,) = os.listdir(folder)
            assert left.startswith(".partial-")
        ends = KILLED.rpartition("os.kill")[0]
        options = {"capture_output": True, "check": True}
        done = subprocess.run([sys.executable, "-c", ends], env=environment, **options)
        assert (os.listdir(folder), done.stderr) == ([], b"")
        for length in (50, 120):  # too long for one of ours, and for any
            long = os.path.join(folder, "x" * length)
            os.mkdir(long)
            own = environment | {"TMPDIR": long}
            subprocess.run([sys.executable, "-c", ends], env=own, check=True)
            assert os.listdir(long) == []
