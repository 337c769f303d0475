"""The synthetic stand-in: UCF-11-shaped sequences of an articulated figure, made from a seed.

It exists so that everything runs anywhere. No number from it says anything about UCF-11. As in UCF-11, a group is one
performer in one place before one camera, several clips show each group, and sequences of a clip follow each other; so
a split at random leaks what a split by group does not. A group fixes clothes, skin, background, viewpoint, scale,
light, shake and manner; a clip varies phase, speed and position.
"""

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from tqdm import tqdm

from ucf11lib.data import store
from ucf11lib.data.motions import KNEE, LOWER, MOTIONS, SHIN, TORSO, UPPER, Scene, Style

FPS = 29.97
SUPERSAMPLE = 2
MARGIN = 16  # pixels of background beyond the frame on each side, for the camera to move over
ONSET = 0.4  # cycles: a clip is cut to its action, as in UCF-11, so it begins near the action's beginning
COURSE_SEQUENCES = (607, 675, 722, 649, 931, 729, 633, 750, 545, 466, 565)


@dataclass(frozen=True)
class SyntheticSpec:
    """What to render. The same spec gives the same bytes.

    Attributes:
        seed: of everything random.
        groups: groups a class.
        clips: clips a group.
        sequences: sequences a clip.
        course_sizes: ignore `sequences` and give each class the course files' number, 7272 in all.
    """

    seed: int = 0
    groups: int = 25
    clips: int = 2
    sequences: int = 1
    course_sizes: bool = False

    def per_clip(self, label: int) -> list[int]:
        """Return the number of sequences of each clip of class `label`, groups by clips, in order."""
        n_clips = self.groups * self.clips
        if not self.course_sizes:
            return [self.sequences] * n_clips
        total = COURSE_SEQUENCES[label]
        return [total * (i + 1) // n_clips - total * i // n_clips for i in range(n_clips)]


@dataclass(frozen=True)
class Place:
    """What a group has in common: performer, place, camera."""

    style: Style
    colours: dict[str, tuple[int, int, int]]
    background: np.ndarray  # float32 (SIZE + 2 MARGIN, same, 3), 0..255
    yaw: float  # radians away from the side view
    facing: int  # +1 to the right, -1 to the left
    height: float  # body height, pixels
    ground: float  # pixels from the top
    shake: float  # pixels
    pan: float  # pixels a second
    light: np.ndarray  # float32 (SIZE, SIZE, 1), factor
    screen: int  # pixels from the bottom hidden by something in front
    noise: float  # standard deviation of sensor noise, grey levels


def _colour(rng: np.random.Generator, saturation: float = 1.0) -> tuple[int, int, int]:
    grey = rng.uniform(40, 215)
    return tuple(int(v) for v in np.clip(grey + saturation * rng.uniform(-110, 110, 3), 10, 245))


def _background(rng: np.random.Generator) -> np.ndarray:
    """Two bands (ground and what stands behind it), coarse texture, and a few things that do not move."""
    side = store.SIZE + 2 * MARGIN
    image = Image.new("RGB", (side, side), _colour(rng, 0.25))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, int(rng.uniform(0.45, 0.8) * side), side, side), fill=_colour(rng, 0.25))
    for _ in range(rng.integers(1, 5)):
        x, y = rng.uniform(0, side, 2)
        w, h = rng.uniform(3, 26, 2)
        kind = rng.integers(3)
        if kind == 0:
            draw.rectangle((x, y, x + w, y + h), fill=_colour(rng, 0.25))
        elif kind == 1:
            draw.ellipse((x, y, x + w / 2, y + w / 2), fill=_colour(rng, 0.25))
        else:
            draw.line((x, y, x + w - 13, y + h - 13), fill=_colour(rng, 0.25), width=int(rng.integers(1, 4)))
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.5))))
    coarse = rng.normal(0, 12, (8, 8, 3)).astype(np.float32)
    texture = np.stack(
        [np.asarray(Image.fromarray(coarse[..., c]).resize((side, side), Image.Resampling.BICUBIC)) for c in range(3)],
        axis=-1,
    )
    return np.clip(np.asarray(image, np.float32) + texture, 0, 255)


@lru_cache(maxsize=1)  # the clips of a group follow each other
def _place(seed: int, label: int, group: int) -> Place:
    rng = np.random.default_rng([seed, label, group])
    names = ("shirt", "trousers", "thing", "stand", "screen")
    skin = np.array([224, 172, 135]) * rng.uniform(0.35, 1.1)
    angle = rng.uniform(0, 2 * np.pi)
    x, y = np.meshgrid(np.linspace(-1, 1, store.SIZE), np.linspace(-1, 1, store.SIZE))
    slope = rng.uniform(0, 0.3) * (x * np.cos(angle) + y * np.sin(angle))
    return Place(
        style=Style(
            rate=rng.uniform(0.9, 1.2),
            vigour=rng.uniform(0.8, 1.1),
            lean=rng.uniform(-0.1, 0.2),
            prop=rng.uniform(0.9, 1.4),
        ),
        colours={name: _colour(rng) for name in names} | {"skin": tuple(int(v) for v in np.clip(skin, 0, 255))},
        background=_background(rng),
        yaw=rng.uniform(-0.7, 0.7),
        facing=int(rng.choice((-1, 1))),
        height=rng.uniform(30, 44),
        ground=rng.uniform(50, 58),
        shake=rng.uniform(0, 1.2),
        pan=rng.uniform(-5, 5),
        light=(rng.uniform(0.7, 1.15) + slope).astype(np.float32)[..., None],
        screen=int(rng.integers(2, 9)) if rng.random() < 0.5 else 0,
        noise=rng.uniform(2, 8),
    )


def _joints(scene: Scene) -> dict[str, np.ndarray]:
    """Return body joints by name, each (T, 3), in body heights."""

    def step(start: np.ndarray, angle: np.ndarray, length: float) -> np.ndarray:
        turned = angle + roll
        return start + length * np.stack([np.sin(turned), -np.cos(turned), 0 * turned], axis=-1)

    zero = np.zeros(len(scene.pelvis))
    roll = zero + scene.roll
    pelvis = np.column_stack([scene.pelvis, zero])
    neck = step(pelvis, np.pi - scene.lean, TORSO)
    joints = {"pelvis": pelvis, "neck": neck, "head": step(neck, np.pi - scene.lean, 0.11)}
    for side, z in ((0, 1.0), (1, -1.0)):
        shoulder = neck + [0, 0, 0.10 * z]
        hip = pelvis + [0, 0, 0.06 * z]
        upper, bend = scene.arms[side]
        elbow = step(shoulder, zero + upper, UPPER)
        thigh, knee_bend = scene.legs[side]
        knee = step(hip, zero + thigh, KNEE)
        joints |= {
            f"shoulder{side}": shoulder,
            f"elbow{side}": elbow,
            f"hand{side}": step(elbow, zero + upper + bend, LOWER),
            f"hip{side}": hip,
            f"knee{side}": knee,
            f"foot{side}": step(knee, zero + thigh + knee_bend, SHIN),
        }
    return joints


def _shapes(scene: Scene) -> list[tuple[np.ndarray, float, str]]:
    """Return what to draw, back to front: points (T, k, 3), width in body heights, colour; one point is a disc."""
    j = _joints(scene)

    def limb(names: str, side: int) -> np.ndarray:
        return np.stack([j[f"{name}{side}"] for name in names.split()], axis=1)

    shapes = [(points, width, colour) for points, width, colour in scene.sticks]
    for side in (0, 1):
        if side == 1:
            shapes.append((np.stack([j["pelvis"], j["neck"]], axis=1), 0.17, "shirt"))
            shapes.append((j["head"][:, None], 0.15, "skin"))
        shapes.append((limb("hip knee foot", side), 0.085, "trousers"))
        shapes.append((limb("shoulder elbow", side), 0.07, "shirt"))
        shapes.append((limb("elbow hand", side), 0.055, "skin"))
    return shapes + [(centre[:, None], 2 * radius, colour) for centre, radius, colour in scene.balls]


def _project(points: np.ndarray, place: Place, offset: np.ndarray) -> np.ndarray:
    """Turn (T, k, 3) body heights into (T, k, 2) supersampled pixels; `offset` is (T, 2) pixels."""
    x = place.facing * (points[..., 0] * np.cos(place.yaw) + points[..., 2] * np.sin(place.yaw))
    pixels = np.stack([x, -points[..., 1]], axis=-1) * place.height
    return (pixels + [store.SIZE / 2, place.ground] + offset[:, None]) * SUPERSAMPLE


def _draw(draw: ImageDraw.ImageDraw, points: np.ndarray, width: float, colour: tuple[int, int, int]) -> None:
    r = width / 2
    if len(points) > 1:
        draw.line([tuple(p) for p in points], fill=colour, width=max(1, round(width)), joint="curve")
    for x, y in points:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def render_clip(name: str, place: Place, n_sequences: int, rng: np.random.Generator) -> np.ndarray:
    """Render one clip of class `name`.

    Args:
        name: the class's folder name.
        place: the clip's group.
        n_sequences: how many sequences, one after the other.
        rng: the clip's own randomness.

    Returns:
        uint8 (n_sequences, 30, 64, 64, 3), RGB.
    """
    n = n_sequences * store.WINDOW
    t = np.arange(n) / FPS
    u = t * place.style.rate * rng.uniform(0.92, 1.08) + rng.uniform(0, ONSET)
    shake = np.cumsum(rng.normal(0, place.shake * 0.5, (n, 2)), axis=0)
    shake -= np.linspace(0, 1, n)[:, None] * shake[-1]  # a hand-held camera comes back
    camera = np.clip(shake + np.outer(t - t.mean(), [place.pan, 0]), -MARGIN, MARGIN)
    offset = rng.uniform([-7, -2], [7, 2]) + camera * 0.3
    shapes = _shapes(MOTIONS[name](u, place.style))
    tracks = [(_project(p, place, offset), w * place.height * SUPERSAMPLE, c) for p, w, c in shapes]
    side = store.SIZE * SUPERSAMPLE
    frames = np.empty((n, store.SIZE, store.SIZE, 3), np.uint8)
    background = Image.fromarray(place.background.astype(np.uint8)).resize(
        ((store.SIZE + 2 * MARGIN) * SUPERSAMPLE,) * 2, Image.Resampling.BILINEAR
    )
    for i in range(n):
        left, top = np.rint((MARGIN - camera[i]) * SUPERSAMPLE).astype(int)
        canvas = background.crop((left, top, left + side, top + side))
        draw = ImageDraw.Draw(canvas)
        for points, width, colour in tracks:
            _draw(draw, points[i], width, place.colours[colour])
        if place.screen:
            draw.rectangle((0, side - place.screen * SUPERSAMPLE, side, side), fill=place.colours["screen"])
        image = np.asarray(canvas.reduce(SUPERSAMPLE), np.float32) * place.light
        image += rng.standard_normal(image.shape, np.float32) * place.noise
        frames[i] = np.clip(image, 0, 255)
    return frames.reshape(n_sequences, store.WINDOW, store.SIZE, store.SIZE, 3)


def clips(spec: SyntheticSpec, first: int = 0) -> Iterator[tuple[int, str, str, np.ndarray]]:
    """Yield `(label, group, clip, frames)` for every clip of `spec`, in class order, from the `first` on."""
    every = itertools.product(enumerate(MOTIONS), range(spec.groups), range(spec.clips))
    for (label, name), g, c in itertools.islice(every, first, None):
        group = f"{name}/v_{name}_{g + 1:02d}"
        place = _place(spec.seed, label, g)
        rng = np.random.default_rng([spec.seed, label, g, c + 1])
        length = spec.per_clip(label)[g * spec.clips + c]
        yield label, group, f"{group}/v_{name}_{g + 1:02d}_{c + 1:02d}", render_clip(name, place, length, rng)


def prepare(path: Path | str, spec: SyntheticSpec) -> store.ClipStore:
    """Render `spec` into a new store at `path` and open it."""
    with store.create(path, source="synthetic", classes=list(MOTIONS), origin=asdict(spec)) as writer:
        total, done = len(MOTIONS) * spec.groups * spec.clips, len(writer.done)
        rendered = clips(spec, done)
        bar = tqdm(rendered, total=total, initial=done, desc="rendering", unit="clip", disable=None)
        for label, group, clip, frames in bar:
            writer.add(frames, label=label, group=group, clip=clip)
    return store.ClipStore.open(path)
