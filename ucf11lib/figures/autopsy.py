"""Why C3D of 2019 could not learn: the loss lattice, the gradient, the signal."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from ucf11lib.figures import style
from ucf11lib.figures.studies import panels
from ucf11lib.figures.style import GREY, SERIES, SMALL, WIDTH, legend, log_labels, mark, page

ZERO = 1e-25  # where a gradient of exactly zero is drawn on a logarithmic axis
HEADS = (("once", style.GREEN, "one softmax"), ("twice", style.RED, "two softmaxes"))
CELLS = (style.RED, style.ORANGE, style.BLUE, style.GREEN, style.SKY, style.PINK)
INITS = {"normal": "N(0, 0.1)", "he": "He"}


def lattice(rows: Sequence[Mapping], *, note: str) -> Figure:
    """The losses of each step against the lattice of a saturated double softmax; a panel a row.

    `rows` have `data` (the title), `classes`, `batch_size`, `width`, `points` (the lattice's
    losses) and `trace` with the columns `step, loss, gradient_norm`.
    """
    with page(WIDTH, 2.6, note) as figure:
        for axes, row in zip(figure.subplots(1, len(rows), squeeze=False)[0], rows, strict=True):
            trace = pd.DataFrame(row["trace"])
            points = np.asarray(row["points"])
            coarse = len(points) <= 5
            for value in points if coarse else points[points > trace["loss"].min() - 0.1]:
                mark(axes, value, width=0.6)
            if coarse:
                axes.set_yticks(points, [f"{value:.3f}" for value in points])
            dead = trace["gradient_norm"] == 0
            alive = {"color": style.BLUE, "label": "gradient not zero"}
            axes.plot("step", "loss", "o", data=trace[~dead], markersize=2.5, **alive)
            zero = {"color": style.RED, "label": "gradient exactly 0"}
            axes.plot("step", "loss", "o", data=trace[dead], markersize=2.5, **zero)
            size = f"n = {row['classes']}, B = {row['batch_size']},\nwidth {row['width']:g}"
            axes.set_title(f"{textwrap.fill(row['data'], 18)}\n{size}", fontsize=SMALL)
            axes.set(xlabel="step", xlim=(0, trace["step"].max() + 1))
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        figure.axes[0].set_ylabel("loss of the batch")
        legend(figure, 2)
    return figure


def gradients(gaps: pd.DataFrame, cells: Sequence[Mapping], *, note: str) -> Figure:
    """The loss's gradient through one and two softmaxes, and its norm over the first steps.

    `gaps` has the columns `gap, once, twice` (`studies.autopsy.largest_gradient`); `cells`, a line
    each, `head`, `init`, and `trace` with the columns `step, gradient_norm`.
    """
    with page(WIDTH, 2.7, note) as figure:
        left, right = figure.subplots(1, 2)
        for name, colour, text in HEADS:
            left.plot(gaps["gap"], gaps[name].where(gaps[name] > 0), color=colour, label=text)
        gone = gaps["gap"][gaps["twice"] == 0].min()
        left.axvline(gone, color=GREY, linestyle=":", linewidth=1)
        left.text(gone + 2, 1e-18, f"from {gone:.0f} on\nexactly 0", fontsize=SMALL, color=GREY)
        left.set(ylabel="largest entry of the gradient", xlim=(0, gaps["gap"].max()))
        left.set(xlabel="lead of a wrong class (logits)", yscale="log")
        log_labels(left.yaxis)
        left.legend(loc="lower left")
        for cell, colour in zip(cells, itertools.cycle(CELLS), strict=False):
            line = "--" if cell["init"] == "he" else "-"
            norms = np.maximum(cell["trace"]["gradient_norm"], ZERO)
            look = {"color": colour, "label": f"{cell['head']}, {INITS[cell['init']]}"}
            right.plot(cell["trace"]["step"], norms, line, linewidth=1.2, **look)
        right.set(ylabel="gradient norm of C3D", xlabel="step", yscale="log")
        right.set_yticks([ZERO, 1e-15, 1e-5, 1, 1e5], ["0", "1e-15", "1e-5", "1", "1e5"])
        right.yaxis.set_minor_locator(NullLocator())
        right.legend(loc="center right")
    return figure


def signal(rows: Sequence[Mapping], *, note: str) -> Figure:
    """How large the signal is behind each layer before the first step: a panel a model.

    `rows`, a line each, have `model`, `recipe`, and the lists `layer` and `std` of
    `studies.signal.layer_gains`.
    """
    recipes = dict.fromkeys(row["recipe"] for row in rows)
    looks = zip(itertools.cycle(SERIES), itertools.cycle("os^D"), strict=False)
    look_of = dict(zip(recipes, looks, strict=False))
    with page(WIDTH, 2.7, note) as figure:
        for (axes,), part in panels(figure, pd.DataFrame(rows), "model", sharey=True):
            for row in part.to_dict("records"):
                colour, marker = look_of[row["recipe"]]
                look = {"color": colour, "label": f"recipe {row['recipe']}", "markersize": 3}
                axes.plot(row["layer"], row["std"], f"-{marker}", **look)
            mark(axes, 1)
            axes.set_yscale("log")
            log_labels(axes.yaxis)
            axes.yaxis.set_minor_locator(NullLocator())
            axes.tick_params(axis="x", rotation=60)
        figure.axes[0].set_ylabel("root mean square of the outputs, before ReLU")
        legend(figure, 3)
    return figure
