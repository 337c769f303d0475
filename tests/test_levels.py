"""The levels of design: `make lint` holds them, and would notice an import that breaks them."""

import shutil
import subprocess
import sys

import pytest

from ucf11lib import paths


def lint(folder):
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    command += ["--no-cache", "--config", str(folder / "pyproject.toml")]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


@pytest.fixture
def copy(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(paths.ROOT / "ucf11lib", tmp_path / "ucf11lib", ignore=ignored)
    shutil.copy(paths.ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_levels_hold(copy):
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("figures/style.py", "import ucf11lib.training", "levels"),
        ("data/splits.py", "import ucf11lib.models", "levels"),
        (
            "evaluation/metrics.py",
            "from ucf11lib.models import build",
            "evaluation builds no model",
        ),
        ("report/build.py", "from ucf11lib.training import train", "a report is made of results"),
        ("text.py", "from ucf11lib import paths", "levels"),
    ],
)
def test_levels_notice_a_forbidden_import(copy, file, line, contract):
    path = copy / "ucf11lib" / file
    path.write_text(f"{path.read_text()}\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1
    broken = [row for row in done.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(contract) for row in broken), done.stdout
