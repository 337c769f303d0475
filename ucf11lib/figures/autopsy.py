"""Why C3D of 2019 could not learn: the loss lattice, the gradient, the signal through layers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from ucf11lib.figures.style import BLUE, GREEN, GREY, ORANGE, RED, SMALL, label, legend, page
from ucf11lib.text import display_name

ZERO = 1e-25  # where a gradient of exactly zero is drawn on a logarithmic axis
HEADS = (("once", GREEN, "one softmax"), ("twice", RED, "two softmaxes"))
INITS = {"normal": "N(0, 0.1)", "he": "He"}


def lattice(rows: Sequence[Mapping], *, note: str) -> Figure:
    """The losses of each step against the lattice of a saturated double softmax; a panel a row.

    `rows` have `data` (the title), `classes`, `batch_size`, `width`, `points` (the lattice's
    losses) and `trace` with the columns `step, loss, gradient_norm`.
    """
    kinds = ((False, BLUE, "gradient not zero"), (True, RED, "gradient exactly 0"))
    with page(9, 2.9, note) as figure:
        for axes, row in zip(figure.subplots(1, len(rows), squeeze=False)[0], rows, strict=True):
            trace = pd.DataFrame(row["trace"])
            points = np.asarray(row["points"])
            coarse = len(points) <= 5
            for value in points if coarse else points[points > trace["loss"].min() - 0.1]:
                axes.axhline(value, color=GREY, linewidth=0.6, linestyle=":")
                if coarse:
                    label(axes, value, f"{value:.4f}")
            for dead, colour, name in kinds:
                part = trace[(trace["gradient_norm"] == 0) == dead]
                style = {"markersize": 2.5, "color": colour, "label": name}
                axes.plot(part["step"], part["loss"], "o", **style)
            size = f"n = {row['classes']}, B = {row['batch_size']}, width {row['width']:g}"
            axes.set_title(f"{row['data']}\n{size}", fontsize=SMALL)
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
    with page(9, 3.1, note) as figure:
        left, right = figure.subplots(1, 2)
        for name, colour, text in HEADS:
            left.plot(gaps["gap"], gaps[name].where(gaps[name] > 0), color=colour, label=text)
        gone = gaps["gap"][gaps["twice"] == 0].min()
        left.axvline(gone, color=GREY, linestyle=":", linewidth=1)
        left.text(gone, 1e-18, f" from {gone:.0f} on\n exactly 0", fontsize=SMALL, color=GREY)
        left.set(title="largest entry of the gradient", xlim=(0, gaps["gap"].max()))
        left.set(xlabel="lead of a wrong class (logits)", yscale="log")
        left.legend(loc="lower left")
        for cell, colour in zip(cells, (RED, ORANGE, BLUE, GREEN), strict=True):
            trace = pd.DataFrame(cell["trace"])
            norm = trace["gradient_norm"].clip(lower=ZERO)
            style = {"linewidth": 1.2, "color": colour, "alpha": 0.8}
            right.plot(trace["step"], norm, label=f"{cell['head']}, {INITS[cell['init']]}", **style)
        right.set(title="gradient norm of C3D's first steps", xlabel="step", yscale="log")
        right.set_yticks([ZERO, 1e-15, 1e-5, 1, 1e5], ["0", "1e-15", "1e-5", "1", "1e5"])
        right.yaxis.set_minor_locator(NullLocator())
        right.legend(loc="center right")
    return figure


def signal(rows: Sequence[Mapping], *, note: str) -> Figure:
    """How large the signal is behind each layer before the first step: a panel a model.

    `rows`, a line each, have `model`, `recipe`, and the lists `layer` and `std` of
    `studies.signal.layer_gains`.
    """
    models = list(dict.fromkeys(row["model"] for row in rows))
    with page(9, 3.1, note) as figure:
        panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
        for axes, model in zip(panels, models, strict=True):
            lines = [row for row in rows if row["model"] == model]
            for row, colour, marker in zip(lines, (RED, BLUE, GREEN), "os^", strict=True):
                style = {"markersize": 3, "color": colour, "label": f"recipe {row['recipe']}"}
                axes.plot(row["layer"], row["std"], f"-{marker}", **style)
            axes.axhline(1, color=GREY, linestyle=":", linewidth=1)
            axes.set(title=display_name(model), yscale="log")
            axes.yaxis.set_minor_locator(NullLocator())
            axes.set_xticks(range(len(lines[0]["layer"])), lines[0]["layer"], rotation=60)
        panels[0].set_ylabel("std of the outputs, before ReLU")
        legend(figure, 3)
    return figure
