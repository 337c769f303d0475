"""Data -> matplotlib `Figure`; never trains, never reads a file, never calls show().

Every function takes a `note` on the data, such as "synthetic data, group split, seed 0", and draws it into
the figure, so that the two are never separated. None touches pyplot's state: a figure lives as long as its
caller holds it. (A notebook shows the figure that a cell returns once it has run `%matplotlib inline`.)
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from ucf11lib.evaluation import expected_calibration_error
from ucf11lib.style import GREY, PALE, SMALL, colours, page, percent, percent_axis, shown_name

VERDICTS = {True: ("right", "#00694D"), False: ("wrong", "#B03A00")}
SICK_LOSS = 10  # a sound network starts near ln(classes), 2.4
GAP = 2  # white pixels between the frames of a strip
FRAME = 0.6  # inches: about one pixel a pixel, because more would only make the file larger


def history(
    runs: Mapping[str, pd.DataFrame],
    *,
    target: float | None = 0.75,
    chance_loss: float | None = None,
    note: str,
) -> Figure:
    """Loss (left) and accuracy (right) over the epochs, as figure 4 of the report.

    Args:
        runs: for each name the columns `epoch, loss, accuracy, val_loss, val_accuracy`; training is thin and
            dashed, validation solid.
        target: accuracy that is marked by a line, 0..1.
        chance_loss: loss that is marked by a line: a guess has ln(classes).
        note: the data that the figure comes from.
    """
    with page(9, 3.4, note) as figure:
        panels = dict(zip(("loss", "accuracy"), figure.subplots(1, 2), strict=True))
        for title, axes in panels.items():
            for (name, table), colour in zip(runs.items(), colours(runs), strict=True):
                axes.plot(table["epoch"], table[title], "--", color=colour, linewidth=0.9)
                solid = {"color": colour, "markersize": 2.5, "label": shown_name(name)}
                axes.plot(table["epoch"], table[f"val_{title}"], "o-", **solid)
            axes.set(title=title, xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(axis="y")
        _scale_loss(panels["loss"], runs.values())
        panels["accuracy"].set_ylim(0, 1)
        percent_axis(panels["accuracy"].yaxis)
        if target is not None:
            _mark(panels["accuracy"], target, percent(target))
        if chance_loss is not None:
            _mark(panels["loss"], chance_loss, f"chance\n{chance_loss:.2f}")
        training = Line2D([], [], color=GREY, linestyle="--", linewidth=0.9, label="training")
        validation = Line2D([], [], color=GREY, label="validation")
        handles = [*panels["loss"].get_legend_handles_labels()[0], training, validation]
        figure.legend(handles=handles, loc="outside upper center", ncols=6)
    return figure


def _scale_loss(axes: Axes, tables: Iterable[pd.DataFrame]) -> None:
    """Start at zero; but a sick run's losses would press all others flat, so then go by decades."""
    values = np.concatenate([table[["loss", "val_loss"]].to_numpy(float).ravel() for table in tables])
    if np.max(values[np.isfinite(values)], initial=0) > SICK_LOSS:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)


def _mark(axes: Axes, y: float, text: str) -> None:
    """Draw a horizontal line, and its label outside the axes, where no curve runs."""
    axes.axhline(y, color=GREY, linestyle=":", linewidth=1)
    place = {"xycoords": ("axes fraction", "data"), "xytext": (4, 0), "textcoords": "offset points"}
    axes.annotate(text, (1, y), **place, va="center", color=GREY, fontsize=SMALL)


def confusion(counts: np.ndarray, classes: Sequence[str], *, note: str, title: str = "") -> Figure:
    """Confusion matrix: colour is the share of the true class's sequences, text is their number and share.

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
            cbar_kws={"shrink": 0.6, "label": "share of the true class", "format": lambda v, _: percent(v)},
            ax=axes,
        )
        rows = [f"{name} ({total})" for name, total in zip(classes, totals.flat, strict=True)]
        axes.set_xticks(axes.get_xticks(), classes, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(axes.get_yticks(), rows, rotation=0)
        axes.set(title=title, xlabel="predicted", ylabel="true (sequences)")
    return figure


def per_class(accuracies: Mapping[str, Sequence[float]], classes: Sequence[str], *, note: str) -> Figure:
    """Accuracy of each class, a class a row, a bar a model.

    Args:
        accuracies: for each name one accuracy a class, 0..1; NaN where validation has no such sequence.
        classes: display names in label order, drawn from top to bottom.
        note: the data that the figure comes from.
    """
    thick = 0.8 / len(accuracies)
    with page(7, 1 + len(classes) * (0.12 + 0.15 * len(accuracies)), note) as figure:
        axes = figure.subplots()
        for i, (name, colour) in enumerate(zip(accuracies, colours(accuracies), strict=True)):
            values = np.asarray(accuracies[name], float)
            y = np.arange(len(classes)) + (i - (len(accuracies) - 1) / 2) * thick
            bars = axes.barh(y, np.nan_to_num(values), thick * 0.9, color=colour, label=shown_name(name))
            texts = ["not in validation" if math.isnan(value) else percent(value) for value in values]
            axes.bar_label(bars, texts, padding=2, fontsize=SMALL, color=GREY)
        axes.set(yticks=range(len(classes)), yticklabels=classes, xlim=(0, 1.08), xlabel="accuracy")
        axes.set_ylim(len(classes) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        percent_axis(axes.xaxis)
        figure.legend(loc="outside upper center", ncols=6)
    return figure


def reliability(tables: Mapping[str, pd.DataFrame], *, note: str) -> Figure:
    """Accuracy by confidence (above), and how many sequences have that confidence (below).

    A model that means what it says is on the diagonal; one below it is surer than it is right. ECE is the expected
    calibration error: the dots' mean vertical distance from the diagonal, each with the weight of its sequences.

    Args:
        tables: for each name what `evaluation.reliability` returns.
        note: the data that the figure comes from.
    """
    with page(4.6, 5, note) as figure:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
        for (name, table), colour in zip(tables.items(), colours(tables), strict=True):
            filled = table[table["count"] > 0]
            label = f"{shown_name(name)}, ECE {percent(expected_calibration_error(table), 1)}"
            line = {"color": colour, "markersize": 3.5, "clip_on": False}  # a dot at 100 % is a whole one
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


def film_strips(frames: np.ndarray, titles: Sequence[str], *, columns: int = 7, note: str) -> Figure:
    """Sequences as film strips, one below the other.

    Args:
        frames: uint8 (k, T, H, W, 3), RGB.
        titles: one a sequence, at its left.
        columns: evenly spaced frames of each strip, the first to the last; their numbers, from 1, on top.
        note: the data that the figure comes from.
    """
    with page(1.4 + FRAME * columns, 0.6 + FRAME * len(frames), note) as figure:
        rows = figure.subplots(len(frames), 1, squeeze=False)[:, 0]
        for axes, sequence, title in zip(rows, frames, titles, strict=True):
            _strip(axes, sequence, columns)
            axes.set_ylabel(title, rotation=0, ha="right", va="center")
        centres = frames.shape[3] / 2 + np.arange(columns) * (frames.shape[3] + GAP)
        rows[0].set_xticks(centres, picks(frames.shape[1], columns) + 1)
        rows[0].tick_params(length=0, bottom=False, labelbottom=False, labeltop=True)
        figure.get_layout_engine().set(h_pad=0.02, hspace=0)
    return figure


def examples(
    frames: np.ndarray, titles: Sequence[str], right: Sequence[bool], *, columns: int = 6, note: str
) -> Figure:
    """Sequences that a model got right or wrong, two strips a row, each marked by word and by colour.

    Args:
        frames: uint8 (k, T, H, W, 3), RGB.
        titles: one a sequence, such as "walking -> biking 63 %".
        right: whether the model was right, one a sequence.
        columns: frames of each strip.
        note: the data that the figure comes from.
    """
    n_rows = math.ceil(len(frames) / 2)
    with page(0.4 + 2 * FRAME * columns, 0.3 + 0.85 * n_rows, note) as figure:
        cells = figure.subplots(n_rows, 2, squeeze=False).ravel()
        for axes, sequence, title, verdict in zip(cells[: len(frames)], frames, titles, right, strict=True):
            word, colour = VERDICTS[bool(verdict)]
            _strip(axes, sequence, columns)
            axes.set_title(f"{word}: {title}", loc="left", color=colour, fontsize=8, pad=2)
        for axes in cells[len(frames) :]:
            axes.remove()
    return figure


def picks(length: int, columns: int) -> np.ndarray:
    """Return the numbers, from 0, of `columns` evenly spaced frames of `length`, the first to the last."""
    return np.linspace(0, length - 1, columns).round().astype(int)


def side_by_side(sequence: np.ndarray, columns: int, gap: float = 255) -> np.ndarray:
    """Return `columns` evenly spaced frames of (T, H, W, C) as one picture, (H, ..., C), with `gap` between them."""
    picked = sequence[picks(len(sequence), columns)]
    padded = np.pad(picked, ((0, 0), (0, 0), (0, GAP), (0, 0)), constant_values=gap)
    return np.concatenate(padded, axis=1)[:, :-GAP]


def _strip(axes: Axes, sequence: np.ndarray, columns: int) -> None:
    """Show `columns` evenly spaced frames of (T, H, W, 3) side by side."""
    axes.imshow(side_by_side(sequence, columns))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def comparison(table: pd.DataFrame, *, note: str) -> Figure:
    """Accuracy, training time and size of each model.

    Args:
        table: a row a model, named by the index; columns `accuracy` (0..1), `seconds`, `seconds_to_75`
            (NaN if never), `parameters`.
        note: the data that the figure comes from.
    """
    y = range(len(table))
    with page(9, 1.1 + 0.42 * len(table), note) as figure:
        accuracy, seconds, parameters = figure.subplots(1, 3, sharey=True)
        _bars(accuracy, table["accuracy"], [percent(v, 1) for v in table["accuracy"]])
        _bars(seconds, table["seconds"], map(_times, table["seconds"], table["seconds_to_75"]))
        _bars(parameters, table["parameters"], map(_count, table["parameters"]))
        accuracy.set(title="validation accuracy", xlim=(0, 1.25), xticks=[0, 0.25, 0.5, 0.75, 1])
        accuracy.set(ylim=(len(table) - 0.5, -0.5), yticks=y, yticklabels=map(shown_name, table.index))
        accuracy.axvline(0.75, color=GREY, linestyle=":", linewidth=1)
        percent_axis(accuracy.xaxis)
        diamond = {"marker": "D", "markersize": 4.5, "color": "black", "markeredgecolor": "white"}
        seconds.plot(table["seconds_to_75"], y, linestyle="", **diamond)
        seconds.set(title="training time, s (mark: at 75 %)", xlim=(0, 1.6 * table["seconds"].max()))
        seconds.xaxis.set_major_locator(MaxNLocator(5))
        lowest = 10 ** math.floor(math.log10(table["parameters"].min()) - 0.3)
        parameters.set(title="parameters", xscale="log", xlim=(lowest, 8 * table["parameters"].max()))
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
