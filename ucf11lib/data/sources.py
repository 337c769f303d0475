"""A source by name -> an opened store, prepared on first use at a place that its parameters name."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from ucf11lib import paths
from ucf11lib.data import course, synthetic, videos
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError
from ucf11lib.recipes import Profile, check

SOURCES = ("synthetic", "course", "ucf11", "videos")


def spec_of(profile: Profile, seed: int = 0) -> synthetic.SyntheticSpec:
    """Return the synthetic data of a profile."""
    return synthetic.SyntheticSpec(
        seed=seed,
        groups=profile.groups,
        clips=profile.clips,
        sequences=profile.sequences or 1,
        course_sizes=profile.sequences is None,
    )


def prepare(source: str, path: Path | str, *, data: str = "", profile: Profile, seed: int = 0, **decoding) -> ClipStore:
    """Make a new store at `path`.

    Args:
        source: `synthetic`, `course`, `ucf11` or `videos`.
        path: the store's folder, which must not exist.
        data: the folder to read; not for `synthetic`.
        profile: how much synthetic data.
        seed: of the synthetic data.
        decoding: options of `videos.prepare`; only for `ucf11` and `videos`.

    Raises:
        UserError: an unknown source, no `data` where it is needed, or data that cannot be used.
    """
    check(source, SOURCES, "source")
    if source != "synthetic" and not data:
        raise UserError(f"source {source} reads a folder: say which with --data DIR")
    if source in ("ucf11", "videos"):
        return videos.prepare(path, data, source=source, **decoding)
    if decoding:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in decoding)
        raise UserError(f"{options}: only where videos are decoded, with --source ucf11 or videos")
    return course.prepare(path, data) if source == "course" else synthetic.prepare(path, spec_of(profile, seed))


def ensure(source: str, *, data: str = "", profile: Profile) -> ClipStore:
    """Open the store of this source, preparing it on first use under `data/`.

    Raises:
        UserError: as `prepare`.
    """
    check(source, SOURCES, "source")
    path = default_path(source, data, profile)
    if not path.exists():
        try:
            return prepare(source, path, data=data, profile=profile, **_decoding(profile))
        except UserError:
            if not path.exists():  # it does if another process, which had the first turn, has made it
                raise
    return ClipStore.open(path)


def default_path(source: str, data: str, profile: Profile, **decoding) -> Path:
    """Return where the store of this source stands: a name to read and a hash of what would make it differ."""
    if source == "synthetic":
        name, key = f"synthetic-{profile.name}", asdict(spec_of(profile))
    else:
        name, key = f"{source}-{Path(data).name}", str(Path(data).resolve())
    decoding = _decoding(profile) | decoding
    key = [key, decoding] if decoding else key
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:8]
    return paths.data_dir() / f"{name}-{digest}"


def _decoding(profile: Profile) -> dict:
    return {} if profile.stride is None else {"stride": profile.stride}
