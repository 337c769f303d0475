"""What a group of the synthetic data has in common: performer, place, camera."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ucf11lib.data.synthetic.scene import Style

SIZE = 64  # pixels a side
MARGIN = 16  # pixels of background beyond the frame on each side, for the camera to move over


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
    noise: float  # std of sensor noise, grey levels


def _colour(rng: np.random.Generator, saturation: float = 1.0) -> tuple[int, int, int]:
    grey = rng.uniform(40, 215)
    colour = np.clip(grey + saturation * rng.uniform(-110, 110, 3), 10, 245)
    return tuple(colour.astype(int).tolist())


def _background(rng: np.random.Generator) -> np.ndarray:
    """Two bands (the ground, and behind it), coarse texture, and a few things that do not move."""
    side = SIZE + 2 * MARGIN
    image = Image.new("RGB", (side, side), _colour(rng, 0.25))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, int(rng.uniform(0.45, 0.8) * side), side, side), fill=_colour(rng, 0.25))
    for _ in range(rng.integers(1, 5)):
        x, y = rng.uniform(0, side, 2)
        width, height = rng.uniform(3, 26, 2)
        kind = rng.integers(3)
        fill = _colour(rng, 0.25)
        if kind == 0:
            draw.rectangle((x, y, x + width, y + height), fill=fill)
        elif kind == 1:
            draw.ellipse((x, y, x + width / 2, y + width / 2), fill=fill)
        else:
            end = (x + width - 13, y + height - 13)
            draw.line((x, y, *end), fill=fill, width=int(rng.integers(1, 4)))
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.5))))
    coarse = np.moveaxis(rng.normal(0, 12, (8, 8, 3)).astype(np.float32), -1, 0)
    channels = [Image.fromarray(channel) for channel in coarse]
    texture = [np.asarray(one.resize((side, side), Image.Resampling.BICUBIC)) for one in channels]
    return np.clip(np.asarray(image, np.float32) + np.stack(texture, axis=-1), 0, 255)


@lru_cache(maxsize=1)  # the clips of a group follow each other
def draw_place(seed: int, label: int, group: int) -> Place:
    """Return the place of a class's group, drawn from the seed."""
    rng = np.random.default_rng([seed, label, group])
    skin = np.array([224, 172, 135]) * rng.uniform(0.35, 1.1)
    angle = rng.uniform(0, 2 * np.pi)
    x, y = np.meshgrid(np.linspace(-1, 1, SIZE), np.linspace(-1, 1, SIZE))
    slope = rng.uniform(0, 0.3) * (x * np.cos(angle) + y * np.sin(angle))
    style = Style(
        rate=rng.uniform(0.9, 1.2),
        vigour=rng.uniform(0.8, 1.1),
        lean=rng.uniform(-0.1, 0.2),
        prop=rng.uniform(0.9, 1.4),
    )
    names = ("shirt", "trousers", "thing", "stand", "screen")
    colours = {name: _colour(rng) for name in names}
    return Place(
        style=style,
        colours=colours | {"skin": tuple(np.clip(skin, 0, 255).astype(int).tolist())},
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
