"""A video's frame with an answer drawn over it."""

import functools
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from ucf11lib.errors import printable
from ucf11lib.figures.motion import overlaid
from ucf11lib.figures.style import SKY
from ucf11lib.text import percent

MIN_WIDTH = 320  # pixels, so that text is readable
MAX_SIDE = 16384  # pixels, of H.264's encoder
MAX_TEXT = 300  # characters that are measured
FONT_SHARE, MIN_FONT = 1 / 28, 12  # of the shorter side; pixels
DIMMED = 0.35  # what is left of the picture under text
BARS = 3

_font = functools.cache(lambda size: ImageFont.truetype(findfont("DejaVu Sans"), size))


def overlay(
    image: np.ndarray, headline: str, clock: str, ranking: Sequence[tuple[str, float]],
    heat: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Draw a headline and a clock above, bars of the first classes below, and a map over it all.

    uint8 (H, W, 3) to the same, enlarged to at least 320 pixels wide, its sides even, as H.264 asks
    for. `ranking` is classes and their probabilities, the likeliest first. `heat`, (h, w), 0..1, is
    drawn as in `saliency`, over the picture in grey.
    """
    scale = min(max(1, MIN_WIDTH / image.shape[1]), MAX_SIDE / max(image.shape))
    height, width = (2 * math.ceil(side * scale / 2) for side in image.shape[:2])
    pixels = np.asarray(Image.fromarray(image).resize((width, height)))
    if heat is not None:
        large = np.asarray(Image.fromarray(heat).resize((width, height))).clip(0, 1)
        pixels = overlaid(pixels, large)
    size = max(MIN_FONT, round(FONT_SHARE * min(height, width)))
    line, font = round(1.4 * size), _font(size)
    top = height - BARS * line
    pixels = pixels.astype(np.float32)
    pixels[:line] *= DIMMED
    pixels[top:] *= DIMMED
    picture = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    pad, left, room = size // 3, round(0.45 * width), 0.35 * width
    right = width - pad - font.getlength(clock)
    draw.text((pad, line / 2), _fitted(headline, font, right - size), "white", font, "lm")
    draw.text((right, line / 2), clock, "white", font, "lm")
    for number, (name, share) in enumerate(ranking[:BARS]):
        middle = top + (number + 0.5) * line
        end = left + share * room
        draw.text((pad, middle), _fitted(name, font, left - 2 * pad), "white", font, "lm")
        draw.rectangle((left, middle - size / 3, end, middle + size / 3), SKY)
        draw.text((end + pad, middle), percent(share), "white", font, "lm")
    return np.asarray(picture)


def _fitted(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """Return a text in one line, shortened to at most `room` pixels."""
    text = " ".join(printable(text[:MAX_TEXT]).split())
    if font.getlength(text) <= room:
        return text
    ends = (n for n in range(len(text), 0, -1) if font.getlength(f"{text[:n]}…") <= room)
    return f"{text[: next(ends, 0)]}…"
