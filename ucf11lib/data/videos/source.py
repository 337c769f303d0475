"""A tree of videos becomes a clip store.

A clip that cannot be used is left out and listed in `store.json`, as is every file that is no clip.
"""

import contextlib
import glob
import hashlib
import json
import math
import os
import re
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av
import numpy as np
from tqdm import tqdm

from ucf11lib import paths
from ucf11lib.data.store import ClipStore, LeftOut
from ucf11lib.data.videos.decoding import Decoded, decode_all
from ucf11lib.data.videos.groups import OWN, clip_names, find_groups, group_of
from ucf11lib.data.videos.tree import Tree
from ucf11lib.data.writer import StoreWriter, create
from ucf11lib.errors import UserError, printable
from ucf11lib.runs.specs import DataSpec

MAX_BROKEN = 0.02  # of the clips; if more are undecodable, it is the tree that is broken
SEQUENCES_AT_ONCE = 64  # in memory: those of one clip may overlap
MAX_LOST = 0.1  # of a clip's frames; if more are damaged or missing, the clip is left out


def prepare(
    path: Path | str, spec: DataSpec, *, broken: float = MAX_BROKEN, workers: int | None = None
) -> ClipStore:
    """Decode a tree of videos into a new store at `path` and open it.

    The source of `spec` is `ucf11` (only UCF-11's class folders, in its order) or `videos` (any,
    sorted). `broken` is the share of the clips that may be undecodable; if more are, and more than
    one, the decoded store waits in a hidden folder beside `path` for a call with a larger share.
    `workers` processes decode, as many as processors by default.

    Raises `UserError` if `path` exists, if the tree, its names or an option is wrong, if a class
    has no sequence, or if too much is undecodable.
    """
    path = Path(path)
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
    _check_options(workers, broken)
    tree = Tree.scan(Path(spec.folder))
    classes, notes = tree.classes(spec.source, workers)
    clips, rule = _clips(tree, classes, spec.group_pattern)
    origin = {"folder": str(paths.resolved(spec.folder)), "groups": rule, "av": av.__version__}
    about: dict[str, Any] = {"source": spec.source, "classes": list(classes), "origin": origin}
    about |= {"window": spec.window, "stride": spec.stride, "size": spec.size, "fps": spec.fps}
    partial = _partial(path)
    decoded = partial / _digest(tree, clips, spec)
    try:
        with paths.lock(_lock(path), wait=False), paths.errors_name(path, partial):
            try:
                if os.path.lexists(path):
                    remedy = "choose another --store or delete it first"
                    raise UserError(f"{path}: exists already; {remedy}")
                if not decoded.exists():
                    with create(decoded, **about) as writer:
                        writer.info.notes.extend(notes)
                        _decode(writer, clips, workers)
                        _check_classes(tree.root, writer)
                _check_broken(tree.root, ClipStore.open(decoded).info.left_out, len(clips), broken)
                decoded.rename(path)
            finally:
                tidy(path)
    except paths.Locked:
        remedy = "wait for it or choose another --store"
        raise UserError(f"{path}: another process is preparing it; {remedy}") from None
    return ClipStore.open(path)


def tidy(path: Path) -> None:
    """Remove what is beside `path` and of no use once a store is there.

    It is what other options or killed processes left, also of the folder's files as they were
    before. Without a store, it may still be of use.
    """
    if path.exists():
        # A name of `sources.store_path` ends in two hashes, of which the last is of the files. A
        # user's may end in one, or in a date.
        stem = re.sub(r"(?<=-[0-9a-f]{8})-[0-9a-f]{8}$", "", path.name)
        digits = "-" + 8 * "[0-9a-f]" if stem != path.name else ""
        for old in path.parent.glob(f"{paths.PARTIAL}{glob.escape(stem)}{digits}"):
            lock = _lock(path.with_name(old.name.removeprefix(paths.PARTIAL)))
            if old == _partial(path) or not paths.is_locked(lock):
                shutil.rmtree(old, ignore_errors=True)
                lock.unlink(missing_ok=True)
        _lock(path).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # there is none, or it is not empty
        _partial(path).rmdir()


def _partial(path: Path) -> Path:
    return path.parent / f"{paths.PARTIAL}{path.name}"


def _lock(path: Path) -> Path:
    return path.parent / f"{paths.PARTIAL}{path.name}.lock"


def _check_options(workers: int, broken: float) -> None:
    if workers < 1:
        raise UserError(f"--workers {workers}: give 1 or more")
    if not 0 <= broken <= 1:
        raise UserError(f"--broken {broken}: give a share, 0 to 1")


def _clips(tree: Tree, classes: dict, pattern: str) -> tuple[list[tuple[str, str, Path]], str]:
    """Return name, group and file of each clip, and the rule that finds the groups."""
    files = [file for videos in classes.values() for file in videos]
    names = [file.relative_to(tree.root).as_posix() for file in files]
    groups, rule = find_groups(names, pattern)
    if rule == OWN:
        first = next((name for name in names if not group_of(name)), names[0])
        warning = f"no groups in the names, as in {first}: each clip is its own"
        print(printable(f"warning: {warning}; see --group-pattern"), file=sys.stderr)
    return list(zip(clip_names(names), groups, files, strict=True)), rule


def _decode(writer: StoreWriter, clips: list[tuple[str, str, Path]], workers: int) -> None:
    """Write all clips, each (name, group, file), into a store."""
    info = writer.info
    results = decode_all([file for _, _, file in clips], workers, info.size, info.fps)
    bar = tqdm(results, total=len(clips), desc="decoding", unit="clip", disable=None)
    for (clip, group, _), decoded in zip(clips, bar, strict=True):
        starts = decoded.starts(info.window, info.stride)
        if reason := _why_left_out(decoded, len(starts), info.window):
            damaged = decoded.lost_share > MAX_LOST
            writer.leave_out(clip, reason, frames_read=decoded.read, damaged=damaged)
            continue
        if decoded.trouble:
            info.notes.append({"file": clip, "reason": f"{decoded.trouble}; the rest is used"})
        label = info.classes.index(clip.split("/")[0])
        unit: dict[str, Any] = {"label": label, "group": group, "clip": clip}
        # A gap counts as a frame, so that sequences at its sides do not touch.
        numbers = starts + np.searchsorted(decoded.gaps, starts, side="right")
        for i in range(0, len(starts), SEQUENCES_AT_ONCE):
            part = slice(i, i + SEQUENCES_AT_ONCE)
            sequences = decoded.sequences(starts[part], info.window)
            read = 0 if i else decoded.read
            writer.add(sequences, **unit, first_frames=numbers[part], frames_read=read)


def _why_left_out(decoded: Decoded, sequences: int, window: int) -> str:
    """Return why a clip cannot be used; empty if it can."""
    if not sequences and not decoded.trouble:
        return f"{len(decoded)} frames, fewer than {window}"
    if not sequences and decoded.lost_share <= MAX_LOST:
        return f"{decoded.trouble}; no {window} in a row are left"
    return decoded.trouble if decoded.lost_share > MAX_LOST else ""


def _check_classes(root: Path, writer: StoreWriter) -> None:
    """Raise a `UserError` for a class without a sequence."""
    used = {row[1] for row in writer.rows}
    for name in writer.info.classes:
        if name not in used:
            left_out = [one for one in writer.info.left_out if one["clip"].startswith(f"{name}/")]
            first = f"{left_out[0]['clip']}: {left_out[0]['reason']}"
            problem = f"class {name} has no sequence; {len(left_out)} clips left out, the first"
            raise UserError(f"{root}: {problem}: {first}; remove its folder, or add longer clips")


def _digest(tree: Tree, clips: list, spec: DataSpec) -> str:
    """Return a hash of everything that the decoded bytes depend on."""
    names = [[clip, group, str(file)] for clip, group, file in clips]
    text = json.dumps([names, paths.fingerprint(tree.root, tree.files), asdict(spec)])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _check_broken(root: Path, left_out: list[LeftOut], n: int, share: float) -> None:
    """Raise a `UserError` if more than `share` of `n` clips, and more than one, are damaged."""
    broken = [item for item in left_out if item["damaged"]]
    if len(broken) > 1 and len(broken) / n > share:
        first = f"{broken[0]['clip']} ({broken[0]['reason']})"
        problem = f"{len(broken)} of {n} clips cannot be decoded, the first: {first}"
        enough = math.ceil(100 * len(broken) / n) / 100
        more = f"allow more, which decodes nothing again, with prepare --broken {enough:g}"
        raise UserError(f"{root}: {problem}; repair or remove them, or {more}")
