import numpy as np
import pytest

from ucf11lib.data.synthetic import render
from ucf11lib.data.synthetic.motions import MOTIONS
from ucf11lib.data.synthetic.scene import Style, body_shapes
from ucf11lib.runs import RunConfig


def difference(one: np.ndarray, two: np.ndarray) -> float:
    return np.abs(one.astype(float) - two).mean()


def test_prepare_shape_and_index(store):
    assert store.frames.shape == (132, 30, 64, 64, 3)
    assert list(MOTIONS)[5] == "soccer_juggling"
    group = "basketball/v_basketball_01"
    assert (store.groups[0], store.clips[0]) == (group, f"{group}/v_basketball_01_01")
    assert store.index["first_frame"].tolist()[:2] == [0, 30]


def test_render_clip_continues_where_its_sequence_ended(store):
    """Sequences of one clip follow each other, so the seam is no larger than a step inside."""
    pairs = np.flatnonzero(store.clips[:-1] == store.clips[1:])
    ends = [store.frames[i][-1] for i in pairs]
    seams = [difference(end, store.frames[i + 1][0]) for i, end in zip(pairs, ends, strict=True)]
    inside = [difference(store.frames[i][14], store.frames[i][15]) for i in pairs]
    others = (pairs + 12) % len(store)
    strangers = [difference(end, store.frames[i][0]) for i, end in zip(others, ends, strict=True)]
    assert np.median(seams) < 1.3 * np.median(inside)
    assert np.median(strangers) > 3 * np.median(seams)


def test_render_group_fixes_the_place(store):
    """A clip's mean frame is nearer to its group's other clip than to the class's other groups."""
    means = store.frames[::2].mean(axis=1).reshape(11, 3, 2, -1)  # class, group, clip
    same = difference(means[:, :, 0], means[:, :, 1])
    other = difference(means, np.roll(means, 1, axis=1))
    assert same < 0.7 * other


def test_prepare_same_spec_same_bytes(tmp_path):
    spec = RunConfig.of(model="c3d", groups=1, clips=1, render_seed=3).data
    a, b = (render.prepare(tmp_path / name, spec).info for name in "ab")
    assert a == b
    # of the first version: renderer changes would make all published numbers incomparable
    assert a.sha256["frames"].startswith("beed01ab15594d02")


def test_sequences_of_clip_course_sizes():
    spec = RunConfig.of(model="c3d", profile="full").data
    sizes = np.array(
        [
            [render.sequences_of_clip(spec, label, g, c) for g in range(25) for c in range(6)]
            for label in range(11)
        ]
    )
    assert sizes.sum(axis=1).tolist() == list(render.COURSE_SEQUENCES)
    assert sizes.sum() == 7272
    assert sizes.min() >= 1


@pytest.mark.parametrize("name", MOTIONS)
def test_motions_move_and_stay_in_sight(name):
    u = np.linspace(0, 1, 30)
    scene = MOTIONS[name](u, Style(rate=1.0, vigour=1.0, lean=0.0, prop=1.0))
    shapes = [points for points, *_ in body_shapes(scene) if len(points) == 30]
    points = np.concatenate(shapes, axis=1)
    assert np.isfinite(points).all()
    assert np.ptp(points, axis=0).max() > 0.15
    assert np.abs(scene.pelvis).max() < 1.6
