"""Clips and groups found again: on data whose truth is known."""

import numpy as np
import pytest

from ucf11lib.data import course, recover, splits, synthetic
from ucf11lib.data.recover import Recovery
from ucf11lib.data.store import ClipStore


def recovered(store: ClipStore) -> Recovery:
    found = Recovery()
    for frames, label in zip(store.frames, store.labels, strict=True):
        found.add(frames, int(label))
    return found


def boundaries(units, labels) -> np.ndarray:
    """Where a unit begins within a class."""
    units = np.asarray(units)
    return (units[1:] != units[:-1]) & (labels[1:] == labels[:-1])


def scores(truth, found, labels) -> tuple[float, float]:
    """Precision and recall of boundaries."""
    counted = recover.scores(truth, found, labels)
    return counted["precision"], counted["recall"]


def test_boundaries_are_counted_within_classes():
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    truth, found = list("aabbccd"), [1, 2, 3, 3, 4, 4, 4]
    counted = recover.scores(truth, found, labels)
    assert counted == {"true": 2, "found": 2, "both": 1, "precision": 0.5, "recall": 0.5}
    assert recover.scores(list("ab"), list("ab"), np.array([0, 1]))["recall"] is None


@pytest.fixture(scope="module")
def long_clips(tmp_path_factory) -> ClipStore:
    """Synthetic clips of several sequences each, as in the course's files."""
    spec = synthetic.SyntheticSpec(seed=3, groups=4, clips=3, sequences=3)
    return synthetic.prepare(tmp_path_factory.mktemp("recover") / "s", spec)


def test_clips_of_weizmann(videos_store):
    precision, recall = scores(videos_store.clips, recovered(videos_store).clips, videos_store.labels)
    assert (precision, recall) == (1, 1)


@pytest.fixture(scope="module")
def videos_store(tmp_path_factory, videos):
    from ucf11lib.data.videos import prepare

    return prepare(tmp_path_factory.mktemp("weizmann") / "s", videos / "weizmann", source="videos")


def test_clips_of_ucf101_but_for_two_that_are_one_video(videos, tmp_path):
    """v_Biking_g01_c02 goes on where c01 ends; no look at the frames can tell."""
    from ucf11lib.data.videos import prepare

    store = prepare(tmp_path / "s", videos / "ucf101_sample", source="videos")
    found = recovered(store).clips
    assert scores(store.clips, found, store.labels)[0] == 1
    missed = np.flatnonzero(boundaries(store.clips, store.labels) & ~boundaries(found, store.labels))
    assert [store.clips[i + 1] for i in missed] == ["Biking/v_Biking_g01_c02"]


def test_clips_and_groups_of_the_synthetic_data(long_clips):
    found = recovered(long_clips)
    precision, recall = scores(long_clips.clips, found.clips, long_clips.labels)
    assert min(precision, recall) >= 0.95
    precision, recall = scores(long_clips.groups, found.groups(), long_clips.labels)
    assert precision >= 0.98  # hardly a group is cut in two,
    assert recall >= 0.5  # at the price of some that are merged


def test_through_the_courses_pickles_to_a_group_split(long_clips, tmp_path, capsys):
    course.export(long_clips, tmp_path)
    store = course.prepare(tmp_path / "s", tmp_path)
    assert np.array_equal(store.frames, long_clips.frames)
    precision, recall = scores(long_clips.clips, store.clips, store.labels)
    assert min(precision, recall) >= 0.95
    for kind, units in (("video", store.clips), ("group", store.groups)):
        parts = splits.split(store, kind)
        assert not set(units[parts.train]) & set(units[parts.validation])
    whole = splits.split(store, "group").validation
    rest = np.setdiff1d(np.arange(len(store)), whole)
    shared = np.isin(long_clips.groups[whole], long_clips.groups[rest]).mean()
    assert shared <= 0.05
    assert "estimated" in capsys.readouterr().err
    first = store.index.groupby("clip")["first_frame"].first()
    assert (first == 0).all()


def test_a_class_of_its_own_begins_a_clip_and_one_class_merges_nothing():
    rng = np.random.default_rng(0)
    still = np.repeat(rng.integers(0, 256, (1, 64, 64, 3), np.uint8), 30, axis=0)
    found = Recovery()
    for label in (0, 0, 1):
        found.add(still, label)
    assert found.clips == [0, 0, 1]
    assert found.confidence[0] == found.confidence[2] == 1
    one = Recovery()
    for frames in (still, 255 - still):
        one.add(frames, 0)
    assert one.clips == one.groups() == [0, 1]
