import subprocess
import sys

import pytest

SCRIPT = """
import os
from ucf11lib.data.processes import in_processes
print("started")
print(list(in_processes(os.path.basename, [("a/b",), ("c/d",), (None,)], 2)))
print(__import__("__main__").SEEN)
"""
SEEN = "SEEN = 'its own names are there again'\n"


@pytest.mark.parametrize("how", ["script", "stdin", "module"])
def test_in_processes_does_not_run_the_users_program_again(how, tmp_path):
    (tmp_path / "own.py").write_text(SEEN + SCRIPT)
    how = {"script": ["own.py"], "stdin": ["-"], "module": ["-m", "own"]}[how]
    command = [sys.executable, *how]
    options = {"capture_output": True, "text": True, "timeout": 120, "check": True}
    done = subprocess.run(command, cwd=tmp_path, input=SEEN + SCRIPT, **options)
    lines = ["started", "['b', 'd', 'failed (TypeError)']", "its own names are there again"]
    assert done.stdout.splitlines() == lines
