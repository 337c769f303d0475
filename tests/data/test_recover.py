"""Clips and groups recovered on data whose truth is known."""

import numpy as np
import pytest

from ucf11lib.data import splits
from ucf11lib.data.course import source as course
from ucf11lib.data.course.recover import Recovery, boundary_scores
from ucf11lib.data.store import ClipStore
from ucf11lib.data.synthetic import render
from ucf11lib.runs import RunConfig


def recovered(store: ClipStore) -> Recovery:
    estimate = Recovery()
    for frames, label in zip(store.frames, store.labels, strict=True):
        estimate.add(frames, int(label))
    return estimate


def scores(truth, estimate, labels) -> tuple[float, float]:
    """Precision and recall of boundaries."""
    counted = boundary_scores(truth, estimate, labels)
    return counted["precision"], counted["recall"]


@pytest.fixture(scope="module")
def long_clips(tmp_path_factory) -> ClipStore:
    """Synthetic clips of several sequences each, as in the course's files."""
    spec = RunConfig.of(model="c3d", groups=4, clips=3, sequences="none", render_seed=3).data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "COURSE_SEQUENCES", 11 * [3 * 4 * 3])
        return render.prepare(tmp_path_factory.mktemp("recover") / "s", spec)


def test_boundary_scores_within_classes():
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    truth, estimate = list("aabbccd"), [1, 2, 3, 3, 4, 4, 4]
    counted = boundary_scores(truth, estimate, labels)
    assert counted == {"true": 2, "estimated": 2, "both": 1, "precision": 0.5, "recall": 0.5}
    assert boundary_scores(list("ab"), list("ab"), np.array([0, 1]))["recall"] is None


def test_recovery_clips_of_weizmann(tmp_path, videos, prepare_videos):
    store = prepare_videos(tmp_path / "s", videos / "weizmann")
    assert scores(store.clips, recovered(store).clips, store.labels) == (1, 1)


@pytest.mark.slow
def test_recovery_of_synthetic_groups(long_clips):
    estimate = recovered(long_clips).groups()
    precision, recall = scores(long_clips.groups, estimate, long_clips.labels)
    assert precision >= 0.98  # hardly a group is cut in two,
    assert recall >= 0.5  # at the price of some that are merged


@pytest.mark.slow
def test_recovery_through_pickles_to_a_group_split(long_clips, tmp_path):
    course.export(long_clips, tmp_path)
    store = course.prepare(tmp_path / "s", tmp_path)
    assert np.array_equal(store.frames, long_clips.frames)
    assert min(scores(long_clips.clips, store.clips, store.labels)) >= 0.95
    parts = splits.divide(store, "group")
    true_groups = long_clips.groups
    shared = np.isin(true_groups[parts.validation], true_groups[parts.train]).mean()
    assert shared <= 0.05
    assert (store.index.groupby("clip")["first_frame"].first() == 0).all()


def test_recovery_class_begins_a_clip():
    rng = np.random.default_rng(0)
    still = np.repeat(rng.integers(0, 256, (1, 64, 64, 3), np.uint8), 30, axis=0)
    estimate = Recovery()
    for label in (0, 0, 1):
        estimate.add(still, label)
    assert estimate.clips == [0, 0, 1]
    one = Recovery()
    for frames in (still, 255 - still):
        one.add(frames, 0)
    assert one.clips == one.groups() == [0, 1]
