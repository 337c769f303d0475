"""Numbers over epochs and confidence, and the models side by side."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from ucf11lib.figures.style import GREY, SMALL, colours, mark, page, percent_axis
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
    with page(9, 3.4, note) as figure:
        panels = dict(zip(("loss", "accuracy"), figure.subplots(1, 2), strict=True))
        for title, axes in panels.items():
            for (name, table), colour in zip(runs.items(), colours(runs), strict=True):
                axes.plot(table["epoch"], table[title], "--", color=colour, linewidth=0.9)
                solid = {"color": colour, "markersize": 2.5, "label": display_name(name)}
                axes.plot(table["epoch"], table[f"val_{title}"], "o-", **solid)
            axes.set(title=title, xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(axis="y")
        _scale_loss(panels["loss"], runs.values())
        panels["accuracy"].set_ylim(0, 1)
        percent_axis(panels["accuracy"].yaxis)
        if target is not None:
            mark(panels["accuracy"], target, percent(target))
        if chance_loss is not None:
            mark(panels["loss"], chance_loss, f"chance\n{chance_loss:.2f}")
        training = Line2D([], [], color=GREY, linestyle="--", linewidth=0.9, label="training")
        validation = Line2D([], [], color=GREY, label="validation")
        handles = [*panels["loss"].get_legend_handles_labels()[0], training, validation]
        figure.legend(handles=handles, loc="outside upper center", ncols=6)
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
        for (name, table), colour in zip(tables.items(), colours(tables), strict=True):
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
        figure.legend(loc="outside upper center", ncols=3)
    return figure


def comparison(table: pd.DataFrame, *, note: str) -> Figure:
    """Accuracy, training time and size of each model.

    `table` has a row a model, named by the index; columns `accuracy` (0..1), `seconds`,
    `seconds_to_75` (NaN if never), `parameters`.
    """
    y = range(len(table))
    with page(9, 1.1 + 0.42 * len(table), note) as figure:
        accuracy, seconds, parameters = figure.subplots(1, 3, sharey=True)
        _bars(accuracy, table["accuracy"], [percent(v, 1) for v in table["accuracy"]])
        _bars(seconds, table["seconds"], map(_times, table["seconds"], table["seconds_to_75"]))
        _bars(parameters, table["parameters"], map(_count, table["parameters"]))
        accuracy.set(title="validation accuracy", xlim=(0, 1.25), xticks=[0, 0.25, 0.5, 0.75, 1])
        names = map(display_name, table.index)
        accuracy.set(ylim=(len(table) - 0.5, -0.5), yticks=y, yticklabels=names)
        accuracy.axvline(0.75, color=GREY, linestyle=":", linewidth=1)
        percent_axis(accuracy.xaxis)
        diamond = {"marker": "D", "markersize": 4.5, "color": "black", "markeredgecolor": "white"}
        seconds.plot(table["seconds_to_75"], y, linestyle="", **diamond)
        seconds.set_title("training time, s (mark: at 75 %)")
        seconds.set_xlim(0, 1.6 * table["seconds"].max())
        seconds.xaxis.set_major_locator(MaxNLocator(5))
        lowest = 10 ** math.floor(math.log10(table["parameters"].min()) - 0.3)
        highest = 8 * table["parameters"].max()
        parameters.set(title="parameters", xscale="log", xlim=(lowest, highest))
        parameters.xaxis.set_minor_locator(NullLocator())
    return figure


def _bars(axes: Axes, values: pd.Series, texts: Iterable[str]) -> None:
    bars = axes.barh(range(len(values)), values, 0.62, color=colours(values.index))
    axes.bar_label(bars, list(texts), padding=3, fontsize=SMALL)
    axes.tick_params(axis="y", length=0)


def _times(seconds: float, to_75: float) -> str:
    return f"{seconds:,.0f}\n" + ("never 75 %" if math.isnan(to_75) else f"75 % at {to_75:,.0f}")


def _count(number: float) -> str:
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"
