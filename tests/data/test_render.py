import hashlib

import numpy as np
import pytest

from ucf11lib.data.synthetic import render
from ucf11lib.data.synthetic.motions import MOTIONS
from ucf11lib.data.synthetic.places import draw_place
from ucf11lib.data.synthetic.scene import Style, body_shapes
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs import RunConfig


def difference(one: np.ndarray, two: np.ndarray) -> float:
    return np.abs(one.astype(float) - two).mean()


def test_prepare_shape_and_index(store):
    assert store.frames.shape == (132, 30, 64, 64, 3)
    assert list(MOTIONS)[5] == "soccer_juggling"
    group = "basketball/v_basketball_01"
    assert (store.groups[0], store.clips[0]) == (group, f"{group}/v_basketball_01_01")
    starts = store.index["first_frame"].to_numpy().reshape(-1, 2)
    assert (starts[:, 0] == 0).all()
    assert (starts[:, 1] > 30).all()


def test_prepare_in_processes_has_the_same_bytes(tmp_path, monkeypatch):
    spec = RunConfig.of(model="c3d", profile="smoke", groups=2, clips=1, sequences=1).data
    one = render.prepare(tmp_path / "one", spec)
    monkeypatch.setattr(render, "MANY_CLIPS", 1)
    assert render.prepare(tmp_path / "many", spec).info.sha256 == one.info.sha256
    monkeypatch.setattr(render, "in_processes", lambda *_: iter(["crashed"]))
    with pytest.raises(RunFailed, match="rendering a clip crashed; run it again"):
        render.prepare(tmp_path / "none", spec)
    assert not (tmp_path / "none").exists()


def test_render_clip_end_to_end_continues_where_its_sequence_ended():
    """The seam is then no larger than a step inside a sequence."""
    seams, inside = [], []
    for label, name in enumerate(MOTIONS):
        options = {"rng": np.random.default_rng(label), "end_to_end": True}
        starts, frames = render.render_clip(name, draw_place(0, label, 0), 3, **options)
        assert starts.tolist() == [0, 30, 60]
        seams += [difference(frames[i][-1], frames[i + 1][0]) for i in (0, 1)]
        inside += [difference(frames[i][14], frames[i][15]) for i in (0, 1)]
    assert np.median(seams) < 1.3 * np.median(inside)


def test_render_clip_each_sequence_begins_near_a_cycles_beginning(monkeypatch):
    """The first of its frames are at the same phase, but for `ONSET`; nothing is repeated."""
    phases = []
    still = MOTIONS["biking"]
    monkeypatch.setitem(MOTIONS, "biking", lambda u, style: phases.append(u) or still(u, style))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        starts, _ = render.render_clip("biking", draw_place(0, 1, seed), 3, rng)
        first, second, third = phases[-1].reshape(3, 30)
        rate = np.diff(first).mean()  # cycles a frame
        assert np.diff(starts) == pytest.approx(starts[1], abs=1)
        assert 30 <= starts[1] < 30 + 1.5 / rate
        for u in (first, second, third):
            assert -rate <= (u[0] + rate) % 1 - rate <= render.ONSET + 2 * rate
        assert second[0] > first[-1]
        assert third[0] > second[-1]


def test_render_group_fixes_the_place(store):
    """A clip's mean frame is nearer to its group's other clip than to the class's other groups."""
    means = store.frames[::2].mean(axis=1).reshape(11, 3, 2, -1)  # class, group, clip
    same = difference(means[:, :, 0], means[:, :, 1])
    other = difference(means, np.roll(means, 1, axis=1))
    assert same < 0.7 * other


@pytest.mark.parametrize(
    ("sequences", "digest"), [(1, "beed01ab15594d02"), (2, "d76a5cc18d3576f6")]
)
def test_prepare_same_spec_same_bytes(tmp_path, sequences, digest):
    """A change of the renderer would make all published numbers incomparable."""
    flat = {"groups": 1, "clips": 1, "sequences": sequences, "render_seed": 3}
    spec = RunConfig.of(model="c3d", **flat).data
    a, b = (render.prepare(tmp_path / name, spec).info for name in "ab")
    assert a == b
    assert a.sha256["frames"].startswith(digest)


def test_render_clip_end_to_end_same_bytes():
    """A clip of the course's size, on which a GPU trained (study full_width)."""
    rng = np.random.default_rng([0, 5, 3, 3])
    _, frames = render.render_clip("soccer_juggling", draw_place(0, 5, 3), 5, rng, end_to_end=True)
    assert hashlib.sha256(frames.tobytes()).hexdigest().startswith("b1930038ab6d084f")


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


def test_prepare_refuses_more_clips_than_sequences(tmp_path):
    data = RunConfig.of(model="c3d", profile="full", clips=19).data
    with pytest.raises(UserError, match="25 groups of 19 clips: a class of the course has 466 seq"):
        render.prepare(tmp_path / "s", data)
    assert list(tmp_path.iterdir()) == []
