"""Moving pictures: sequences in a labelled grid, as a video in a notebook or an animated file.

The same frames give the same bytes: the encoder has one thread, and the files carry no dates.
"""

import base64
import html
import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import matplotlib
import numpy as np
from av.codec.context import Flags
from PIL import Image, ImageDraw, ImageFont

FPS = 15  # half of UCF-11's rate: one sequence takes two seconds
TILE = 128  # pixels: frames are enlarged to about that, and to twice as much if one is alone
GAP = 8  # pixels between tiles
FONT_SIZE, LINE = 11, 14  # pixels
CHARACTER = 6.6  # pixels, the mean width
INK, PAPER, FAINT = (0, 0, 0), (255, 255, 255), (102, 102, 102)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of R, G and B: ITU-R BT.601
HEAT = "plasma"  # perceptually uniform
MAX_OPACITY = 0.85  # of the heat; elsewhere it is as opaque as it is high
WEBP_QUALITY = 35  # 0..100, the best
H264_CRF = 25  # 0..51, the worst
STILL = "if (matchMedia('(prefers-reduced-motion: reduce)').matches) this.pause()"


@dataclass(frozen=True)
class Motion:
    """A moving picture: in a notebook a video that loops; still for who asks for less motion."""

    pictures: np.ndarray = field(repr=False)  # uint8 (T, H, W, 3), text included
    label: str  # what it shows, for readers who do not see it
    fps: float

    def _repr_html_(self) -> str:
        height, width = self.pictures.shape[1:3]
        poster = io.BytesIO()
        Image.fromarray(self.pictures[0]).save(poster, "webp", quality=WEBP_QUALITY)
        still = _data_uri("image/webp", poster.getvalue())
        video = _data_uri("video/mp4", encode(self.pictures, self.fps))
        label = html.escape(self.label)
        return (
            f'<video src="{video}" poster="{still}" width="{width}" height="{height}"'
            f' style="max-width: 100%; height: auto" aria-label="{label}" title="{label}"'
            f' onloadeddata="{STILL}" controls autoplay loop muted playsinline>{label}</video>'
        )

    def write(self, path: Path) -> None:
        """Write an animated WebP or an MP4 file, by the suffix of `path`."""
        if path.suffix == ".mp4":
            path.write_bytes(encode(self.pictures, self.fps))
            return
        first, *others = map(Image.fromarray, self.pictures)
        options: dict[str, Any] = {"quality": WEBP_QUALITY, "method": 4, "loop": 0}
        duration = round(1000 / self.fps)  # of a frame, ms
        first.save(path, save_all=True, append_images=others, duration=duration, **options)


def play(
    frames: np.ndarray, titles: Sequence[str], *, overlay: np.ndarray | None = None,
    fps: float = FPS, columns: int = 4, note: str,
) -> Motion:  # fmt: skip
    """Sequences, uint8 (k, T, H, W, 3), in a grid of `columns`, each below its title.

    `overlay`, float (k, T, H, W), 0..1, such as Grad-CAM, is shown beside each sequence, in colour
    over its grey levels.
    """
    if overlay is not None:
        frames = np.concatenate([frames, overlaid(frames, overlay)], axis=3)
    count, columns = len(frames), min(columns, len(frames))
    zoom = max(1, 2 * round((TILE if count > 1 else 2 * TILE) / frames.shape[2] / 2))
    frames = frames.repeat(zoom, axis=2).repeat(zoom, axis=3)
    length, height, width = frames.shape[1:4]
    texts = [textwrap.wrap(title, int(width / CHARACTER)) for title in titles]
    header = LINE * max(map(len, texts)) + 4
    page_width = columns * (width + GAP) + GAP
    footer = textwrap.wrap(note, int(page_width / CHARACTER))
    rows = math.ceil(count / columns)
    page_height = rows * (height + header + GAP) + LINE * len(footer) + GAP
    page = Image.new("RGB", (page_width, page_height), PAPER)
    draw = ImageDraw.Draw(page)
    corners = []
    for i, lines in enumerate(texts):
        left = GAP + i % columns * (width + GAP)
        top = i // columns * (height + header + GAP)
        _text(draw, (left, top + 2), lines, INK)
        corners.append((left, top + header))
    _text(draw, (GAP, page.height - LINE * len(footer) - 4), footer, FAINT)
    pictures = np.repeat(np.asarray(page)[None], length, axis=0)
    for (left, top), sequence in zip(corners, frames, strict=True):
        pictures[:, top : top + height, left : left + width] = sequence
    return Motion(pictures, f"{', '.join(titles)}; {note}", fps)


def encode(frames: np.ndarray, fps: float = FPS, crf: int = H264_CRF) -> bytes:
    """Encode uint8 (T, H, W, 3) as H.264 in MP4, which every browser plays.

    `crf` is 0..51: the higher, the smaller the file and the worse the picture. An odd height or
    width is made even, as the encoder needs it, by repeating the last pixels.
    """
    frames = np.pad(frames, [(0, 0), *((0, n % 2) for n in frames.shape[1:3]), (0, 0)], "edge")
    file = io.BytesIO()
    with av.open(file, "w", "mp4", options={"fflags": "bitexact"}) as container:
        stream = container.add_stream("libx264", rate=round(fps))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        # x264's macroblock tree reads memory that nothing has written, so the bytes would vary
        stream.options = {"crf": str(crf), "bf": "0", "mbtree": "0"}
        stream.codec_context.flags |= Flags.bitexact
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def overlaid(frames: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Return uint8 (..., H, W, 3) in grey, maps, (..., H, W), 0..1, in colour over it."""
    opacity = MAX_OPACITY * maps[..., None]
    heat = 255 * matplotlib.colormaps[HEAT](maps)[..., :3]
    grey = (frames @ LUMA)[..., None]
    return np.rint(opacity * heat + (1 - opacity) * grey).astype(np.uint8)


def _text(draw: ImageDraw.ImageDraw, place: tuple[int, int], lines: list[str], ink: tuple) -> None:
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(file, FONT_SIZE)
    draw.multiline_text(place, "\n".join(lines), ink, font, spacing=LINE - FONT_SIZE)


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
