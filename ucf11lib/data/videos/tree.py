"""Which files of a folder are clips, of which class, and what all the others are.

    <folder>/<class>/<group>/<clip>.mpg    UCF-11's archive, with or without UCF11_updated_mpg/
    <folder>/<class>/<clip>.avi            UCF-101, Weizmann, or your own

FFmpeg decides what is a video, by content. No file is passed over in silence.
"""

import os
import unicodedata
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ucf11lib import paths
from ucf11lib.data.store import Note
from ucf11lib.data.synthetic.motions import MOTIONS
from ucf11lib.data.videos.decoding import which_are_videos
from ucf11lib.data.videos.groups import parts_of_a_split
from ucf11lib.errors import UserError

UCF11 = "UCF11_updated_mpg"  # the archive's only folder
ANNOTATION = "annotation"  # a folder in each class folder of UCF-11, whose files are no clips
# Not of `mimetypes`, which reads the machine's own list.
VIDEO_SUFFIXES = (
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m1v", ".m2t", ".m2ts",
    ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm",
    ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
)  # fmt: skip
MAX_NAMED = 3  # unused files of one folder and reason; more are told by their number


@dataclass(frozen=True)
class Tree:
    """The files below a folder."""

    root: Path  # the folder of the class folders
    files: list[Path]  # regular files in order of name; of one with several names, the first
    unused: list[tuple[Path, str]]  # other names, and the reason

    @classmethod
    def scan(cls, folder: Path) -> "Tree":
        """List a folder without opening a file; raises `UserError` if there is none."""
        if not folder.is_dir():
            remedy = "give --data the folder that holds the class folders"
            raise UserError(f"{folder}: no such folder; {remedy}")
        root = _classes_folder(folder)
        unused = []
        if root not in (folder, folder / UCF11):
            unused.append(
                (root, f"the only folder in {folder.name}, so its folders are the classes")
            )
        for level in root.parents[: len(root.parts) - len(folder.parts)]:
            others = sorted(path for path in level.iterdir() if not root.is_relative_to(path))
            unused += [(path, "not in the folder of the classes") for path in others]
        files: dict[tuple[int, int], Path] = {}
        for path, reason in sorted(walk(root), key=lambda item: item[0].is_symlink()):
            if not reason and (first := files.setdefault(_identity(path), path)) != path:
                reason = f"the same file as {first.relative_to(root)}"
            if reason:
                unused.append((path, reason))
        return cls(root, sorted(files.values()), unused)

    def classes(self, source: str, workers: int) -> tuple[dict[str, list[Path]], list[Note]]:
        """Return the clips of each class in label order, and of the other files name and reason.

        Raises `UserError` for no clip, parts of a split instead of classes, or, with source
        `ucf11`, other classes than UCF-11's.
        """
        named = [path for path in self.files if not named_video(path)]
        videos = dict(zip(named, which_are_videos(named, workers), strict=True))
        tree: dict[str, list[Path]] = {}
        unused = list(self.unused)
        for path in self.files:
            parts = path.relative_to(self.root).parts
            if not videos.get(path, True):
                unused.append((path, "not a video"))
            elif len(parts) == 1:
                unused.append((path, "not in a class folder"))
            else:
                tree.setdefault(parts[0], []).append(path)
        _check_classes(self.root, tree, source)
        order = MOTIONS if source == "ucf11" else tree
        return {name: tree[name] for name in order if name in tree}, _account(self.root, unused)


def _classes_folder(folder: Path) -> Path:
    """Return the folder of the class folders: `folder`, or the only folder in it that holds any."""
    below = [path for path in folder.iterdir() if path.is_dir() and _holds_files(path)]
    # A class without files, or a link to nothing, is a class still.
    empty = [path for path in folder.iterdir() if _is_beside(path) and path not in below]
    if len(below) == 1 and not empty:
        inner = list(below[0].iterdir())
        folders = [path for path in inner if path.is_dir() and _is_clip_folder(path)]
        deeper = _classes_folder(below[0])
        wraps = len(folders) > 1 or deeper != below[0]
        if below[0].name == UCF11 or (wraps and not any(map(named_video, inner))):
            return deeper
    return folder


def _is_beside(path: Path) -> bool:
    """Return whether a name is that of a folder, or a link, that a user may take for a class."""
    return (path.is_dir() or path.is_symlink()) and _is_clip_folder(path) and path.name[0] != "_"


def _holds_files(folder: Path) -> bool:
    """Return whether a folder may have clips; that of hidden files beside a wrapper has none."""
    return _is_clip_folder(folder) and any(not reason for _, reason in walk(folder))


def walk(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield each name below a folder, and why it is not used; empty for a regular file.

    Links to folders come last, so that a folder is known by its own name.
    """
    walked: dict[Path, Path] = {}
    folders = deque([root])
    while folders:
        folder = folders.popleft()
        first = walked.setdefault(paths.resolved(folder), folder)
        if first != folder:
            yield folder, f"the same folder as {first.relative_to(root)}"
        elif folder != root and paths.resolved(root).is_relative_to(paths.resolved(folder)):
            yield folder, "a link to a folder that holds this one"
        else:
            try:
                names = sorted(folder.iterdir())
            except PermissionError:
                yield folder, "not readable"
                continue
            if not names and folder != root:
                yield folder, "an empty folder"
            for path in names:
                if os.path.isdir(path) and _is_clip_folder(path):
                    (folders.append if path.is_symlink() else folders.appendleft)(path)
                else:
                    yield path, _why_not(path)


def _is_clip_folder(path: Path) -> bool:
    ours = os.path.exists(path / "store.json")  # or each store in the folder would make it another
    return path.name[0] != "." and path.name.lower() != ANNOTATION and not ours


def _why_not(path: Path) -> str:
    """Return why a name that is no folder of clips is not used; empty for a regular file."""
    if path.name[0] == ".":
        return "a hidden name"
    if path.is_dir():
        return "annotations" if path.name.lower() == ANNOTATION else "a store"
    if not path.exists():
        return "a link to nothing"
    if not path.is_file():
        return "not an ordinary file"
    return "" if os.access(path, os.R_OK) else "not readable"


def _readable(name: str) -> str:
    """Return a name with what is not UTF-8 as backslashes and numbers."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _identity(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def named_video(path: Path) -> bool:
    """Return whether the file's suffix is that of videos; if it cannot be read, it is damaged."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def _check_classes(root: Path, tree: dict[str, list[Path]], source: str) -> None:
    if not tree:
        expected = "<class>/<clip>.mpg or <class>/<group>/<clip>.mpg"
        raise UserError(f"{root}: no class folder with videos in it; expected {expected}")
    written: dict[str, str] = {}
    for name in tree:
        key = unicodedata.normalize("NFC", name).casefold().strip(" .")
        if (first := written.setdefault(key, name)) != name:
            both = f"{first!a} and {name!a} differ in case, spaces at the ends or Unicode only"
            raise UserError(f"{root}: its folders {both}; rename one, or join them")
    (only, *others), beside = tree, sorted(filter(_is_beside, root.iterdir()))
    groups = {path.relative_to(root).parts[1] for path in tree[only] if path.parent != root / only}
    if not others and len(beside) > 1 and len(groups) > 1:
        without = ", ".join(_readable(path.name) for path in beside if path.name != only)
        remedy = f"add some, or give --data {root / only} if its folders are the classes"
        raise UserError(f"{root}: no video in {without}; {remedy}")
    parts = parts_of_a_split(tree)
    if parts:
        raise UserError(
            f"{root}: its folders {', '.join(parts)} are parts of a split, not classes; "
            f"give one of them, such as --data {root / parts[0]}"
        )
    if source == "ucf11" and (unknown := ", ".join(sorted(tree.keys() - MOTIONS.keys()))):
        raise UserError(f"{root}: not classes of UCF-11: {unknown}; try --source videos")


def _account(root: Path, unused: list[tuple[Path, str]]) -> list[Note]:
    """Return name and reason of unused files; many of one folder and reason are one row."""
    names: dict[tuple[Path, str], list[str]] = {}
    for path, reason in unused:
        name = "." if path == root else _readable(os.path.relpath(path, root))
        names.setdefault((path.parent, reason), []).append(name)
    rows: list[Note] = []
    for (folder, reason), some in names.items():
        if len(some) > MAX_NAMED:
            some = [f"{_readable(os.path.relpath(folder / '*', root))} ({len(some)} files)"]
        rows += [{"file": name, "reason": reason} for name in some]
    return rows
