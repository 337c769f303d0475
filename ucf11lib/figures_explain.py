"""What a model uses, drawn. As in `figures`: data in, a figure out, with the note of where the data come from."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ucf11lib.explain import LUMA
from ucf11lib.figures import GAP, picks, side_by_side
from ucf11lib.style import BLUE, GREY, SKY, SMALL, colours, page, percent, percent_axis, shown_name

HEAT = "plasma"  # perceptually uniform
OPAQUE = 0.85  # the heat where it is highest; elsewhere it is as opaque as it is high, so that the frame is seen
SHOWN = 0.75  # inches a frame
ROOM = 0.3  # for the bars under a strip, in heights of a frame


def conditions(tables: Mapping[str, pd.DataFrame], *, chance: float | None = None, note: str) -> Figure:
    """Accuracy under each condition, a condition a row, a dot a model, with the 95 % interval over groups.

    A hollow dot is a model that answered every sequence alike: it was given nothing that it could tell apart.

    Args:
        tables: for each name what `explain.conditions` returns; the same conditions in all.
        chance: accuracy that is marked by a line, 0..1.
        note: the data that the figure comes from.
    """
    names, step = next(iter(tables.values())).index, min(0.22, 0.8 / len(tables))
    with page(7, 1.1 + len(names) * (0.16 + 0.12 * len(tables)), note) as figure:
        axes = figure.subplots()
        axes.axhline(0.5, color=GREY, linewidth=0.7)
        for i, (table, colour) in enumerate(zip(tables.values(), colours(tables), strict=True)):
            y = np.arange(len(names)) + (i - (len(tables) - 1) / 2) * step
            axes.hlines(y, table["low"], table["high"], color=colour, linewidth=1)
            inside = np.where(table["answers"] == 1, "white", colour)
            axes.scatter(table["accuracy"], y, 22, inside, edgecolors=colour, linewidths=1, zorder=3)
        axes.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, 1), xlabel="accuracy", yticks=range(len(names)))
        axes.set_yticklabels(names)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        percent_axis(axes.xaxis)
        if chance is not None:
            axes.axvline(chance, color=GREY, linestyle=":", linewidth=1)
            place = {"xycoords": ("data", "axes fraction"), "xytext": (0, 3), "textcoords": "offset points"}
            axes.annotate(f"chance {percent(chance)}", (chance, 1), **place, ha="center", color=GREY, fontsize=SMALL)
        figure.legend(handles=_models(tables), loc="outside upper center", ncols=4)
    return figure


def _models(tables: Mapping[str, pd.DataFrame]) -> list[Line2D]:
    dot = {"marker": "o", "markersize": 4.5, "linewidth": 1}
    found = [Line2D([], [], color=c, label=shown_name(n), **dot) for n, c in zip(tables, colours(tables), strict=True)]
    if any((table["answers"] == 1).any() for table in tables.values()):
        hollow = {"marker": "o", "markersize": 4.5, "linestyle": "", "markerfacecolor": "white", "color": GREY}
        found.append(Line2D([], [], label="the same answer for all", **hollow))
    return found


def leak(rows: Sequence[Mapping], *, note: str) -> Figure:
    """Held-out accuracy under each split, a panel a data set, a dot a seed: the model, and the nearest neighbour.

    Args:
        rows: of `leak.measure`.
        note: the data that the figure comes from.
    """
    panels = list(dict.fromkeys(row["data"] for row in rows))
    with page(3.4 * len(panels), 2.4, note) as figure:
        for axes, data in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True):
            found = [row for row in rows if row["data"] == data]
            for key, label, colour, shift in (
                ("accuracy", shown_name(found[0]["model"]), colours([found[0]["model"]])[0], -0.12),
                ("nearest", "nearest neighbour in pixels", GREY, 0.12),
            ):
                means = [np.mean(row[key]) for row in found]
                place = np.arange(len(found)) + shift
                axes.plot(place, means, "_", markersize=13, color="black")
                for x, row in zip(place, found, strict=True):
                    axes.plot([x] * len(row[key]), row[key], "o", markersize=3.5, color=colour, label=label)
                    label = None  # one line in the legend
            axes.set_xticks(range(len(found)), [f"{row['split']} split" for row in found])
            axes.set(title=data, ylim=(0, 1.02), xlim=(-0.5, len(found) - 0.5))
            axes.grid(axis="y")
            percent_axis(axes.yaxis)
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def saliency(
    frames: np.ndarray,
    maps: np.ndarray,
    energies: np.ndarray,
    titles: Sequence[str],
    *,
    reference: np.ndarray | None = None,
    columns: int = 8,
    note: str,
) -> Figure:
    """Film strips in grey with Grad-CAM over them in colour, and the gradient's energy in every frame below.

    A bar a frame, dark those of the frames that are shown. Each sequence's bars have a scale of their own, of which the
    line gives the measure.

    Args:
        frames: uint8 (k, T, H, W, 3), RGB.
        maps: float (k, T, H, W), 0..1, of `saliency.grad_cam`.
        energies: float (k, T), of `saliency.energy`.
        titles: one a sequence, above it.
        reference: float (T,), energies of a network with shuffled weights, drawn as a line; by default the line is the
            same for all frames.
        columns: frames of each strip, as for `figures.film_strips`.
        note: the data that the figure comes from.
    """
    even, length = reference is None, frames.shape[1]
    reference = np.full(length, 1 / length) if even else reference
    with page(1 + SHOWN * columns, 0.6 + (1.25 + ROOM) * SHOWN * len(frames), note) as figure:
        rows = figure.subplots(len(frames), 1, squeeze=False)[:, 0]
        for axes, sequence, heat, energy, title in zip(rows, frames, maps, energies, titles, strict=True):
            axes.imshow(side_by_side(np.rint(sequence @ LUMA)[..., None], columns)[..., 0], "gray", vmin=0, vmax=255)
            heat = side_by_side(heat[..., None], columns, 0)[..., 0]
            axes.imshow(heat, HEAT, vmin=0, vmax=1, alpha=OPAQUE * heat)
            highest = max(energy.max(), reference.max())
            _bars(axes, energy / highest, reference / highest, columns, frames.shape[2:4])
            axes.set_title(title, loc="left", fontsize=8, pad=2)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        scale = ScalarMappable(Normalize(0, 1), HEAT)
        bar = figure.colorbar(scale, ax=rows, fraction=0.03, pad=0.02, shrink=min(1, 2 / len(frames)), label="Grad-CAM")
        bar.outline.set_visible(False)
        line = "all frames alike" if even else "the same network with its weights shuffled"
        figure.suptitle(f"bars: the gradient's energy in each frame; line: {line}", fontsize=SMALL, color=GREY)
        figure.get_layout_engine().set(h_pad=0.02, hspace=0)
    return figure


def _bars(axes: Axes, heights: np.ndarray, line: np.ndarray, columns: int, size: tuple[int, int]) -> None:
    """Draw a bar a frame, 0..1 high, under the strip in `axes`, each where its frame is or would be, and a line."""
    length, (height, width) = len(heights), size
    room, pitch = ROOM * height, width + GAP
    apart = pitch * (columns - 1) / (length - 1)
    place = (width - 1) / 2 + np.arange(length) * apart
    foot, shown = height + room, np.isin(np.arange(length), picks(length, columns))
    axes.bar(place, -0.9 * room * heights, 0.8 * apart, foot, color=np.where(shown, BLUE, SKY))
    axes.stairs(foot - 0.9 * room * line, [*(place - apart / 2), place[-1] + apart / 2], baseline=None, color="black")
    axes.set(xlim=(-0.5, columns * pitch - GAP - 0.5), ylim=(foot, -0.5))
