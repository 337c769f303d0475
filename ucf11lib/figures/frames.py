"""Video frames: film strips, right and wrong answers, saliency maps."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ucf11lib.figures.motion import HEAT, LUMA, MAX_OPACITY
from ucf11lib.figures.style import BLUE, GREY, SKY, SMALL, page

VERDICTS = {True: ("right", "#00694D"), False: ("wrong", "#B03A00")}
GAP = 2  # white pixels between the frames of a strip
FRAME = 0.6  # inches: about one pixel a pixel, because more would only make the file larger
SALIENCY_FRAME = 0.68  # inches
BARS_HEIGHT = 0.3  # of the bars under a strip, in heights of a frame


def film_strips(frames: np.ndarray, titles: Sequence[str], *, note: str) -> Figure:
    """Sequences, uint8 (k, T, H, W, 3), as film strips one below the other, titles at their left.

    Each strip has evenly spaced frames, the first to the last; their numbers are on top.
    """
    columns = 7
    with page(1.4 + FRAME * columns, 0.6 + FRAME * len(frames), note) as figure:
        rows = figure.subplots(len(frames), 1, squeeze=False)[:, 0]
        for axes, sequence, title in zip(rows, frames, titles, strict=True):
            _strip(axes, sequence, columns)
            axes.set_ylabel(title, rotation=0, ha="right", va="center")
        centres = frames.shape[3] / 2 + np.arange(columns) * (frames.shape[3] + GAP)
        rows[0].set_xticks(centres, picks(frames.shape[1], columns) + 1)
        rows[0].tick_params(length=0, bottom=False, labelbottom=False, labeltop=True)
        figure.set_layout_engine("constrained", h_pad=0.02, hspace=0)
    return figure


def examples(
    frames: np.ndarray, titles: Sequence[str], right: Sequence[bool], *, note: str
) -> Figure:
    """Sequences that a model got right or wrong, two strips a row, marked by word and by colour.

    `frames` is uint8 (k, T, H, W, 3); `titles` such as "walking -> biking 63 %", and `right`,
    whether the model was, are one a sequence.
    """
    columns, n_rows = 5, math.ceil(len(frames) / 2)
    with page(0.4 + 2 * FRAME * columns, 0.3 + 0.85 * n_rows, note) as figure:
        cells = figure.subplots(n_rows, 2, squeeze=False).ravel()
        parts = zip(cells[: len(frames)], frames, titles, right, strict=True)
        for axes, sequence, title, verdict in parts:
            word, colour = VERDICTS[bool(verdict)]
            _strip(axes, sequence, columns)
            axes.set_title(f"{word}: {title}", loc="left", color=colour, fontsize=8, pad=2)
        for axes in cells[len(frames) :]:
            axes.remove()
    return figure


def picks(length: int, columns: int) -> np.ndarray:
    """Return the numbers, from 0, of `columns` evenly spaced frames of `length`, first to last."""
    return np.linspace(0, length - 1, columns).round().astype(int)


def side_by_side(sequence: np.ndarray, columns: int, gap: float = 255) -> np.ndarray:
    """Return `columns` evenly spaced frames of (T, H, W, ...) as one picture, `gap` between."""
    picked = sequence[picks(len(sequence), columns)]
    margins = [(0, 0), (0, 0), (0, GAP), (0, 0)][: picked.ndim]
    return np.concatenate(np.pad(picked, margins, constant_values=gap), axis=1)[:, :-GAP]


def _strip(axes: Axes, sequence: np.ndarray, columns: int, **look) -> None:
    """Show `columns` evenly spaced frames of (T, H, W) or (T, H, W, 3) side by side."""
    axes.imshow(side_by_side(sequence, columns), **look)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def saliency(
    frames: np.ndarray, maps: np.ndarray, norms: np.ndarray, reference: np.ndarray,
    titles: Sequence[str], *, columns: int = 8, note: str,
) -> Figure:  # fmt: skip
    """Film strips in grey with Grad-CAM in colour over them, and the gradient's norm below.

    `frames` is uint8 (k, T, H, W, 3), `maps` (k, T, H, W), 0..1, and `norms` (k, T) are of
    `evaluation.explain`; `titles` are one a sequence. Strips have `columns` frames. A bar a frame,
    dark those of the frames that are shown; each sequence's bars have a scale of their own, of
    which a line gives the measure: `reference`, (T,), the norms of a network with shuffled
    weights.
    """
    height = 0.6 + (1.25 + BARS_HEIGHT) * SALIENCY_FRAME * len(frames)
    with page(1 + SALIENCY_FRAME * columns, height, note) as figure:
        rows = figure.subplots(len(frames), 1, squeeze=False)[:, 0]
        parts = zip(rows, frames, maps, norms, titles, strict=True)
        for axes, sequence, heat, of_frames, title in parts:
            _strip(axes, np.rint(sequence @ LUMA), columns, cmap="gray", vmin=0, vmax=255)
            shown = side_by_side(heat, columns, gap=0)
            axes.imshow(shown, HEAT, vmin=0, vmax=1, alpha=MAX_OPACITY * shown)
            highest = max(of_frames.max(), reference.max())
            heights = of_frames / highest, reference / highest
            _norm_bars(axes, *heights, columns, frames.shape[2:4])
            axes.set_title(title, loc="left", fontsize=8, pad=2)
        scale = ScalarMappable(Normalize(0, 1), HEAT)
        place: dict[str, Any] = {"fraction": 0.03, "pad": 0.02, "shrink": min(1, 2 / len(frames))}
        bar = figure.colorbar(scale, ax=rows, label="Grad-CAM", **place)
        bar.outline.set_visible(False)
        line = "line: the same network with its weights shuffled"
        title = f"bars: the gradient's norm in each frame; {line}"
        figure.suptitle(title, fontsize=SMALL, color=GREY)
        figure.set_layout_engine("constrained", h_pad=0.02, hspace=0)
    return figure


def _norm_bars(
    axes: Axes, heights: np.ndarray, line: np.ndarray, columns: int, size: tuple[int, int]
) -> None:
    """Draw a bar a frame, 0..1 high, under the strip, each where its frame is or would be."""
    length, (height, width) = len(heights), size
    room, pitch = BARS_HEIGHT * height, width + GAP
    apart = pitch * (columns - 1) / max(1, length - 1)
    place = (width - 1) / 2 + np.arange(length) * apart
    foot, shown = height + room, np.isin(np.arange(length), picks(length, columns))
    axes.bar(place, -0.9 * room * heights, 0.8 * apart, foot, color=np.where(shown, BLUE, SKY))
    edges = [*(place - apart / 2), place[-1] + apart / 2]
    axes.stairs(foot - 0.9 * room * line, edges, baseline=None, color="black")
    axes.set(xlim=(-0.5, columns * pitch - GAP - 0.5), ylim=(foot, -0.5))
