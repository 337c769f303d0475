"""A tree of videos becomes a store, as the tests of decoding ask for it."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ucf11lib.data.course import source as course
from ucf11lib.data.store import ClipStore, StoreInfo
from ucf11lib.data.videos import source
from ucf11lib.runs import RunConfig


@pytest.fixture
def prepare_videos():
    """Decode `folder` into a store at `path`: further arguments are fields of the data."""

    def prepare(path, folder, broken=source.MAX_BROKEN, workers=None, **flat):
        flat = {"model": "c3d", "source": "videos", "data": str(folder)} | flat
        return source.prepare(path, RunConfig.of(**flat).data, broken=broken, workers=workers)

    return prepare


@pytest.fixture(scope="session")
def fake_store():
    """A store's index without its frames: splits look at nothing else."""

    def fake(labels, groups, clips):
        index = pd.DataFrame({"label": labels, "group": groups, "clip": clips})
        names = [f"class{i}" for i in range(max(labels) + 1)]
        info = StoreInfo(1, "videos", tuple(names), 30, 30, 64, len(labels), 0, {}, [], {})
        return ClipStore("fake", np.empty((len(labels), 0)), index, info)

    return fake


@pytest.fixture
def dump_parts():
    """Write the course's two files: of each its bytes, or what is to be pickled."""

    def dump(folder: Path, *parts: object, protocol: int = 2) -> Path:
        folder.mkdir(exist_ok=True)
        for name, content in zip(course.PARTS, parts, strict=True):
            given = isinstance(content, bytes)
            (folder / name).write_bytes(content if given else pickle.dumps(content, protocol))
        return folder

    return dump
