import numpy as np
import pytest

from ucf11lib.data import synthetic
from ucf11lib.data.motions import MOTIONS, Style
from ucf11lib.data.synthetic import SyntheticSpec


def test_same_seed_same_bytes(tmp_path):
    spec = SyntheticSpec(seed=3, groups=1, clips=1)
    a, b = (synthetic.prepare(tmp_path / name, spec) for name in "ab")
    assert a.info == b.info
    assert (
        a.info["sha256"]["frames"]
        != synthetic.prepare(tmp_path / "c", SyntheticSpec(seed=4, groups=1, clips=1)).info["sha256"]["frames"]
    )


def test_shape_and_order_of_the_index(store):
    assert store.frames.shape == (132, 30, 64, 64, 3)
    assert list(MOTIONS)[5] == "soccer_juggling"
    first = store.index.iloc[0]
    assert (first["group"], first["clip"]) == (
        "basketball/v_basketball_01",
        "basketball/v_basketball_01/v_basketball_01_01",
    )
    assert store.index["first_frame"].tolist()[:2] == [0, 30]


def test_course_sizes_are_those_of_the_course_files():
    spec = SyntheticSpec(groups=25, clips=6, course_sizes=True)
    sizes = [sum(spec.per_clip(label)) for label in range(11)]
    assert sizes == [607, 675, 722, 649, 931, 729, 633, 750, 545, 466, 565]
    assert sum(sizes) == 7272
    assert min(min(spec.per_clip(label)) for label in range(11)) >= 1


def test_a_clip_goes_on_where_its_sequence_ended(store):
    """Sequences of one clip follow each other, so the seam is no larger than a step inside."""
    pairs = np.flatnonzero(store.clips[:-1] == store.clips[1:])
    gap = lambda a, b: np.abs(a.astype(int) - b).mean()  # noqa: E731
    seams = [gap(store.frames[i][-1], store.frames[i + 1][0]) for i in pairs]
    inside = [gap(store.frames[i][14], store.frames[i][15]) for i in pairs]
    strangers = [gap(store.frames[i][-1], store.frames[(i + 12) % len(store)][0]) for i in pairs]
    assert np.median(seams) < 1.3 * np.median(inside)
    assert np.median(strangers) > 3 * np.median(seams)


def test_groups_fix_the_place_and_clips_do_not(store):
    """The mean frame of one clip is nearer to its group's other clip than to the class's other groups."""
    means = np.stack([store.frames[i].mean(axis=0) for i in range(0, len(store), 2)])
    groups, labels = store.groups[::2], store.labels[::2]
    same, other = [], []
    for i in range(len(means)):
        for j in range(i):
            if labels[i] == labels[j]:
                (same if groups[i] == groups[j] else other).append(np.abs(means[i] - means[j]).mean())
    assert np.mean(same) < 0.7 * np.mean(other)


@pytest.mark.parametrize("name", MOTIONS)
def test_every_class_moves_and_stays_in_sight(name):
    u = np.linspace(0, 1, 30)
    scene = MOTIONS[name](u, Style(rate=1.0, vigour=1.0, lean=0.0, prop=1.0))
    points = np.concatenate([p.reshape(30, -1) for p, *_ in synthetic._shapes(scene)], axis=1)
    assert np.isfinite(points).all()
    assert np.ptp(points, axis=0).max() > 0.15
    assert np.abs(scene.pelvis).max() < 1.6
