"""The three figures of every study: dots, lines and heat maps over tidy tables, one row a run."""

import textwrap
from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ucf11lib.figures.style import BLUE, GREY, colours, heat, legend, mark, page, percent_axis
from ucf11lib.text import display_name, percent

TITLE_CHARACTERS = 13  # an inch


def dots(
    table: pd.DataFrame, *, condition: str, group: str = "", panel: str = "",
    value: str = "accuracy", target: float | None = None, note: str,
) -> Figure:  # fmt: skip
    """A condition a row, a dot a run, a black bar the mean.

    `table` has a row a run and the columns `condition` (names of the rows, in order of appearance),
    `group` (colours the dots; by default the panels'), `panel` (a panel a value) and `value`
    (shares, 0..1). `target`, a share, is marked by a line.
    """
    group = group or panel or condition
    groups = list(table[group].unique())
    colour_of = dict.fromkeys(groups, BLUE) if group == condition else colours(groups)
    table = _with_panels(table, panel)
    several = table.groupby([condition, panel])[group].nunique().max() > 1
    highest = max(1.0, 1.05 * float(table[value].max()))
    most = table.groupby(panel)[condition].nunique().max()
    with page(_width(table, panel), 1.3 + 0.28 * most, note) as figure:
        for axes, part in _panels(figure, table, panel):
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
            axes.set(xlim=(0, highest), xticks=[0, 0.25, 0.5, 0.75, 1])
            axes.set_yticks(range(len(names)), map(display_name, names))
            axes.set_ylim(len(names) - 0.5, -0.5)
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
    table = _with_panels(table, panel)
    colour_of = colours(table[line].unique())
    keys = [line, "seed"] if "seed" in table else [line]
    with page(_width(table, panel), 3, note) as figure:
        for axes, part in _panels(figure, table, panel):
            for key, rows in part.groupby(keys, sort=False):
                style = {"color": colour_of[key[0]], "markersize": 2, "linewidth": 1}
                axes.plot(rows[x], rows[y], "o-", **style)
            if target is not None:
                mark(axes, target)
            axes.set_xlabel(x.replace("_", " "))
            for axis in log:
                axes.set(**{f"{axis}scale": "log"})
                getattr(axes, f"{axis}axis").set_minor_locator(NullLocator())
            axes.grid(axis="y")
        figure.axes[0].set_ylabel(y.replace("_", " "))
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
    table = _with_panels(table, panel)
    down, across = table[rows].nunique(), table[columns].nunique() * table[panel].nunique()
    with page(min(max(6.4, 1.8 + 0.6 * across), 10), 1.5 + 0.4 * down, note) as figure:
        for axes, part in _panels(figure, table, panel, sharey=True):
            means = part.pivot_table(value, rows, columns, "mean", sort=False)
            means = means.reindex(index=table[rows].unique(), columns=part[columns].unique())
            shares = means.to_numpy(float)
            heat(axes, shares, [percent(share) for share in shares.flat], cbar=False)
            axes.set_xticks(axes.get_xticks(), map(display_name, means.columns))
            axes.set_yticks(axes.get_yticks(), map(display_name, means.index), rotation=0)
            axes.set(xlabel=columns.replace("_", " "), ylabel="")
    return figure


def _with_panels(table: pd.DataFrame, panel: str) -> pd.DataFrame:
    """Return the table with a column `panel`; where that has no name, of one value without text."""
    return table if panel else table.assign(**{panel: ""})


def _width(table: pd.DataFrame, panel: str) -> float:
    return 9 if table[panel].nunique() > 1 else 6


def _panels(
    figure: Figure, table: pd.DataFrame, panel: str, **options
) -> Iterator[tuple[Axes, pd.DataFrame]]:
    """Yield the axes and the rows of each panel, side by side, with titles that fit above them."""
    parts = table.groupby(panel, sort=False)
    characters = int(TITLE_CHARACTERS * figure.get_figwidth() / len(parts))
    every = figure.subplots(1, len(parts), squeeze=False, **options)[0]
    for axes, (title, part) in zip(every, parts, strict=True):
        axes.set_title(textwrap.fill(display_name(title), characters))
        yield axes, part


def _legend(figure: Figure, colour_of: dict[object, str]) -> None:
    for name, colour in colour_of.items():
        style = {"color": colour, "markersize": 3, "label": display_name(name)}
        figure.axes[0].plot([], [], "o-", **style)
    legend(figure, 5)
