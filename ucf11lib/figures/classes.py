"""The classes: which are confused, and how accurate each is."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ucf11lib.figures.style import GREY, SMALL, colours, heat, label_rows, page
from ucf11lib.text import display_name, percent


def confusion(counts: np.ndarray, classes: Sequence[str], *, note: str, title: str = "") -> Figure:
    """Confusion matrix: colour is the share of the true class's sequences, text number and share.

    `counts` is int (classes, classes), rows are true classes; a row without sequences stays grey.
    `classes` are display names in label order.
    """
    counts = np.asarray(counts)
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    pairs = zip(counts.flat, shares.flat, strict=True)
    texts = [f"{count}\n{percent(share)}" if count else "" for count, share in pairs]
    side = 0.52 * len(classes)
    with page(side + 3, side + 1.7, note) as figure:
        axes = figure.subplots()
        bar = {"shrink": 0.6, "label": "share of the true class"}
        bar["format"] = lambda share, _: percent(share)
        empty = np.broadcast_to(totals == 0, counts.shape)
        heat(axes, shares, texts, empty, square=True, cbar_kws=bar)
        rows = [f"{name} ({total})" for name, total in zip(classes, totals.flat, strict=True)]
        axes.set_xticks(axes.get_xticks(), classes, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(axes.get_yticks(), rows, rotation=0)
        axes.set(title=title, xlabel="predicted", ylabel="true (sequences)")
    return figure


def per_class(
    accuracies: Mapping[str, Sequence[float]], classes: Sequence[str], *, note: str
) -> Figure:
    """Accuracy of each class, a class a row in label order from top to bottom, a bar a model.

    `accuracies` has for each name one accuracy a class, 0..1; NaN where validation has none of it.
    """
    thick = 0.8 / len(accuracies)
    with page(7, 1 + len(classes) * (0.12 + 0.15 * len(accuracies)), note) as figure:
        axes = figure.subplots()
        for i, (name, colour) in enumerate(zip(accuracies, colours(accuracies), strict=True)):
            values = np.asarray(accuracies[name], float)
            y = np.arange(len(classes)) + (i - (len(accuracies) - 1) / 2) * thick
            look = {"color": colour, "label": display_name(name)}
            bars = axes.barh(y, np.nan_to_num(values), thick * 0.9, **look)
            texts = ["not in validation" if np.isnan(v) else percent(v) for v in values]
            axes.bar_label(bars, texts, padding=2, fontsize=SMALL, color=GREY)
        axes.set(xlim=(0, 1.08), xlabel="accuracy")
        label_rows(axes, classes)
        figure.legend(loc="outside upper center", ncols=6)
    return figure
