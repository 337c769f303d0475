"""Which sequences, and which of them are held out: the parts of a configuration about data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.runs.parsing import check_name, check_utf8
from ucf11lib.runs.recipes import Count

SOURCES = ("synthetic", "course", "ucf11", "videos")
SPLITS = ("random", "video", "group")
LOGO = "logo"  # leave one group index out; it must be told which
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]

# Groups, clips a group and sequences a clip of the synthetic data; None: the course's 7272.
SYNTHETIC_SIZES = {"smoke": (5, 1, 1), "quick": (25, 5, 2), "full": (25, 6, None)}


@dataclass(frozen=True)
class DataSpec:
    """Which sequences."""

    source: str = "synthetic"
    folder: str = ""  # the absolute one that the source reads
    groups: Annotated[int, Meta(ge=1, le=1000)] = 25  # a class of the synthetic data
    clips: Annotated[int, Meta(ge=1, le=1000)] = 10  # a group
    # A clip of the synthetic data; None for the course files' numbers, 7272 in all.
    sequences: Annotated[int, Meta(ge=1, le=1000)] | None = 1
    render_seed: Seed = 0
    window: Annotated[int, Meta(ge=1, le=10000)] = 30  # frames a sequence
    stride: Count | None = None  # frames between decoded sequences' starts; None: no overlap
    size: Annotated[int, Meta(ge=1, le=4096)] = 64  # pixels a side
    group_pattern: str = ""  # regular expression that finds a clip's group in its path
    fps: Annotated[float, Meta(gt=0, le=1000)] | None = None  # clips are resampled to; None: as is


@dataclass(frozen=True)
class SplitSpec:
    """Which of them are held out."""

    kind: str = "group"  # one of `SPLITS`, or `LOGO`
    fold: str = ""  # the group index that `LOGO` holds out
    inner: bool = False  # hold out a fifth of the training part instead, to choose settings on


def data_spec(profile: str, flat: Mapping[str, Any]) -> DataSpec:
    """Return the data of flat `source` and `data`; raises `UserError` if they do not fit."""
    source = str(flat.get("source", "synthetic"))
    folder = str(flat.get("data", ""))
    check_name(source, SOURCES, "source")
    if source != "synthetic":
        if not folder:
            raise UserError(f"source {source} reads a folder: say which with --data DIR")
        path = str(paths.resolved(folder))
        check_utf8(path, "rename the folder")
        return DataSpec(source, path)
    if folder:
        raise UserError(f"source synthetic reads no folder; omit --data {folder}")
    return DataSpec(source, "", *SYNTHETIC_SIZES[profile])


def split_spec(flat: Mapping[str, Any]) -> SplitSpec:
    """Return the split of flat `split` and `fold`; raises `UserError` if they do not fit."""
    kind = str(flat.get("split", "group"))
    fold = str(flat.get("fold", ""))
    check_name(kind, (*SPLITS, LOGO), "split")
    if kind == LOGO and not fold:
        remedy = "train says which with --fold, crossval runs all"
        raise UserError(f"split logo holds one group index out: {remedy}")
    if fold and kind != LOGO:
        raise UserError(f"fold {fold!r} goes with split logo, not with split {kind}")
    return SplitSpec(kind, fold)
