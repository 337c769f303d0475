"""A source of clips becomes an opened store, prepared on first use under `data/`."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

from ucf11lib import paths
from ucf11lib.data.course import source as course
from ucf11lib.data.store import ClipStore
from ucf11lib.data.synthetic import render
from ucf11lib.data.videos import source as videos
from ucf11lib.errors import UserError
from ucf11lib.runs.specs import DataSpec

SYNTHETIC = ("groups", "clips", "sequences", "render_seed")
DECODING = ("window", "stride", "size", "group_pattern")


def open_or_prepare(spec: DataSpec) -> ClipStore:
    """Open the store of `spec`, preparing it on first use; of two processes the second waits."""
    path = store_path(spec)
    if not path.exists():
        with paths.lock(path.with_name(f".{path.name}.lock")):
            if not path.exists():
                return prepare(spec, path)
    return ClipStore.open(path)


def prepare(spec: DataSpec, path: Path | str, **options) -> ClipStore:
    """Prepare a new store at `path`.

    `options` are `broken` and `workers` of `videos.source.prepare`, only where videos are decoded.
    Raises `UserError` on options of another source, or data that cannot be used.
    """
    if spec.source in ("ucf11", "videos"):
        return videos.prepare(path, spec, **options)
    given = [name for name in DECODING if getattr(spec, name) != getattr(DataSpec, name)]
    if unused := [f"--{name.replace('_', '-')}" for name in (*given, *options)]:
        remedy = "only where videos are decoded, with --source ucf11 or videos"
        raise UserError(f"{', '.join(unused)}: {remedy}")
    if spec.source == "course":
        return course.prepare(path, spec.folder)
    return render.prepare(path, spec)


def store_path(spec: DataSpec) -> Path:
    """Return where the store of `spec` is: a readable name, and a hash of what makes it differ."""
    if spec.source == "synthetic":
        per_clip = "-course" if spec.sequences is None else f"x{spec.sequences}"
        name = f"synthetic-{spec.groups}x{spec.clips}{per_clip}"
        relevant = spec
    else:
        name = f"{spec.source}-{Path(spec.folder).name}"
        relevant = replace(spec, **{name: getattr(DataSpec, name) for name in SYNTHETIC})
    key = json.dumps(asdict(relevant), sort_keys=True).encode()
    return paths.data_dir() / f"{name}-{hashlib.sha256(key).hexdigest()[:8]}"
