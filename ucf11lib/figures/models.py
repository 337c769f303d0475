"""How good trained models are: over epochs, by class, by condition, by confidence, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ucf11lib.figures.style import (
    GREY,
    SMALL,
    WIDTH,
    colours,
    heat,
    legend,
    log_labels,
    mark,
    page,
    percent_axis,
)
from ucf11lib.text import display_name, percent

CELL = 0.148  # inches: two digits of the smallest type
MAX_LINEAR_LOSS = 10  # a run that blew up would press all others flat


def history(runs: Mapping[str, pd.DataFrame], *, chance_loss: float, note: str) -> Figure:
    """Loss (left) and accuracy (right) over the epochs, as figure 4 of the report.

    `runs` has for each name the columns `epoch, loss, accuracy, val_loss, val_accuracy`; training
    is thin and dashed, held-out solid. Lines mark the report's 75 %, and `chance_loss`, that of a
    guess: ln(classes).
    """
    dashed: dict[str, Any] = {"linestyle": "--", "linewidth": 0.9}
    with page(WIDTH, 2.8, note) as figure:
        loss, accuracy = figure.subplots(1, 2)
        for title, axes in (("loss", loss), ("accuracy", accuracy)):
            for name, colour in colours(runs).items():
                table = runs[name]
                axes.plot(table["epoch"], table[title], color=colour, **dashed)
                solid: dict[str, Any] = {"label": display_name(name), "markersize": 2.5}
                axes.plot(table["epoch"], table[f"val_{title}"], "o-", color=colour, **solid)
            axes.set(title=title, xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(axis="y")
        mark(loss, chance_loss, f"chance\n{chance_loss:.2f}")
        values = pd.concat(runs.values())[["loss", "val_loss"]].to_numpy(float)
        if np.max(values[np.isfinite(values)], initial=0) > MAX_LINEAR_LOSS:
            loss.set_yscale("log")
            log_labels(loss.yaxis)
        else:
            loss.set_ylim(bottom=0)
        accuracy.set_ylim(0, 1)
        percent_axis(accuracy.yaxis)
        mark(accuracy, 0.75, "75 %")
        training = Line2D([], [], color=GREY, label="training", **dashed)
        held_out = Line2D([], [], color=GREY, label="held-out")
        legend(figure, 6, training, held_out)
    return figure


def confusion(
    counts: Mapping[str, np.ndarray] | pd.Series,
    classes: Sequence[str],
    *,
    note: str,
    unit: str = "sequences",
) -> Figure:
    """Confusion matrices side by side: colour is the share of the true class, text the number.

    `counts` has for each name int (classes, classes), of `unit`; rows are true classes, and one
    without any stays grey. `classes` are display names in label order.
    """
    side = CELL * len(classes)
    with page(side * len(counts) + 1.6, side + 1.7, note) as figure:
        panels = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
        for axes, (name, matrix) in zip(panels, counts.items(), strict=True):
            table = pd.DataFrame(np.asarray(matrix))
            totals = table.sum(axis=1)
            shares = table.div(totals, axis=0).to_numpy()
            texts = [str(count) if count else "" for count in table.to_numpy().flat]
            heat(axes, shares, texts, square=True, cbar=False)
            axes.set_xticks(axes.get_xticks(), classes, rotation=90)
            axes.set(title=display_name(name), xlabel="predicted")
        rows = [f"{name} ({total})" for name, total in zip(classes, totals, strict=True)]
        panels[0].set_yticks(panels[0].get_yticks(), rows, rotation=0)
        panels[0].set_ylabel(f"true ({unit})")
    return figure


def conditions(tables: Mapping[str, pd.DataFrame], *, chance: float, note: str) -> Figure:
    """Accuracy under each condition, a condition a row, a dot a model, with 95 % intervals.

    `tables` has for each name what `evaluation.conditions_table` returns, the same conditions in
    all; the intervals are over groups. `chance`, 0..1, is marked by a line. A hollow dot is a model
    that answered every sequence alike.
    """
    names = next(iter(tables.values())).index
    dot: dict[str, Any] = {"marker": "o", "markersize": 4.5, "linewidth": 1}
    handles, any_hollow = [], False
    with page(WIDTH, 1.1 + len(names) * (0.16 + 0.12 * len(tables)), note) as figure:
        axes = figure.subplots()
        axes.axhline(0.5, color=GREY, linewidth=0.7)
        rows = _label_rows(axes, names, len(tables), min(0.22, 0.8 / len(tables)))
        for (name, colour), y in zip(colours(tables).items(), rows, strict=True):
            table = tables[name]
            axes.hlines(y, table["low"], table["high"], color=colour, linewidth=1)
            hollow = table["answers"] == 1
            style: dict[str, Any] = {"edgecolors": colour, "linewidths": 1, "zorder": 3}
            axes.scatter(table["accuracy"], y, 22, np.where(hollow, "white", colour), **style)
            handles.append(Line2D([], [], color=colour, label=display_name(name), **dot))
            any_hollow |= hollow.any()
        axes.set(xlim=(0, 1), xlabel="accuracy")
        axes.axvline(chance, color=GREY, linestyle=":", linewidth=1)
        place: dict[str, Any] = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center"}
        place |= {"xycoords": ("data", "axes fraction"), "color": GREY, "fontsize": SMALL}
        axes.annotate(f"chance {percent(chance)}", (chance, 1), **place)
        if any_hollow:
            dot |= {"linestyle": "", "markerfacecolor": "white", "color": GREY}
            handles.append(Line2D([], [], label="one answer for all", **dot))
        legend(figure, 4, *handles)
    return figure


def _label_rows(axes: Axes, names: Sequence[str], marks: int, step: float) -> list[np.ndarray]:
    """Label rows from top to bottom, and x with shares; return the heights of each row's marks."""
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    percent_axis(axes.xaxis)
    return [np.arange(len(names)) + (mark - (marks - 1) / 2) * step for mark in range(marks)]


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
            line: dict[str, Any] = {"color": colour, "markersize": 3.5, "label": label}
            line["clip_on"] = False  # 100 % is not cut
            above.plot(filled["confidence"], filled["accuracy"], "o-", **line)
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
