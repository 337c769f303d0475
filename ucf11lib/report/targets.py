"""Where pages go and where their files are: nothing is replaced or shown that is not the report's.

An earlier page of ours is replaced, what anybody else made is not. A report may be a stranger's: a
link in it could lead to any file of this machine, which would then be published.
"""

import os
from pathlib import Path

from ucf11lib import paths
from ucf11lib.errors import UserError

MAX_BYTES = 1 << 28  # no page of ours is larger
MARKS = {  # by which the files of an earlier report are known
    "report.html": '<meta name="author" content="The ucf11 project" />',
    "report.pdf": "Author(The ucf11 project)",
    "models.md": "# Model cards\n\nOne card a trained model, after Mitchell",
}


def check_own(path: Path, mark: str, remedy: str = "say with --out where it goes") -> None:
    """Raise a `UserError` if something is at `path` that is no file with our mark in it."""
    if os.path.lexists(path):
        ours = path.is_file() and not path.is_symlink() and path.stat().st_size < MAX_BYTES
        if not ours or mark.encode() not in path.read_bytes():
            problem = "exists, and is no page that may be replaced"
            raise UserError(f"{path}: {problem}; {remedy}")


def check_report(folder: Path) -> None:
    """Raise a `UserError` for a file that a report would replace and that is no older one."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise UserError(f"{folder}: no folder; choose another --out")
    for name, mark in MARKS.items():
        check_own(folder / name, mark, "choose another --out")


def own_file(file: Path, folder: Path, remedy: str) -> Path:
    """Return a file of a folder; a `UserError` if it is none, or a link that leads out of it."""
    if not file.is_file():
        what = "not an ordinary file" if os.path.lexists(file) else "no such file"
        raise UserError(f"{paths.display(file)}: {what}; {remedy}")
    if not paths.resolved(file).is_relative_to(paths.resolved(folder)):
        raise UserError(f"{paths.display(file)}: a link that leads out of {folder}; {remedy}")
    return file
