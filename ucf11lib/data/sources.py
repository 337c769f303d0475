"""A source of clips becomes an opened store, prepared on first use under `data/`.

Where files are read, the store's name has a fingerprint of them. If they change, a new store is
prepared; the old one stays until `store prune`.
"""

import contextlib
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from ucf11lib import paths
from ucf11lib.data.course import source as course
from ucf11lib.data.store import REMEDY, SYNTHETIC, ClipStore, StoreInfo
from ucf11lib.data.synthetic import render
from ucf11lib.data.videos import source as videos
from ucf11lib.data.videos.tree import Tree, named_video
from ucf11lib.errors import UserError, printable
from ucf11lib.runs.environment import code_digest
from ucf11lib.runs.parsing import read_json
from ucf11lib.runs.specs import DataSpec

DECODING = ("window", "stride", "size", "group_pattern", "fps")
FINGERPRINT = "-[0-9a-f]{8}"


def open_or_prepare(spec: DataSpec) -> ClipStore:
    """Open the store of `spec`, preparing it on first use; of two processes the second waits.

    Says so on standard error if a store of other files in the same folder exists.
    """
    path = store_path(spec)
    lock = path.with_name(f".{path.name}.lock")
    if not path.exists() or lock.exists():  # of a process that was killed when it was complete
        with paths.lock(lock):
            if not path.exists():
                earlier = [one for one in _same_spec(path) if one != path]
                if spec.folder and earlier:
                    what = f"{paths.display(earlier[-1])} was made ({_changes(earlier[-1], spec)})"
                    line = f"{spec.folder} changed since {what}; preparing it anew"
                    print(printable(line), file=sys.stderr)
                return prepare(spec, path)
            videos.tidy(path)
    return ClipStore.open(path)


def _changes(path: Path, spec: DataSpec) -> str:
    """Return which clips came and went since a store was made."""
    try:
        store = ClipStore.open(path)
    except UserError:
        return "it is damaged"
    if spec.source == "course":
        return "files were replaced"
    tree = Tree.scan(Path(spec.folder))
    names = {str(file.relative_to(tree.root).with_suffix("")): file for file in tree.files}
    before = {*store.clips, *(one["clip"] for one in store.info.left_out)}
    noted = {Path(one["file"]) for one in store.info.notes}
    known = before | {str(one.with_suffix("")) for one in noted}
    many = {one.parent for one in noted if one.name.startswith("* (")}  # with no name each
    new = sorted(
        name for name, file in names.items()
        if name not in known and Path(name).parent not in many and named_video(file)
    )  # fmt: skip
    gone = sorted(before - names.keys())
    parts = [
        f"{word}: {', '.join(some[:3])}{f' and {len(some) - 3} more' if len(some) > 3 else ''}"
        for word, some in (("new", new), ("gone", gone))
        if some
    ]
    return "; ".join(parts) or "clips or other files were replaced, added or removed"


def prune(folder: Path | str | None = None) -> list[Path]:
    """Delete the stores in `folder` whose source folder changed since and has another store.

    Where the source is gone, the newest store stays. `folder` is `data/` by default. Returns their
    paths. A store that was named by a user (`--store`) is none of them. Raises a `UserError` for no
    folder.
    """
    folder = Path(folder) if folder else paths.data_dir()
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the one of the stores")
    stores = [file for file in folder.glob("[!.]*/store.json") if not file.parent.is_symlink()]
    named = [file.parent for file in stores if _named_here(file)]
    current = {_of_today(one) for one in named}
    outdated = sorted(one for one in named if one not in current)
    with paths.temporary_dir(folder / "outdated") as trash:  # no half of a store is ever seen
        for path in outdated:
            path.rename(trash / path.name)
    return outdated


def _named_here(file: Path) -> bool:
    """Return whether a store, given by its store.json, has a name from `store_path`."""
    info = read_json(file, StoreInfo, REMEDY)
    stem = f"{info.source}-{_short(Path(str(info.origin.get('folder'))).name)}"
    return bool(re.fullmatch(re.escape(stem) + 2 * FINGERPRINT, file.parent.name))


def _of_today(path: Path) -> Path:
    """Return, of the stores of the same specification, that of today's files; else the newest."""
    info = read_json(path / "store.json", StoreInfo, REMEDY)
    same = _same_spec(path)
    with contextlib.suppress(UserError, OSError):  # its source is gone
        digits = _digits_of(info.source, Path(str(info.origin.get("folder"))))
        if (today := path.with_name(path.name[:-8] + digits)) in same:
            return today
    return same[-1]


def _same_spec(path: Path) -> list[Path]:
    """Return the stores whose names differ from `path` in the fingerprint alone, oldest first."""
    stem = path.name.rpartition("-")[0]
    same = [
        one.parent
        for one in path.parent.glob("*/store.json")
        if re.fullmatch(re.escape(stem) + FINGERPRINT, one.parent.name)
    ]
    return sorted(same, key=lambda one: (one / "store.json").stat().st_mtime)


def prepare(spec: DataSpec, path: Path | str, **options) -> ClipStore:
    """Prepare a new store at `path`.

    `options` are `broken` and `workers` of `videos.source.prepare`, only where videos are decoded.
    Raises `UserError` on options of another source, or data that cannot be used.
    """
    _check_unused(spec, () if _is_decoded(spec) else options)
    if _is_decoded(spec):
        return videos.prepare(path, spec, **options)
    if spec.source == "course":
        return course.prepare(path, spec.folder)
    return render.prepare(path, spec)


def _is_decoded(spec: DataSpec) -> bool:
    return spec.source in ("ucf11", "videos")


def _check_unused(spec: DataSpec, options: Iterable[str] = ()) -> None:
    """Raise a `UserError` for settings that the source does not read, and for `options`."""
    differ = {name for name in vars(spec) if getattr(spec, name) != getattr(DataSpec, name)}
    unread = {
        "videos are decoded, with --source ucf11 or videos": [
            *(name for name in DECODING if name in differ and not _is_decoded(spec)),
            *options,
        ],
        "sequences are drawn, with --source synthetic": [
            name for name in SYNTHETIC if name in differ and spec.source != "synthetic"
        ],
    }
    for where, names in unread.items():
        if names:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in names)
            raise UserError(f"{flags}: only where {where}")


def store_path(spec: DataSpec) -> Path:
    """Return where the store of `spec` is: a readable name, and hashes of what makes it differ.

    Where the files are gone, it is the newest store that was made from them. Raises a `UserError`
    if there is none.
    """
    _check_unused(spec)
    if spec.source == "synthetic":
        per_clip = "-course" if spec.sequences is None else f"x{spec.sequences}"
        name = f"synthetic-{spec.groups}x{spec.clips}{per_clip}"
        relevant = {key: value for key, value in asdict(spec).items() if key in SYNTHETIC}
        relevant["code"] = code_digest("data/synthetic")  # which draws them
        return paths.data_dir() / f"{name}-{_hash(relevant)}"
    relevant = {key: value for key, value in asdict(spec).items() if key not in SYNTHETIC}
    defaults = asdict(DataSpec())
    changed = {key: value for key, value in relevant.items() if value != defaults[key]}
    folder = Path(spec.folder)
    path = paths.data_dir() / f"{spec.source}-{_short(folder.name)}-{_hash(changed)}-{'0' * 8}"
    if not folder.exists() and (earlier := _same_spec(path)):
        return earlier[-1]
    return path.with_name(path.name[:-8] + _digits_of(spec.source, folder))


def _short(name: str) -> str:
    """Return a name of at most 120 bytes: a file system allows 255, with what is added."""
    return os.fsencode(name)[:120].decode(errors="ignore")


def _digits_of(source: str, folder: Path) -> str:
    """Return the fingerprint of a source's files."""
    files = course.files(folder) if source == "course" else Tree.scan(folder).files
    return paths.fingerprint(folder, files)


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def store_lines(action: str, path: str | None, folder: str | None) -> Iterator[str]:
    """Do what the command `store` is asked for; yield what it prints."""
    if action == "prune" and not folder:
        deleted = [f"deleted: {paths.display(one)}" for one in prune(path)]
        yield from deleted or ["nothing to delete: no store was replaced by a later one"]
        return
    if not path:
        raise UserError(f"store {action}: name the store's folder")
    if folder and action != "export":
        raise UserError(f"store {action} {folder}: one store at a time; give it alone")
    store = ClipStore.open(path)
    if action == "export":
        if not folder:
            raise UserError("store export: name the folder of the two files after the store")
        yield from map(paths.display, course.export(store, folder))
        return
    yield store.formatted()
    if action == "verify":
        store.verify()
        yield "ok: every byte is as it was written"
