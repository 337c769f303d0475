"""A tree of videos becomes a clip store: UCF-11's own layout, or any folder of class folders.

    <folder>/<class>/<group>/<clip>.mpg    UCF-11's archive, with or without UCF11_updated_mpg/
    <folder>/<class>/<clip>.avi            UCF-101, Weizmann, or your own

A clip that cannot be used is left out and listed in `store.json`.
"""

import contextlib
import hashlib
import json
import math
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import av
from tqdm import tqdm

from ucf11lib import paths
from ucf11lib.data.store import ClipStore
from ucf11lib.data.synthetic.motions import MOTIONS
from ucf11lib.data.videos.decode import decode_all, windows
from ucf11lib.data.videos.groups import OWN, clip_names, find_groups
from ucf11lib.data.writer import create
from ucf11lib.errors import UserError
from ucf11lib.runs.specs import DataSpec

SUFFIXES = (".mpg", ".mpeg", ".avi", ".mp4", ".mov", ".mkv", ".webm", ".m4v")
MAX_BROKEN = 0.02  # of the clips; if more are undecodable, it is the tree that is broken


def prepare(
    path: Path | str, spec: DataSpec, *, broken: float = MAX_BROKEN, workers: int | None = None
) -> ClipStore:
    """Decode a tree of videos into a new store at `path` and open it.

    Args:
        path: the store's folder, which must not exist.
        spec: source `ucf11` (only UCF-11's class folders, in its order) or `videos` (any, sorted).
        broken: share of the clips that may be undecodable. If more are, and more than one, the
            decoded store waits in a hidden folder beside `path` for a call with a larger share.
        workers: processes that decode, as many as processors by default.

    Raises `UserError` if the tree, its names or an option is wrong, or too much is undecodable.
    """
    path = Path(path)
    workers = os.cpu_count() or 1 if workers is None else workers
    if workers < 1:
        raise UserError(f"--workers {workers}: give 1 or more")
    if not 0 <= broken <= 1:
        raise UserError(f"--broken {broken}: give a share, 0 to 1")
    root, tree = _scan(Path(spec.folder), spec.source)
    files = [file for videos in tree.values() for file in videos]
    names = [file.relative_to(root).as_posix() for file in files]
    groups, rule = find_groups(names, spec.group_pattern)
    clips = list(zip(clip_names(names), groups, files, strict=True))
    if rule == OWN:
        warning = "no groups in the names: each clip is its own; see --group-pattern"
        print(f"warning: {warning}", file=sys.stderr)
    origin = {"folder": str(root.absolute()), "groups": rule, "av": av.__version__}
    partial = path.with_name(f".partial-{path.name}")
    decoded = partial / _digest(clips, spec)
    try:
        with paths.lock(path.with_name(f".partial-{path.name}.lock"), wait=False):
            if path.exists():
                remedy = "choose another --store or delete it first"
                raise UserError(f"{path}: exists already; {remedy}")
            try:
                if not decoded.exists():
                    _decode(decoded, spec, list(tree), origin, clips, workers)
                _check_broken(root, ClipStore.open(decoded).info.left_out, len(files), broken)
                decoded.rename(path)
                shutil.rmtree(partial)  # with what other options or killed processes left
            finally:
                with contextlib.suppress(OSError):  # not empty
                    partial.rmdir()
    except paths.Locked:
        remedy = "wait for it or choose another --store"
        raise UserError(f"{path}: another process is preparing it; {remedy}") from None
    return ClipStore.open(path)


def _decode(
    path: Path, spec: DataSpec, classes: list[str], origin: dict, clips: list, workers: int
) -> None:
    """Write all clips, each (name, group, file), into a store at `path`."""
    cut = {"window": spec.window, "stride": spec.stride, "size": spec.size}
    with create(path, source=spec.source, classes=classes, origin=origin, **cut) as writer:
        results = decode_all([file for _, _, file in clips], spec.size, workers)
        bar = tqdm(results, total=len(clips), desc="decoding", unit="clip", disable=None)
        for (clip, group, _), (frames, trouble) in zip(clips, bar, strict=True):
            n = len(frames)
            if trouble or n < spec.window:
                reason = trouble or f"{n} frames, fewer than {spec.window}"
                writer.leave_out(clip, reason, frames_read=n, damaged=bool(trouble))
            else:
                sequences = windows(frames, spec.window, spec.stride)
                label = classes.index(clip.split("/")[0])
                writer.add(sequences, label=label, group=group, clip=clip, frames_read=n)


def _digest(clips: list, spec: DataSpec) -> str:
    """Return a hash of everything that the decoded bytes depend on."""
    stats = [file.stat() for _, _, file in clips if file.exists()]
    dates = [[stat.st_size, stat.st_mtime_ns] for stat in stats]
    names = [[clip, group, str(file)] for clip, group, file in clips]
    text = json.dumps([names, dates, spec.source, spec.window, spec.stride, spec.size])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _scan(folder: Path, source: str) -> tuple[Path, dict[str, list[Path]]]:
    """Return the tree's root and, in label order, the videos of each class."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no folder there; give --data the one of the class folders")
    below = [entry for entry in _entries(folder) if entry.is_dir()]
    if [entry.name for entry in below] == ["UCF11_updated_mpg"]:
        return _scan(below[0], source)
    tree = {entry.name: videos for entry in below if (videos := list(_videos(entry)))}
    if not tree:
        expected = "<class>/<clip>.mpg or <class>/<group>/<clip>.mpg, any of " + " ".join(SUFFIXES)
        raise UserError(f"{folder}: no class folder with videos in it; expected {expected}")
    order = MOTIONS if source == "ucf11" else tree
    if unknown := sorted(tree.keys() - order.keys()):
        names = ", ".join(unknown)
        raise UserError(f"{folder}: not classes of UCF-11: {names}; try --source videos")
    return folder, {name: tree[name] for name in order if name in tree}


def _entries(folder: Path) -> list[Path]:
    entries = [entry for entry in folder.iterdir() if entry.name[0] != "."]
    return sorted(entry for entry in entries if entry.name.lower() != "annotation")


def _videos(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        if entry.is_dir():
            yield from _videos(entry)
        elif entry.suffix.lower() in SUFFIXES:
            yield entry


def _check_broken(root: Path, left_out: list[dict], n: int, share: float) -> None:
    """Raise a `UserError` if more than `share` of `n` clips, and more than one, are damaged."""
    broken = [item for item in left_out if item["damaged"]]
    if len(broken) > 1 and len(broken) / n > share:
        first = f"{broken[0]['clip']} ({broken[0]['reason']})"
        problem = f"{len(broken)} of {n} clips cannot be decoded, the first: {first}"
        enough = math.ceil(100 * len(broken) / n) / 100
        more = f"allow more, which decodes nothing again, with --broken {enough:g}"
        raise UserError(f"{root}: {problem}; repair or remove them, or {more}")
