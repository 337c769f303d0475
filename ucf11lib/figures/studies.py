"""The three figures of every study: dots, lines and heat maps over tidy tables, one row a run."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ucf11lib.figures.style import BLUE, GREY, colours, heat, legend, page, percent_axis
from ucf11lib.text import display_name, percent


def dots(
    table: pd.DataFrame, *, condition: str, group: str = "", panel: str = "",
    value: str = "accuracy", target: float | None = None, note: str,
) -> Figure:  # fmt: skip
    """A condition a row, a dot a run, a black bar the mean.

    `table` has a row a run and the columns `condition` (names of the rows, in order of appearance),
    `group` (colours the dots; by default the panels'), `panel` (a panel a value) and `value`
    (shares, 0..1). `target`, a share, is marked by a line.
    """
    panels = _panels(table, panel)
    group = group or panel or condition
    groups = list(table[group].unique())
    shades = [BLUE] * len(groups) if group == condition else colours(groups)
    colour_of = dict(zip(groups, shades, strict=True))
    several = table.groupby([condition, *([panel] if panel else [])])[group].nunique().max() > 1
    highest = max(1.0, 1.05 * float(table[value].max()))
    most = max(part[condition].nunique() for _, part in panels)
    with page(9 if len(panels) > 1 else 6, 1.3 + 0.28 * most, note) as figure:
        every = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (title, part) in zip(every, panels, strict=True):
            names = list(part[condition].unique())
            for (name, one), rows in part.groupby([condition, group], sort=False):
                y = names.index(name)
                if several:
                    y += 0.24 * (groups.index(one) - (len(groups) - 1) / 2)
                style = {"markersize": 3.5, "color": colour_of[one]}
                axes.plot(rows[value], [y] * len(rows), "o", **style)
                axes.plot(rows[value].mean(), y, "|", markersize=11, color="black")
            if target is not None:
                axes.axvline(target, color=GREY, linestyle=":", linewidth=1)
            axes.set(title=display_name(title), xlim=(0, highest), ylim=(len(names) - 0.5, -0.5))
            axes.set_yticks(range(len(names)), map(display_name, names))
            axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
            percent_axis(axes.xaxis)
            axes.grid(axis="x")
        if group not in (panel, condition):
            _legend(figure, colour_of)
    return figure


def lines(
    table: pd.DataFrame, *, x: str, y: str, line: str, panel: str = "",
    log: str = "", target: float | None = None, note: str,
) -> Figure:  # fmt: skip
    """A line a run; runs that differ in `seed` alone have one colour.

    `table` has columns of numbers `x` and `y`, which name the axes too, `line` (colours the lines),
    `panel` (a panel a value), and `seed` if there are several. `log` names the logarithmic axes:
    "x", "y", "xy" or "". `target`, a height, is marked by a line.
    """
    panels = _panels(table, panel)
    names = list(table[line].unique())
    colour_of = dict(zip(names, colours(names), strict=True))
    with page(9 if len(panels) > 1 else 6, 3, note) as figure:
        every = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (title, part) in zip(every, panels, strict=True):
            keys = [line, "seed"] if "seed" in part else [line]
            for key, rows in part.groupby(keys, sort=False):
                style = {"color": colour_of[key[0]], "markersize": 2, "linewidth": 1}
                axes.plot(rows[x], rows[y], "o-", **style)
            if target is not None:
                axes.axhline(target, color=GREY, linestyle=":", linewidth=1)
            axes.set(title=display_name(title), xlabel=x.replace("_", " "))
            for axis in log:
                axes.set(**{f"{axis}scale": "log"})
                getattr(axes, f"{axis}axis").set_minor_locator(NullLocator())
            axes.grid(axis="y")
        every[0].set_ylabel(y.replace("_", " "))
        _legend(figure, colour_of)
    return figure


def heat_map(
    table: pd.DataFrame, *, rows: str, columns: str,
    value: str = "accuracy", panel: str = "", note: str,
) -> Figure:  # fmt: skip
    """The mean of shares, 0..1, over two columns; what is missing stays grey.

    `table` has a row a run and the columns `rows` and `columns`, whose values go down and across in
    order of appearance, `value` (shares) and `panel` (a panel a value).
    """
    panels = _panels(table, panel)
    down, across = table[rows].nunique(), table[columns].nunique()
    width = max(6.4, 1.8 + 0.6 * across * len(panels))
    with page(min(width, 10), 1.5 + 0.4 * down, note) as figure:
        every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, part) in zip(every, panels, strict=True):
            means = part.pivot_table(value, rows, columns, "mean", sort=False)
            means = means.reindex(index=table[rows].unique(), columns=part[columns].unique())
            values = means.to_numpy(float)
            texts = [percent(share) if np.isfinite(share) else "" for share in values.flat]
            heat(axes, values, texts, ~np.isfinite(values), cbar=False)
            axes.set_xticks(axes.get_xticks(), map(display_name, means.columns))
            axes.set_yticks(axes.get_yticks(), map(display_name, means.index), rotation=0)
            axes.set(title=display_name(title), xlabel=columns.replace("_", " "), ylabel="")
    return figure


def _panels(table: pd.DataFrame, panel: str) -> list[tuple[str, pd.DataFrame]]:
    return list(table.groupby(panel, sort=False)) if panel else [("", table)]


def _legend(figure: Figure, colour_of: dict[str, str]) -> None:
    first = figure.axes[0]
    for name, colour in colour_of.items():
        first.plot([], [], "o-", color=colour, markersize=3, label=display_name(name))
    legend(figure, 5)
