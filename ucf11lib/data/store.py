"""ClipStore: sequences on disk, memory-mapped, with the clip and the group each was cut from.

A store is a folder, which appears complete or not at all (`ucf11lib.data.writer`):

    frames.npy   uint8 (N, window, size, size, 3), RGB; opened as a read-only memory map
    index.csv    a row a sequence: label, class, group, clip, first_frame
    store.json   `StoreInfo`
"""

from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, TypedDict

import numpy as np
import pandas as pd
from msgspec import Meta

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.runs.parsing import (
    check_header,
    check_utf8,
    damage_in_one_line,
    read_json,
    read_table,
)
from ucf11lib.runs.specs import DataSpec

FORMAT = 1
REMEDY = "prepare the store again"
COLUMNS = ["label", "class", "group", "clip", "first_frame"]
SYNTHETIC = ("groups", "clips", "sequences", "render_seed")  # what such data are made of


class LeftOut(TypedDict):
    """A clip that is not in the store."""

    clip: str
    reason: str
    damaged: bool  # too much of it cannot be decoded


class Note(TypedDict):
    """A file that is no clip, or of which a part is used."""

    file: str
    reason: str


@dataclass(frozen=True)
class StoreInfo:
    """The contents of `store.json`."""

    format: int
    source: str  # `synthetic`, `course`, `ucf11` or `videos`
    classes: tuple[str, ...]  # folder names in label order, such as "soccer_juggling"
    window: int  # frames a sequence
    stride: Annotated[int, Meta(ge=1)]  # frames from one sequence's start to the next's
    size: int  # pixels a side
    sequences: int
    frames_read: int  # frames decoded, those of clips that were left out too
    origin: dict  # what is needed to prepare the same store again
    left_out: list[LeftOut]
    sha256: dict[str, str]  # of the `frames` and the `index`
    fps: Annotated[float, Meta(gt=0)] | None = None  # frames a second that clips were resampled to
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class ClipStore:
    """An opened store. Frames are read on access; nothing of their size is held in memory."""

    path: Path
    frames: np.memmap = field(repr=False)  # uint8 (N, window, size, size, 3), read-only memory map
    index: pd.DataFrame = field(repr=False)  # one row a sequence, see the module's docstring
    info: StoreInfo = field(repr=False)

    @classmethod
    def open(cls, path: Path | str) -> "ClipStore":
        """Open the store at `path`.

        Raises `UserError` for no store, another format, or files that do not fit each other.
        """
        path = Path(path)
        check_utf8(str(paths.resolved(path)), "rename the folder")  # a run tells its store
        if not (path / "store.json").is_file():
            remedy = "make one with 'python -m ucf11lib prepare'"
            raise UserError(f"{path}: not a clip store (no store.json); {remedy}")
        info = read_json(path / "store.json", StoreInfo, REMEDY)
        if info.format != FORMAT:
            differ = f"store format {info.format}, this version reads {FORMAT}"
            raise UserError(f"{path}: {differ}; {REMEDY}")
        with damage_in_one_line(path / "frames.npy", REMEDY) as file:
            check_header(file)
            frames = np.lib.format.open_memmap(file, mode="r")
        index = read_table(path / "index.csv", COLUMNS, REMEDY, ("label", "class", "group", "clip"))
        shape = (info.sequences, info.window, info.size, info.size, 3)
        fits = frames.shape == shape and len(index) == shape[0] and frames.dtype == np.uint8
        fits = fits and frames.flags.c_contiguous  # the checksum leaves the header out
        if not fits or not len(index):
            files = f"frames {frames.shape} {frames.dtype}, index {len(index)} rows"
            raise UserError(f"{path}: damaged ({files}, expected {shape}); {REMEDY}")
        if wrong := sorted(set(index["label"]) - set(map(str, range(len(info.classes))))):
            raise UserError(f"{path}/index.csv: label {wrong[0]!r} is no class; {REMEDY}")
        if len(set(info.classes)) < len(info.classes):
            raise UserError(f"{path}/store.json: two classes have one name; {REMEDY}")
        if index["class"].tolist() != [info.classes[int(label)] for label in index["label"]]:
            raise UserError(f"{path}/index.csv: its classes are not store.json's; {REMEDY}")
        starts = index["first_frame"]
        if starts.dtype != np.int64 or starts.min() < 0:
            raise UserError(f"{path}/index.csv: a first_frame is no number of a frame; {REMEDY}")
        return cls(path, frames, index.astype({"label": np.int64}), info)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def source(self) -> str:
        """`synthetic`, `course`, `ucf11` or `videos`."""
        return self.info.source

    @property
    def classes(self) -> tuple[str, ...]:
        """Display names in label order, such as "soccer juggling"; folder names if two agree."""
        names = tuple(name.replace("_", " ") for name in self.info.classes)
        return names if len(set(names)) == len(names) else self.info.classes

    @cached_property
    def labels(self) -> np.ndarray:
        """Class of each sequence: int64 (N,), 0..classes-1."""
        return self.index["label"].to_numpy(np.int64)

    @cached_property
    def groups(self) -> np.ndarray:
        """Group of each sequence: str (N,)."""
        return self.index["group"].to_numpy(str)

    @cached_property
    def clips(self) -> np.ndarray:
        """Clip of each sequence: str (N,)."""
        return self.index["clip"].to_numpy(str)

    @property
    def kind(self) -> str:
        """What is beside every number from this store: "synthetic data", or which real video."""
        if self.source == "synthetic":
            return "synthetic data"
        estimated = ", groups estimated" if self.info.origin.get("groups") == "estimated" else ""
        folder = Path(str(self.info.origin.get("folder", ""))).name
        return f"real video ({self.source}: {folder}{estimated})"

    def flat(self) -> dict[str, object]:
        """Return the flat parameters of a run on this store (see `RunConfig.of`)."""
        info = self.info
        rule, _, pattern = str(info.origin.get("groups")).partition(" ")
        made_of = info.origin if info.source == "synthetic" else asdict(DataSpec())
        return {
            "source": info.source,
            "data": info.origin.get("folder", ""),
            "window": info.window,
            "size": info.size,
            "stride": None if info.stride == info.window else info.stride,
            "fps": info.fps,
            "group_pattern": pattern if rule == "--group-pattern" else "",
            **{name: made_of[name] for name in SYNTHETIC if name in made_of},
        }

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Read sequences: uint8 (n, window, size, size, 3), in the order asked for."""
        return self.frames[np.asarray(indices, np.int64)]

    def channel_statistics(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and std of each channel, grey levels, from at most 512 of `indices`."""
        spread = np.linspace(0, len(indices) - 1, min(512, len(indices))).astype(int)
        total = np.zeros(3)
        squares = np.zeros(3)
        for i in indices[spread]:
            pixels = self.frames[i].reshape(-1, 3).astype(np.float32)
            total += pixels.sum(axis=0, dtype=np.float64)
            squares += np.square(pixels).sum(axis=0, dtype=np.float64)
        count = self.frames[0, ..., 0].size * len(spread)
        mean = total / count
        return mean, np.sqrt(np.maximum(squares / count - mean**2, 1e-6))

    def verify(self) -> None:
        """Raise a `UserError` if a file differs from what was written, by its checksum."""
        frames = paths.sha256(self.path / "frames.npy", self.frames.offset)
        digests = {"frames": frames, "index": paths.sha256(self.path / "index.csv")}
        for name, digest in digests.items():
            if digest != self.info.sha256.get(name):
                raise UserError(f"{self.path}: the {name} differ from their checksum; {REMEDY}")

    def describe(self) -> pd.DataFrame:
        """Return sequences, clips and groups of each class, with a last row of totals."""
        columns = {"sequences": ("clip", "size")}
        columns |= {"clips": ("clip", "nunique"), "groups": ("group", "nunique")}
        table = self.index.groupby("label").agg(**columns)
        table = table.reindex(range(len(self.classes)), fill_value=0)
        table.loc[len(table)] = [len(self), len(set(self.clips)), len(set(self.groups))]
        table.insert(0, "class", [*self.classes, "all"])
        return table.rename_axis(index=None)

    def left_out(self) -> pd.DataFrame:
        """Return the clips that are not in the store, one a row: clip, reason."""
        return pd.DataFrame(self.info.left_out, columns=["clip", "reason"])

    def summary(self) -> str:
        """Return one line: what the store holds, from which source, and what was left out."""
        info = self.info
        apart = "" if info.stride == info.window else f" every {info.stride} frames"
        tail = f"; {len(info.left_out)} clips left out" if info.left_out else ""
        return (
            f"{info.source}: {len(self)} sequences of {info.window}x{info.size}x{info.size}x3"
            f"{apart} ({self.frames.nbytes / 1e6:,.0f} MB) from {info.frames_read} frames, "
            f"{len(set(self.clips))} clips, {len(set(self.groups))} groups, "
            f"{len(self.classes)} classes{tail}"
        )

    def formatted(self) -> str:
        """Return the summary, the classes, the clips left out and the notes, as text."""
        left_out = [f"left out: {item['clip']}: {item['reason']}" for item in self.info.left_out]
        left_out += [f"note: {item['file']}: {item['reason']}" for item in self.info.notes]
        left_out = [line.replace("\n", "\\n") for line in left_out]  # of a name
        table = self.describe().to_string(index=False)
        return "\n".join([self.summary(), table, *left_out, f"store: {paths.display(self.path)}"])
