"""How every figure looks: colours, fonts, the page with its note, the file it becomes."""

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from PIL import Image

from ucf11lib import paths

# Okabe and Ito's colours, which stay apart under every kind of colour blindness.
BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#F0E442"
RED, ORANGE, PINK = "#D55E00", "#E69F00", "#CC79A7"
GREY, PALE = "#666666", "#EEEEEE"
SPARE = (ORANGE, PINK, SKY, "black", YELLOW)
MODELS = {"c3d": ("C3D", RED), "vgg9": ("VGG9", BLUE), "cnn_lstm": ("CNN+LSTM", GREEN)}  # as shown, colour
SMALL = 7  # points
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so text is set alike everywhere
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": PALE,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "figure.facecolor": "white",
    "figure.dpi": 110,
    "savefig.dpi": "figure",
    "savefig.bbox": None,
    "svg.fonttype": "none",  # text stays text: it can be searched, and letters as paths take most of a file
    "svg.hashsalt": "ucf11",
}
TAG = re.compile(r"<[^>]*>")
LONG_NUMBER = re.compile(r"(\.\d\d)\d+")  # a hundredth of a point is finer than a screen
COLOURS = 96  # of a figure with video frames: more than that is noise, and doubles the file


@contextlib.contextmanager
def page(width: float, height: float, note: str) -> Iterator[Figure]:
    """Yield an empty figure of `width` x `height` inches in the one style, with `note` at its lower right."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.supxlabel(note, x=0.99, ha="right", fontsize=SMALL, color=GREY)
        yield figure
        figure.draw_without_rendering()  # ticks are made at the first draw, which must see the style


def shown_name(name: str) -> str:
    """Return a run's name as a reader wants it: "cnn_lstm 2019" -> "CNN+LSTM 2019"."""
    model, _, rest = name.partition(" ")
    return " ".join(filter(None, (MODELS.get(model, (model,))[0], rest)))


def colours(names: Iterable[str]) -> list[str]:
    """Return a colour a name: a model's own for its first run, spare ones for the others."""
    own, spare = {key: colour for key, (_, colour) in MODELS.items()}, itertools.cycle(SPARE)
    return [own.pop(name.partition(" ")[0], None) or next(spare) for name in names]


def percent(share: float, digits: int = 0) -> str:
    """Return 0.75 as "75 %"."""
    return f"{100 * share:.{digits}f} %"


def mean_and_range(values: Sequence[float]) -> str:
    """Return shares as "75.0 % (70.1 to 81.2)"."""
    return f"{percent(sum(values) / len(values), 1)} ({100 * min(values):.1f} to {100 * max(values):.1f})"


def percent_axis(axis) -> None:
    """Label an axis of shares, 0..1, as 0 % to 100 %."""
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


def save(figure: Figure, path: Path) -> Path:
    """Write `figure` to `path`, whole or not at all; the same figure gives the same bytes.

    Args:
        figure: made within `page`.
        path: its suffix gives the format: `.svg` for lines, `.png` for frames.

    Raises:
        ValueError: another suffix.
    """
    if path.suffix not in (".svg", ".png"):
        raise ValueError(f"{path}: figures are saved as .svg or .png")
    with matplotlib.rc_context(STYLE), paths.whole_file(path) as partial:
        if path.suffix == ".svg":
            figure.savefig(partial, metadata={"Date": None})
            partial.write_text(TAG.sub(lambda tag: LONG_NUMBER.sub(r"\1", tag[0]), partial.read_text()))
        else:
            _pixels(figure).save(partial, optimize=True)
    return path


def keep(figure: Figure, folder: Path | str, name: str) -> Figure:
    """Save `figure` as `folder/name` unless `folder` is empty, and return it, so that a notebook shows it too."""
    if folder:
        save(figure, Path(folder) / name)
    return figure


def _pixels(figure: Figure) -> Image.Image:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    shown = [picture.get_array() for axes in figure.axes for picture in axes.images]
    if any(values.ndim == 2 for values in shown):  # a map's few bright pixels get no colour where the most frequent win
        return image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    return image.quantize(COLOURS, dither=Image.Dither.NONE) if shown else image
