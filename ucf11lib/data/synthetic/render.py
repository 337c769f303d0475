"""The synthetic stand-in: UCF-11-shaped sequences of an articulated figure, drawn from a seed.

It exists so that everything runs anywhere; no number from it says anything about UCF-11. As there,
a group is one performer in one place before one camera, and a clip gives several sequences; so a
random split leaks what a split by group does not. A clip varies phase, speed and position. Each of
its sequences begins near the beginning of a cycle of the action (but of a swing, whose cycle is a
quarter longer), and what lies between them is left out. Data of the course's size have all of a
clip, cut from end to end as the course cut UCF-11's.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from ucf11lib.data.processes import in_processes
from ucf11lib.data.store import ClipStore
from ucf11lib.data.synthetic.motions import MOTIONS
from ucf11lib.data.synthetic.places import MARGIN, SIZE, Place, draw_place
from ucf11lib.data.synthetic.scene import body_shapes
from ucf11lib.data.writer import create
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs.specs import DataSpec

WINDOW = 30  # frames a sequence
FPS = 29.97
SUPERSAMPLE = 2
MANY_CLIPS = 1000  # from which on processes are worth their start
ONSET = 0.4  # cycles after a cycle's beginning, at most, that a sequence begins
COURSE_SEQUENCES = (607, 675, 722, 649, 931, 729, 633, 750, 545, 466, 565)


def _project(points: np.ndarray, place: Place, offset: np.ndarray) -> np.ndarray:
    """Turn (T, k, 3) body heights into (T, k, 2) supersampled pixels; `offset` is (T, 2) pixels."""
    x = place.facing * (points[..., 0] * np.cos(place.yaw) + points[..., 2] * np.sin(place.yaw))
    pixels = np.stack([x, -points[..., 1]], axis=-1) * place.height
    return (pixels + [SIZE / 2, place.ground] + offset[:, None]) * SUPERSAMPLE


def _draw(
    draw: ImageDraw.ImageDraw, points: np.ndarray, width: float, colour: tuple[int, int, int]
) -> None:
    """Draw joined lines with round ends through (k, 2) points; one point is a disc."""
    if len(points) > 1:
        draw.line(points.ravel().tolist(), colour, max(1, round(width)), joint="curve")
    for x, y in points:
        draw.circle((x, y), width / 2, colour)


def render_clip(
    name: str, place: Place, n_sequences: int, rng: np.random.Generator, *, end_to_end: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Render one clip of class `name` at its group's `place`, with the clip's own `rng`.

    Returns the sequences' first frames in the clip, int (n_sequences,), and the sequences, uint8
    (n_sequences, 30, 64, 64, 3), RGB. With `end_to_end`, no frame is left out between them.
    """
    n = n_sequences * WINDOW
    speed = rng.uniform(0.92, 1.08)
    rate = place.style.rate * speed
    cycles = np.ceil(rate * WINDOW / FPS + ONSET)  # from a sequence's beginning to the next one's
    every = WINDOW if end_to_end else cycles / rate * FPS
    first_frames = np.ceil(every * np.arange(n_sequences)).astype(int)
    t = (first_frames[:, None] + np.arange(WINDOW)).ravel() / FPS
    onsets = rng.uniform(0, ONSET, 1 if end_to_end else n_sequences)
    u = t * place.style.rate * speed + onsets.repeat(n // len(onsets))
    shake = np.cumsum(rng.normal(0, place.shake * 0.5, (n, 2)), axis=0)
    shake -= np.linspace(0, 1, n)[:, None] * shake[-1]  # a hand-held camera comes back
    camera = np.clip(shake + np.outer(t - t.mean(), [place.pan, 0]), -MARGIN, MARGIN)
    offset = rng.uniform([-7, -2], [7, 2]) + camera * 0.3
    shapes = body_shapes(MOTIONS[name](u, place.style))
    tracks = [(_project(p, place, offset), w * place.height * SUPERSAMPLE, c) for p, w, c in shapes]
    side = SIZE * SUPERSAMPLE
    frames = np.empty((n, SIZE, SIZE, 3), np.uint8)
    background = Image.fromarray(place.background.astype(np.uint8))
    large = [edge * SUPERSAMPLE for edge in background.size]
    background = background.resize(large, Image.Resampling.BILINEAR)
    for i in range(n):
        left, top = np.rint((MARGIN - camera[i]) * SUPERSAMPLE).astype(int)
        canvas = background.crop((left, top, left + side, top + side))
        draw = ImageDraw.Draw(canvas)
        for points, width, colour in tracks:
            _draw(draw, points[i], width, place.colours[colour])
        if place.screen:
            top_edge = side - place.screen * SUPERSAMPLE
            draw.rectangle((0, top_edge, side, side), fill=place.colours["screen"])
        image = np.asarray(canvas.reduce(SUPERSAMPLE), np.float32) * place.light
        image += rng.standard_normal(image.shape, np.float32) * place.noise
        frames[i] = np.clip(image, 0, 255)
    return first_frames, frames.reshape(n_sequences, WINDOW, SIZE, SIZE, 3)


def sequences_of_clip(spec: DataSpec, label: int, group: int, clip: int) -> int:
    """Return how many sequences a clip has; `spec.sequences` None gives the course's totals."""
    if spec.sequences is not None:
        return spec.sequences
    total = COURSE_SEQUENCES[label]
    n_clips = spec.groups * spec.clips
    number = group * spec.clips + clip
    return total * (number + 1) // n_clips - total * number // n_clips


def prepare(path: Path | str, spec: DataSpec) -> ClipStore:
    """Render `spec` into a new store at `path` and open it; the same spec gives the same bytes.

    Raises a `UserError` for more clips a class than the course has sequences, where these are asked
    for.
    """
    most = min(COURSE_SEQUENCES)
    if spec.sequences is None and spec.groups * spec.clips > most:
        many = f"{spec.groups} groups of {spec.clips} clips"
        raise UserError(f"{many}: a class of the course has {most} sequences; choose fewer clips")
    names = ("render_seed", "groups", "clips", "sequences")
    origin = {name: getattr(spec, name) for name in names}
    numbers = itertools.product(range(len(MOTIONS)), range(spec.groups), range(spec.clips))
    clips = [(spec, *one) for one in numbers]
    with create(path, source="synthetic", classes=list(MOTIONS), origin=origin) as writer:
        progress = tqdm(clips, desc="rendering", unit="clip", disable=None)
        for (_, label, g, c), (starts, frames) in zip(progress, _rendered(clips), strict=True):
            name = list(MOTIONS)[label]
            group = f"v_{name}_{g + 1:02d}"
            clip = f"{name}/{group}/{group}_{c + 1:02d}"
            unit = {"label": label, "group": f"{name}/{group}", "clip": clip}
            writer.add(frames, **unit, first_frames=starts)
    return ClipStore.open(path)


def _rendered(clips: list[tuple[DataSpec, int, int, int]]) -> Iterator[tuple]:
    """Yield what `render_clip` returns of each; of many, from a process for each processor."""
    workers = len(os.sched_getaffinity(0))
    if workers == 1 or len(clips) < MANY_CLIPS:
        yield from itertools.starmap(_clip_of, clips)
        return
    for result in in_processes(_clip_of, clips, workers):
        if not isinstance(result, tuple):
            raise RunFailed(f"rendering a clip {result}; run it again")
        yield result


def _clip_of(spec: DataSpec, label: int, group: int, clip: int) -> tuple:
    rng = np.random.default_rng([spec.render_seed, label, group, clip + 1])
    place = draw_place(spec.render_seed, label, group)
    n_sequences = sequences_of_clip(spec, label, group, clip)
    end_to_end = spec.sequences is None
    return render_clip(list(MOTIONS)[label], place, n_sequences, rng, end_to_end=end_to_end)
