"""Where pages go: an earlier one of ours is replaced, what anybody else made is not."""

import os
from pathlib import Path

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
    for name, mark in MARKS.items():
        check_own(folder / name, mark, "choose another --out")
