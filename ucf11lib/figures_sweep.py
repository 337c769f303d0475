"""The figures of a sweep. As in `figures`: data in, a figure out, the note on the data drawn into it."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure

from ucf11lib.style import BLUE, PALE, SMALL, page, percent, percent_axis, shown_name


def heat_map(table: pd.DataFrame, axes: Mapping[str, Sequence[str]], *, note: str) -> Figure:
    """Held-out accuracy over two fields.

    Args:
        table: a row a run, with a column for each of `axes`, as text, and `accuracy`, 0..1; a run without one (NaN)
            stays grey.
        axes: the values of the two fields in their order; the first goes down, the second across.
        note: the data that the figure comes from.
    """
    (down, rows), (across, columns) = axes.items()
    values = table.pivot(index=down, columns=across, values="accuracy").loc[list(rows), list(columns)].to_numpy(float)
    texts = [percent(value, 1) if np.isfinite(value) else "" for value in values.flat]
    with page(max(6.4, 2.4 + 0.75 * len(columns)), 1.5 + 0.45 * len(rows), note) as figure:
        plot = figure.subplots()
        plot.set_facecolor(PALE)
        seaborn.heatmap(
            values,
            mask=~np.isfinite(values),
            annot=np.reshape(texts, values.shape),
            fmt="",
            annot_kws={"fontsize": SMALL},
            vmin=0,
            vmax=1,
            cmap="Blues",
            cbar=False,
            linewidths=0.5,
            ax=plot,
        )
        plot.set_xticks(plot.get_xticks(), map(shown_name, columns), rotation=40, ha="right", rotation_mode="anchor")
        plot.set_yticks(plot.get_yticks(), map(shown_name, rows), rotation=0)
        plot.set(title="held-out accuracy", xlabel=across, ylabel=down)
    return figure


def line(table: pd.DataFrame, axes: Mapping[str, Sequence[str]], *, note: str) -> Figure:
    """Held-out accuracy over one field, a dot a value; its values stand in their order, at equal distances.

    Args:
        table: as for `heat_map`; a run without accuracy leaves a gap.
        axes: the values of the field in their order.
        note: the data that the figure comes from.
    """
    ((name, values),) = axes.items()
    accuracy = table.set_index(name).loc[list(values), "accuracy"].to_numpy(float)
    with page(max(6.4, 1.4 + 0.7 * len(values)), 2.8, note) as figure:
        plot = figure.subplots()
        plot.plot(range(len(values)), accuracy, "o-", color=BLUE, markersize=3.5, clip_on=False)
        plot.set_xticks(range(len(values)), map(shown_name, values), rotation=40, ha="right", rotation_mode="anchor")
        plot.set(xlabel=name, ylabel="held-out accuracy", ylim=(0, 1))
        percent_axis(plot.yaxis)
        plot.grid(axis="y")
    return figure
