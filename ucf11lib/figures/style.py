"""How every figure looks: colours, fonts, the page with its note, the file that it becomes."""

import contextlib
import itertools
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import seaborn
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, PercentFormatter
from PIL import Image

from ucf11lib import paths
from ucf11lib.figures.motion import Motion

# Okabe and Ito's colours, which stay apart under every kind of colour blindness.
BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#F0E442"
RED, ORANGE, PINK = "#D55E00", "#E69F00", "#CC79A7"
GREY, PALE = "#666666", "#EEEEEE"
MODELS = {"c3d": RED, "vgg9": BLUE, "cnn_lstm": GREEN, "frame_cnn": PINK}
SERIES = (RED, BLUE, GREEN, ORANGE, SKY)  # of what is no model
SPARE = (ORANGE, SKY, "black", GREY)  # none of a model's own
WIDTH = 6.5  # inches: the report's line, so that type has the same size in print
SMALL = 7  # points: the smallest type
NOTE_CHARACTERS = 17  # an inch
STYLE = {  # apart from matplotlib's defaults
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so text is set alike everywhere
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 7.5,
    "axes.edgecolor": GREY, "axes.linewidth": 0.7,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "grid.color": PALE, "legend.frameon": False, "legend.fontsize": SMALL,
    "xtick.labelsize": SMALL, "ytick.labelsize": SMALL, "figure.dpi": 110, "svg.hashsalt": "ucf11",
    "text.parse_math": False,  # a "$" in a name is a "$"
    "svg.fonttype": "none",  # text stays text: it can be searched, and the file is small
}  # fmt: skip
TAG = re.compile(r"<[^>]*>")
LONG_NUMBER = re.compile(r"(\.\d\d)\d+")  # a hundredth of a point is finer than a screen


@contextlib.contextmanager
def page(width: float, height: float, note: str) -> Iterator[Figure]:
    """Yield an empty figure of `width` x `height` inches in our style, `note` at lower right."""
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(width, height), layout="constrained")
        lines = textwrap.fill(note, round(NOTE_CHARACTERS * width))
        figure.supxlabel(lines, x=0.99, ha="right", fontsize=SMALL, color=GREY)
        yield figure
        figure.draw_without_rendering()  # the first draw makes the ticks


def colours(names: Iterable[Any]) -> dict[Any, str]:
    """Return a colour for each name: a model's own for its first run, spare ones for the others."""
    own = dict(MODELS)
    spare = itertools.cycle(SPARE)
    return {name: own.pop(str(name).partition(" ")[0], "") or next(spare) for name in names}


def percent_axis(axis, symbol: str = " %") -> None:
    """Label an axis of shares, 0..1, as 0 % to 100 %."""
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=symbol))


class _OneLine(LogFormatter):
    """Powers as 0.1 and 1e8: the digits of an exponent would be too small to read."""

    def __call__(self, x, pos=None) -> str:
        text = super().__call__(x, pos)
        if text and 1e-3 <= x <= 1e3:
            return f"{x:g}"
        return re.sub(r"e\+?(\N{MINUS SIGN}?)0*(?=\d)", r"e\1", text)


def log_labels(axis) -> None:
    """Label a logarithmic axis in type of one size."""
    for set_formatter in (axis.set_major_formatter, axis.set_minor_formatter):
        set_formatter(_OneLine(labelOnlyBase=False))


def save(figure: Figure | Motion, path: Path) -> Path:
    """Write a figure made within `page` to `path`, whole or not at all; same figure, same bytes.

    The suffix gives the format: `.svg` for lines, `.png` for frames, `.webp` or `.mp4` for what
    moves. Raises `ValueError` on others.
    """
    formats = (".webp", ".mp4") if isinstance(figure, Motion) else (".svg", ".png")
    if path.suffix not in formats:
        raise ValueError(f"{path}: such a figure is saved as {' or '.join(formats)}")
    with matplotlib.style.context(["default", STYLE]), paths.atomic_file(path) as partial:
        if isinstance(figure, Motion):
            figure.write(partial)
        elif path.suffix == ".svg":
            figure.savefig(partial, metadata={"Date": None})
            text = TAG.sub(lambda tag: LONG_NUMBER.sub(r"\1", tag[0]), partial.read_text())
            partial.write_text(text)
        else:
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
            pixels.save(partial, optimize=True, dpi=(figure.dpi, figure.dpi))
    return path


def saver(folder: Path | str) -> Callable:
    """Return `save_as(figure, name)`, which saves to `folder`, if any, and returns the figure."""

    def save_as(figure: Figure | Motion, name: str) -> Figure | Motion:
        if folder:
            save(figure, Path(folder) / name)
        return figure

    return save_as


def legend(figure: Figure, columns: int, *more: Artist) -> None:
    """Put a legend above all panels, of the labels of each panel and of `more`."""
    labelled: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        labelled |= dict(zip(labels, handles, strict=True))
    figure.legend(handles=[*labelled.values(), *more], loc="outside upper center", ncols=columns)


def heat(axes: Axes, shares: np.ndarray, texts: Sequence[str], **options) -> None:
    """Draw shares, 0..1, as colours with a text each; what is NaN stays grey and empty."""
    axes.set_facecolor(PALE)
    look = {"vmin": 0, "vmax": 1, "cmap": "Blues", "linewidths": 0.5, "fmt": "", "ax": axes}
    look |= {"annot": np.reshape(texts, shares.shape), "annot_kws": {"fontsize": SMALL}}
    seaborn.heatmap(shares, **look, **options)


def mark(axes: Axes, y: float, text: str = "", width: float = 1) -> None:
    """Draw a dotted horizontal line, and its label right of the axes, where no curve runs."""
    axes.axhline(y, color=GREY, linestyle=":", linewidth=width)
    if text:
        where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "xytext": (4, 0)}
        where |= {"textcoords": "offset points", "va": "center"}
        axes.annotate(text, (1, y), **where, color=GREY, fontsize=SMALL)
