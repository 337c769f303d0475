"""README's section "Add a model", done word for word in a copy of the library."""

import re
import shutil
import subprocess
import sys

import pytest

from ucf11lib import paths

README = (paths.ROOT / "README.md").read_text()
SECTION = README.partition("## Add a model\n")[2].partition("\n## ")[0]
CODE, REGISTRATION = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
COMMANDS = re.findall(r"^    \.venv/bin/python -m ucf11lib (.*)$", SECTION, re.MULTILINE)
# In one process, since each would load TensorFlow anew.
PROGRAM = """
import shlex, sys
from ucf11lib.__main__ import main
for words in sys.argv[1:]:
    assert main(shlex.split(words, comments=True)) == 0, words
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, write_video):
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(paths.ROOT / "ucf11lib", folder / "ucf11lib")
    (folder / re.search(r"`(ucf11lib/models/.*?)`", SECTION)[1]).write_text(CODE)
    with (folder / "ucf11lib" / "models" / "registry.py").open("a") as registry:
        registry.write(REGISTRATION)
    write_video(folder / "clip.mp4", 40, "mpeg4")
    return folder


def test_readme_commands_work_with_the_new_model(checkout):
    assert len(COMMANDS) == 5
    command = [sys.executable, "-c", PROGRAM, *COMMANDS]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
