"""What a model uses: its accuracy under changed inputs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ucf11lib.figures.style import GREY, SMALL, colours, label_rows, page
from ucf11lib.text import display_name, percent


def conditions(
    tables: Mapping[str, pd.DataFrame], *, chance: float | None = None, note: str
) -> Figure:
    """Accuracy under each condition, a condition a row, a dot a model, with 95 % intervals.

    `tables` has for each name what `evaluation.conditions_table` returns, the same conditions in
    all; the intervals are over groups. `chance`, 0..1, is marked by a line. A hollow dot is a model
    that answered every sequence alike.
    """
    names = next(iter(tables.values())).index
    step = min(0.22, 0.8 / len(tables))
    with page(7, 1.1 + len(names) * (0.16 + 0.12 * len(tables)), note) as figure:
        axes = figure.subplots()
        axes.axhline(0.5, color=GREY, linewidth=0.7)
        for i, (table, colour) in enumerate(zip(tables.values(), colours(tables), strict=True)):
            y = np.arange(len(names)) + (i - (len(tables) - 1) / 2) * step
            axes.hlines(y, table["low"], table["high"], color=colour, linewidth=1)
            inside = np.where(table["answers"] == 1, "white", colour)
            style = {"edgecolors": colour, "linewidths": 1, "zorder": 3}
            axes.scatter(table["accuracy"], y, 22, inside, **style)
        axes.set(xlim=(0, 1), xlabel="accuracy")
        label_rows(axes, names)
        if chance is not None:
            axes.axvline(chance, color=GREY, linestyle=":", linewidth=1)
            place = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center"}
            place |= {"xycoords": ("data", "axes fraction"), "color": GREY, "fontsize": SMALL}
            axes.annotate(f"chance {percent(chance)}", (chance, 1), **place)
        figure.legend(handles=_models(tables), loc="outside upper center", ncols=4)
    return figure


def _models(tables: Mapping[str, pd.DataFrame]) -> list[Line2D]:
    dot = {"marker": "o", "markersize": 4.5, "linewidth": 1}
    handles = [
        Line2D([], [], color=colour, label=display_name(name), **dot)
        for name, colour in zip(tables, colours(tables), strict=True)
    ]
    if any((table["answers"] == 1).any() for table in tables.values()):
        hollow = dot | {"linestyle": "", "markerfacecolor": "white", "color": GREY}
        handles.append(Line2D([], [], label="one answer for all", **hollow))
    return handles
