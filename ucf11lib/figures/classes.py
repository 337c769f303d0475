"""The classes: which are confused, and how accurate each is."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import seaborn
from matplotlib.figure import Figure

from ucf11lib.figures.style import GREY, PALE, SMALL, colours, page, percent_axis
from ucf11lib.text import display_name, percent


def confusion(counts: np.ndarray, classes: Sequence[str], *, note: str, title: str = "") -> Figure:
    """Confusion matrix: colour is the share of the true class's sequences, text is their number and
    share.

    Args:
        counts: int (classes, classes), rows are true classes; a row without sequences stays grey.
        classes: display names in label order.
        note: the data that the figure comes from.
        title: above the matrix.
    """
    counts = np.asarray(counts)
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    pairs = zip(counts.flat, shares.flat, strict=True)
    texts = [f"{count}\n{percent(share)}" if count else "" for count, share in pairs]
    side = 0.52 * len(classes)
    with page(side + 3, side + 1.7, note) as figure:
        axes = figure.subplots()
        axes.set_facecolor(PALE)
        seaborn.heatmap(
            shares,
            mask=np.broadcast_to(totals == 0, counts.shape),
            annot=np.reshape(texts, counts.shape),
            fmt="",
            annot_kws={"fontsize": SMALL},
            vmin=0,
            vmax=1,
            cmap="Blues",
            square=True,
            linewidths=0.5,
            cbar_kws={
                "shrink": 0.6,
                "label": "share of the true class",
                "format": lambda v, _: percent(v),
            },
            ax=axes,
        )
        rows = [f"{name} ({total})" for name, total in zip(classes, totals.flat, strict=True)]
        axes.set_xticks(axes.get_xticks(), classes, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(axes.get_yticks(), rows, rotation=0)
        axes.set(title=title, xlabel="predicted", ylabel="true (sequences)")
    return figure


def per_class(
    accuracies: Mapping[str, Sequence[float]], classes: Sequence[str], *, note: str
) -> Figure:
    """Accuracy of each class, a class a row, a bar a model.

    Args:
        accuracies: for each name one accuracy a class, 0..1; NaN where validation has no such
            sequence.
        classes: display names in label order, drawn from top to bottom.
        note: the data that the figure comes from.
    """
    thick = 0.8 / len(accuracies)
    with page(7, 1 + len(classes) * (0.12 + 0.15 * len(accuracies)), note) as figure:
        axes = figure.subplots()
        for i, (name, colour) in enumerate(zip(accuracies, colours(accuracies), strict=True)):
            values = np.asarray(accuracies[name], float)
            y = np.arange(len(classes)) + (i - (len(accuracies) - 1) / 2) * thick
            bars = axes.barh(
                y, np.nan_to_num(values), thick * 0.9, color=colour, label=display_name(name)
            )
            texts = [
                "not in validation" if math.isnan(value) else percent(value) for value in values
            ]
            axes.bar_label(bars, texts, padding=2, fontsize=SMALL, color=GREY)
        axes.set(yticks=range(len(classes)), yticklabels=classes, xlim=(0, 1.08), xlabel="accuracy")
        axes.set_ylim(len(classes) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        percent_axis(axes.xaxis)
        figure.legend(loc="outside upper center", ncols=6)
    return figure
