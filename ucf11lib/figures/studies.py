"""Dots, lines, heat maps and marks over tidy tables, a row a run, for any study."""

import itertools
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from ucf11lib.figures import style
from ucf11lib.figures.style import (
    GREY,
    SERIES,
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

TITLE_CHARACTERS = 10  # an inch
SAME_COST = 0.03  # relative difference below which two marks would hide each other
ASIDE = 6  # points, by which such a mark is moved to the right
MARKS = "os^Dv"
MOST_MARKS = 40  # of a line; more would be a band
LABELS = {
    "accuracy": "held-out accuracy",
    "accuracy_clip": "held-out accuracy by clip",
    "share": "share of the matrix product's FLOPs a second",
}


def dots(
    table: pd.DataFrame, *, condition: str, group: str = "", panel: str = "",
    value: str = "accuracy", target: float | None = None, note: str,
) -> Figure:  # fmt: skip
    """A condition a row, a dot a run, a black bar the mean of several.

    `table` has a row a run and the columns `condition` (names of the rows, in order of appearance),
    `group` (colours the dots; by default the panels'), `panel` (a panel a value) and `value`
    (shares, 0..1). `target`, a share, is marked by a line.
    """
    group = group or panel or condition
    groups = list(table[group].unique())
    colour_of = dict.fromkeys(groups, style.BLUE) if group == condition else colours(groups)
    table = _with_panels(table, panel)
    several = table.groupby([condition, panel])[group].nunique().max() > 1
    highest = max(1.0, 1.05 * float(table[value].max()))
    most = table.groupby(panel)[condition].nunique().max()
    conditions, narrow = list(table[condition].unique()), table[panel].nunique() > 2
    alike = most == len(conditions)  # a panel has them all: each has a place for each
    with page(WIDTH if table[panel].nunique() > 1 else 5, 1.2 + 0.22 * most, note) as figure:
        for (axes,), part in panels(figure, table, panel, sharey=alike):
            names = conditions if alike else list(part[condition].unique())
            for (name, one), rows in part.groupby([condition, group], sort=False):
                y: float = names.index(name)
                if several:
                    y += 0.24 * (groups.index(one) - (len(groups) - 1) / 2)
                look: dict[str, Any] = {"markersize": 3.5, "color": colour_of[one]}
                axes.plot(rows[value], [y] * len(rows), "o", **look)
                if len(rows) > 1:
                    axes.plot(rows[value].mean(), y, "|", markersize=11, color="black")
            if target is not None:
                axes.axvline(target, color=GREY, linestyle=":", linewidth=1)
            label = LABELS.get(value, value) + (" (%)" if narrow else "")
            ticks = np.arange(0, highest + 0.01, 0.5 if narrow else 0.25)
            axes.set(xlim=(0, highest), xticks=ticks, xlabel=label)
            axes.set_yticks(range(len(names)), map(display_name, names))
            axes.set_ylim(len(names) - 0.5, -0.5)
            percent_axis(axes.xaxis, "" if narrow else " %")
            axes.grid(axis="x")
        if group not in (panel, condition):
            _legend(figure, colour_of, "o")
    return figure


def lines(
    table: pd.DataFrame | Mapping, *, x: str, y: str | Sequence[str], line: str, panel: str = "",
    target: float | None = None, log: str = "", note: str,
) -> Figure:  # fmt: skip
    """A line a run; runs that differ in `seed` alone have one colour and mark.

    `table` has columns of numbers `x` and `y` (several are below each other), which name the axes
    too, `line` (colours the lines), `panel` (a panel a value), and `seed` if there are several.
    `target`, a height of the last `y`, is marked by a line; the `y` that is `log` has such an axis.
    """
    heights = [y] if isinstance(y, str) else list(y)
    table = _with_panels(pd.DataFrame(table), panel)
    colour_of = colours(table[line].unique())
    mark_of = dict(zip(colour_of, itertools.cycle(MARKS), strict=False))
    keys = [line, "seed"] if "seed" in table else [line]
    width = WIDTH if table[panel].nunique() > 1 else 5
    with page(width, 1 + 1.5 * len(heights), note) as figure:
        for column, part in panels(figure, table, panel, len(heights), sharey="row"):
            for axes, values in zip(column, heights, strict=True):
                for key, rows in part.groupby(keys, sort=False):
                    look: dict[str, Any] = {"color": colour_of[key[0]], "markersize": 2}
                    known = rows.dropna(subset=values)
                    few = len(known) <= MOST_MARKS
                    form = mark_of[key[0]] + "-" if few else "-"
                    axes.plot(known[x], known[values], form, linewidth=1, **look)
                if values == log:
                    axes.set_yscale("log")
                    log_labels(axes.yaxis)
                ticks = 5 if len(figure.axes) <= 4 * len(heights) else 2
                axes.xaxis.set_major_locator(MaxNLocator(ticks, integer=True))
                axes.grid(axis="y")
            if target is not None:
                mark(axes, target)
            axes.set_xlabel(x.replace("_", " "))
        for row, values in enumerate(heights):
            first = figure.axes[row * len(figure.axes) // len(heights)]
            first.set_ylabel(values.replace("_", " "))
        _legend(figure, colour_of, *(f"{mark_of[name]}-" for name in colour_of))
    return figure


def heat_map(
    table: pd.DataFrame, *, rows: str, columns: str,
    value: str = "accuracy", panel: str = "", note: str,
) -> Figure:  # fmt: skip
    """The mean of shares, 0..1, over two columns; what is missing stays grey.

    `table` has a row a run and the columns `rows` and `columns`, whose values go down and across in
    order of appearance, `value` (shares) and `panel` (a panel a value).
    """
    table = _with_panels(table, panel)
    down, across = table[rows].nunique(), table[columns].nunique() * table[panel].nunique()
    with page(min(max(5, 1.8 + 0.5 * across), WIDTH), 1.3 + 0.3 * down, note) as figure:
        for (axes,), part in panels(figure, table, panel, sharey=True):
            means = part.pivot_table(value, rows, columns, "mean", sort=False)
            means = means.reindex(index=table[rows].unique(), columns=part[columns].unique())
            shares = means.to_numpy(float)
            heat(axes, shares, [percent(share) for share in shares.flat], cbar=False)
            axes.set_xticks(axes.get_xticks(), map(display_name, means.columns))
            axes.set_yticks(axes.get_yticks(), map(display_name, means.index), rotation=0)
            axes.set(xlabel=columns.replace("_", " "), ylabel="")
        figure.axes[0].set_ylabel(rows.replace("_", " "))
    return figure


def scatter(
    table: pd.DataFrame, *, x: str, y: str, label: str, known: Sequence[str] = (), panel: str = "",
    note: str,
) -> Figure:  # fmt: skip
    """Shares over cost: a mark a label, the mean of its rows, beside another of the same cost.

    `table` has columns `x` (a cost), `y`, `low`, `high` (shares and intervals), `label`, `panel`.
    Labels that are `known`, in their order, look alike in every figure.
    """
    table = _with_panels(table, panel)
    looks = itertools.cycle(itertools.product(MARKS, SERIES[:3]))  # three labels a marker
    look_of = dict(zip(dict.fromkeys([*known, *table[label]]), looks, strict=False))
    with page(WIDTH, 3.6, note) as figure:
        for (axes,), part in panels(figure, table, panel, sharey=True):
            means = part.groupby(label, sort=False)[[x, y, "low", "high"]].mean()
            for number, (name, mean) in enumerate(means.iterrows()):
                same = np.isclose(means[x].iloc[:number], mean[x], rtol=SAME_COST).sum()
                aside = ScaledTranslation(same * ASIDE / 72, 0, figure.dpi_scale_trans)
                marker, colour = look_of[name]
                look: dict[str, Any] = {"color": colour, "linewidth": 0.6}
                marks = axes.plot([mean[x]] * 2, mean[["low", "high"]], **look)
                marks += axes.plot(mean[x], mean[y], marker, label=display_name(name), **look)
                for one in marks:
                    one.set_transform(axes.transData + aside)
            axes.set(xscale="log", xlabel=x.replace("_", " "))
            log_labels(axes.xaxis)
            axes.grid(axis="y")
        figure.axes[0].set_ylabel(y.replace("_", " "))
        percent_axis(figure.axes[0].yaxis)
        legend(figure, 3)
    return figure


def _with_panels(table: pd.DataFrame, panel: str) -> pd.DataFrame:
    """Return the table with a column `panel`; where that has no name, of one value without text."""
    return table if panel else table.assign(**{panel: ""})


def panels(
    figure: Figure, table: pd.DataFrame, panel: str, height: int = 1, **options
) -> Iterator[tuple[Sequence[Axes], pd.DataFrame]]:
    """Yield a column of `height` axes and the rows of each panel, with titles that fit above."""
    parts = table.groupby(panel, sort=False)
    characters = int(TITLE_CHARACTERS * figure.get_figwidth() / len(parts))
    grid = figure.subplots(height, len(parts), squeeze=False, **options)
    for column, (title, part) in zip(grid.T, parts, strict=True):
        column[0].set_title(textwrap.fill(display_name(title), characters))
        yield column, part


def _legend(figure: Figure, colour_of: dict[object, str], *forms: str) -> None:
    """Name colours and the `forms` of their marks, in turn."""
    for (name, colour), form in zip(colour_of.items(), itertools.cycle(forms), strict=False):
        look: dict[str, Any] = {"color": colour, "markersize": 3, "label": display_name(name)}
        figure.axes[0].plot([], [], form, **look)
    legend(figure, 5)
