"""Clips and groups found again: on data whose truth is known."""

import numpy as np
import pytest

from ucf11lib import bench_data
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


def test_clips_and_groups_of_ucf101_where_one_clip_goes_on_as_the_next(videos, tmp_path):
    """v_Biking_g01_c02 begins a frame after c01's last sequence: only the coding tells."""
    from ucf11lib.data.videos import prepare

    store = prepare(tmp_path / "s", videos / "ucf101_sample", source="videos")
    found = recovered(store)
    assert scores(store.clips, found.clips, store.labels) == (1, 1)
    assert scores(store.groups, found.groups(), store.labels) == (1, 1)
    assert min(found.confidence) > 0.5


def test_the_more_frames_are_lost_in_a_video_the_more_cuts_are_told(videos):
    rows = bench_data.gaps(sorted(videos.glob("ucf101_sample/**/*.avi")))
    told = [row["told"] for row in rows if not row["coded"]]
    assert told[0] <= 0.01  # none is lost: told by mistake
    assert all(np.diff(told) > 0)
    assert told[-1] >= 0.8
    nearest = min((row for row in rows if not row["coded"]), key=lambda row: abs(row["lost"] - rows[-1]["lost"]))
    assert rows[-1]["told"] > nearest["told"] + 0.1  # a file that begins is seen in its coding


def test_the_more_frames_are_lost_in_a_synthetic_clip_the_more_cuts_are_told(long_clips):
    whole = long_clips.frames[: len(long_clips) // 3 * 3].reshape(-1, 90, *long_clips.frames.shape[2:])
    told = []
    for lost in (0, 4, 15):
        pairs = [(frames[:30], frames[30 + lost : 60 + lost]) for frames in whole]
        told.append(np.mean([bench_data.are_two(*pair) for pair in pairs]))
    assert told[0] <= 0.02
    assert told[1] >= 0.35
    assert told[2] >= 0.7


def coded(*files: int) -> np.ndarray:
    """One still video as a coder leaves it in files of so many sequences: a little flicker, and whole pictures."""
    rng = np.random.default_rng(0)
    picture, frames = rng.integers(60, 196, (64, 64, 3)), []
    for number in (number for sequences in files for number in range(30 * sequences)):
        drawn = rng.random(picture.shape) < (0.9 if number % recover.REFRESH == 0 else 0.3)
        picture = picture + drawn * rng.choice((-1, 1), picture.shape)
        frames.append(picture.astype(np.uint8))
    return np.reshape(frames, (-1, 30, 64, 64, 3))


@pytest.mark.parametrize(("files", "clips"), [((1, 2), [0, 1, 1]), ((3, 1), [0, 0, 0, 1]), ((2, 1), [0, 0, 0])])
def test_files_of_one_still_video_are_told_where_their_whole_pictures_are_out_of_step(files, clips):
    found = Recovery()
    for frames in coded(*files):
        found.add(frames, 0)
    assert found.clips == clips
    assert len(set(found.groups())) == 1


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
