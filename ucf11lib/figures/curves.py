"""Numbers over epochs and over confidence."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ucf11lib.figures.style import GREY, colours, legend, mark, page, percent_axis
from ucf11lib.text import display_name, percent

MAX_LINEAR_LOSS = 10  # a sound network starts near ln(classes), 2.4


def history(
    runs: Mapping[str, pd.DataFrame], *,
    target: float | None = 0.75, chance_loss: float | None = None, note: str,
) -> Figure:  # fmt: skip
    """Loss (left) and accuracy (right) over the epochs, as figure 4 of the report.

    `runs` has for each name the columns `epoch, loss, accuracy, val_loss, val_accuracy`; training
    is thin and dashed, validation solid. Lines mark the accuracy `target`, 0..1, and the loss
    `chance_loss`: a guess has ln(classes).
    """
    dashed = {"linestyle": "--", "linewidth": 0.9}
    with page(9, 3.4, note) as figure:
        loss, accuracy = figure.subplots(1, 2)
        for title, axes in (("loss", loss), ("accuracy", accuracy)):
            for name, colour in colours(runs).items():
                table = runs[name]
                axes.plot(table["epoch"], table[title], color=colour, **dashed)
                solid = {"color": colour, "markersize": 2.5, "label": display_name(name)}
                axes.plot(table["epoch"], table[f"val_{title}"], "o-", **solid)
            axes.set(title=title, xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(axis="y")
        _scale_loss(loss, runs.values())
        accuracy.set_ylim(0, 1)
        percent_axis(accuracy.yaxis)
        if target is not None:
            mark(accuracy, target, percent(target))
        if chance_loss is not None:
            mark(loss, chance_loss, f"chance\n{chance_loss:.2f}")
        training = Line2D([], [], color=GREY, label="training", **dashed)
        validation = Line2D([], [], color=GREY, label="validation")
        legend(figure, 6, training, validation)
    return figure


def _scale_loss(axes: Axes, tables: Iterable[pd.DataFrame]) -> None:
    """Start at zero, or use decades where a run that blew up would press all others flat."""
    values = pd.concat(tables)[["loss", "val_loss"]].to_numpy(float)
    if np.max(values[np.isfinite(values)], initial=0) > MAX_LINEAR_LOSS:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)


def reliability(
    tables: Mapping[str, pd.DataFrame], eces: Mapping[str, float], *, note: str
) -> Figure:
    """Accuracy by confidence (above), and how many sequences have that confidence (below).

    A calibrated model is on the diagonal; one below it is overconfident. `tables` has for each name
    what `evaluation.reliability_table` returns; `eces` the expected calibration error, 0..1: the
    dots' mean vertical distance from the diagonal, weighted by sequences.
    """
    with page(4.6, 5, note) as figure:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
        for name, colour in colours(tables).items():
            table = tables[name]
            filled = table[table["count"] > 0]
            label = f"{display_name(name)}, ECE {percent(eces[name], 1)}"
            line = {"color": colour, "markersize": 3.5, "clip_on": False}  # 100 % is not cut
            above.plot(filled["confidence"], filled["accuracy"], "o-", label=label, **line)
            edges = [*table["low"], table["high"].iloc[-1]]
            below.stairs(table["count"] / table["count"].sum(), edges, color=colour, linewidth=1.5)
        above.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
        below.set(xlabel="confidence", ylabel="sequences", ylim=(0, None))
        for axis in (above.yaxis, below.yaxis, below.xaxis):
            percent_axis(axis)
        for axes in (above, below):
            axes.grid()
        legend(figure, 3)
    return figure
