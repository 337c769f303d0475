"""The levels of design: `make lint` holds them, and would notice an import that breaks them."""

import shutil
import subprocess
import sys

import pytest

from ucf11lib import paths

COMMAND = "from importlinter.cli import lint_imports_command; lint_imports_command()"


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("__init__.py", "", None),
        ("figures/style.py", "import ucf11lib.training", "levels"),
        ("data/splits.py", "import ucf11lib.models", "levels"),
        ("evaluation/metrics.py", "import ucf11lib.models", "evaluation builds no model"),
        ("report/build.py", "import ucf11lib.training", "a report is made of results"),
        ("text.py", "from ucf11lib import paths", "levels"),
    ],
)
def test_levels_hold_and_notice_a_forbidden_import(tmp_path, file, line, broken):
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(paths.ROOT / "ucf11lib", tmp_path / "ucf11lib", ignore=ignored)
    shutil.copy(paths.ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "ucf11lib" / file).open("a") as opened:
        opened.write(f"\n{line}\n")
    command = [sys.executable, "-c", COMMAND, "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    lines = [row for row in done.stdout.splitlines() if row.endswith("BROKEN")]
    assert (done.returncode, bool(lines)) == ((1, True) if broken else (0, False)), done.stdout
    assert not broken or any(row.startswith(broken) for row in lines)
