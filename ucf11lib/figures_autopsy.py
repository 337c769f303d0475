"""The autopsy's figures. As in `figures`: data in, a figure out, the note of where the data come from drawn into it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from ucf11lib import health
from ucf11lib.style import BLUE, GREEN, GREY, MODELS, ORANGE, RED, SMALL, page, percent, shown_name

ZERO = 1e-25  # where a gradient of exactly zero is drawn on an axis of decades
INITS = {"normal": "N(0, 0.1)", "he": "He"}


def lattice(rows: Sequence[Mapping], *, note: str) -> Figure:
    """The losses of each step against the lattice of a saturated double softmax; a panel a row.

    Args:
        rows: `data` (the title), `classes`, `batch_size`, and `trace` with the columns `step, loss, gradient_norm`.
        note: the data that the figure comes from.
    """
    kinds = ((False, BLUE, "gradient alive"), (True, RED, "gradient exactly 0"))
    with page(9, 2.9, note) as figure:
        for axes, row in zip(figure.subplots(1, len(rows), squeeze=False)[0], rows, strict=True):
            found = pd.DataFrame(row["trace"])
            points, coarse = health.lattice(row["classes"], row["batch_size"]), row["batch_size"] <= 4
            for value in points if coarse else points[points > found["loss"].min() - 0.1]:
                axes.axhline(value, color=GREY, linewidth=0.6, linestyle=":")
                if coarse:
                    _label(axes, value, f"{value:.4f}")
            for dead, colour, label in kinds:
                part = found[(found["gradient_norm"] == 0) == dead]
                axes.plot(part["step"], part["loss"], "o", markersize=2.5, color=colour, label=label)
            title = f"{row['data']}\nn = {row['classes']}, B = {row['batch_size']}, width {row['width']:g}"
            axes.set_title(title, fontsize=SMALL)
            axes.set(xlabel="step", xlim=(0, found["step"].max() + 1))
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        figure.axes[0].set_ylabel("loss of the batch")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _label(axes: Axes, y: float, text: str) -> None:
    """Write `text` beside the right end of the axes at height `y`."""
    place = {"xycoords": ("axes fraction", "data"), "xytext": (3, 0), "textcoords": "offset points"}
    axes.annotate(text, (1, y), **place, va="center", color=GREY, fontsize=SMALL)


def gradients(gaps: pd.DataFrame, cells: Sequence[Mapping], *, note: str) -> Figure:
    """Left: the loss's gradient through one and two softmaxes. Right: the gradient norm over the first steps.

    Args:
        gaps: columns `gap, once, twice` (`autopsy.largest_gradient`).
        cells: `head`, `init`, and `trace` with the columns `step, gradient_norm`; a line each.
        note: the data that the figure comes from.
    """
    with page(9, 3.1, note) as figure:
        left, right = figure.subplots(1, 2)
        for name, colour, label in (("once", GREEN, "one softmax"), ("twice", RED, "two softmaxes")):
            left.plot(gaps["gap"], gaps[name].where(gaps[name] > 0), color=colour, label=label)
        gone = gaps["gap"][gaps["twice"] == 0].min()
        left.axvline(gone, color=GREY, linestyle=":", linewidth=1)
        left.text(gone, 1e-18, f" from {gone:.0f} on\n exactly 0", fontsize=SMALL, color=GREY)
        left.set(title="largest entry of the gradient", xlabel="lead of a wrong class (logits)", yscale="log")
        left.set_xlim(0, gaps["gap"].max())
        left.legend(loc="lower left")
        for cell, colour in zip(cells, (RED, ORANGE, BLUE, GREEN), strict=True):
            found = pd.DataFrame(cell["trace"])
            norm = found["gradient_norm"].clip(lower=ZERO)
            style = {"linewidth": 1.2, "color": colour, "alpha": 0.8}
            right.plot(found["step"], norm, label=f"{cell['head']}, {INITS[cell['init']]}", **style)
        right.set(title="gradient norm of C3D's first steps", xlabel="step", yscale="log")
        right.set_yticks([ZERO, 1e-15, 1e-5, 1, 1e5], ["0", "1e-15", "1e-5", "1", "1e5"])
        right.yaxis.set_minor_locator(NullLocator())
        right.legend(loc="center right")
    return figure


def signal(rows: Sequence[Mapping], *, note: str) -> Figure:
    """How large the signal is behind each layer before the first step; a panel a model, a line a recipe.

    Args:
        rows: `model`, `recipe`, and lists `layer` and `deviation` (`amplification.signal`).
        note: the data that the figure comes from.
    """
    models = list(dict.fromkeys(row["model"] for row in rows))
    with page(9, 3.1, note) as figure:
        panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
        for axes, model in zip(panels, models, strict=True):
            lines = [row for row in rows if row["model"] == model]
            for row, colour, marker in zip(lines, (RED, BLUE, GREEN), "os^", strict=True):
                style = {"marker": marker, "markersize": 3, "color": colour, "label": f"recipe {row['recipe']}"}
                axes.plot(row["layer"], row["deviation"], "-", **style)
            axes.axhline(1, color=GREY, linestyle=":", linewidth=1)
            axes.set(title=shown_name(model), yscale="log")
            axes.yaxis.set_minor_locator(NullLocator())
            axes.set_xticks(range(len(lines[0]["layer"])), lines[0]["layer"], rotation=60)
        panels[0].set_ylabel("deviation of the outputs, before ReLU")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def grid(grids: Mapping[str, Sequence[Mapping]], *, note: str) -> Figure:
    """Share of eight sequences learnt by heart, for each optimiser and learning rate; a panel a recipe.

    Args:
        grids: for each recipe the rows of `autopsy.grid`: optimizer, learning_rate, accuracy.
        note: the data that the figure comes from.
    """
    with page(9, 2.1, note) as figure:
        panels = figure.subplots(1, len(grids), sharey=True, squeeze=False)[0]
        for axes, (recipe, rows) in zip(panels, grids.items(), strict=True):
            table = pd.DataFrame(rows)
            values = table.pivot(index="optimizer", columns="learning_rate", values="accuracy")
            values = values.loc[table["optimizer"].unique(), table["learning_rate"].unique()]
            texts = np.array([[percent(value) for value in row] for row in values.to_numpy()])
            style = {"annot": texts, "fmt": "", "annot_kws": {"fontsize": SMALL}, "linewidths": 0.5}
            seaborn.heatmap(values, vmin=0, vmax=1, cmap="Blues", cbar=False, ax=axes, **style)
            rates = [f"1e-{round(-math.log10(rate))}" for rate in values.columns]
            axes.set_xticks(axes.get_xticks(), rates, rotation=0)
            axes.set_yticks(axes.get_yticks(), values.index, rotation=0)
            axes.set(title=f"C3D, recipe {recipe}", xlabel="learning rate", ylabel="")
            axes.tick_params(length=0)
    return figure


def slow_start(starts: Mapping[str, Mapping], rows: Sequence[Mapping], *, note: str) -> Figure:
    """VGG9 of 2019, with He weights, repaired. Left: loss of the first steps. Right: held-out loss of each epoch.

    Args:
        starts: for each of the three the columns `step, loss`.
        rows: of `ablation.measure`; VGG9's first, second and last are drawn, a line a seed.
        note: the data that the figure comes from.
    """
    ladder = [row for row in rows if row["model"] == "vgg9"]
    with page(9, 3, note) as figure:
        left, right = figure.subplots(1, 2)
        chosen = zip(starts.items(), (ladder[0], ladder[1], ladder[-1]), (RED, ORANGE, BLUE), strict=True)
        for (recipe, found), row, colour in chosen:
            left.plot(found["step"], found["loss"], color=colour, linewidth=1, label=f"recipe {recipe}")
            for seed in row["history"]:
                line = seed["val_loss"]
                right.plot(range(1, len(line) + 1), line, "o-", markersize=2.5, linewidth=1, color=colour)
        for axes in (left, right):
            axes.axhline(math.log(11), color=GREY, linestyle=":", linewidth=1)
            _label(axes, math.log(11), "chance")
        left.set(title="training loss of the first steps, full width", xlabel="step", yscale="log")
        left.yaxis.set_minor_locator(NullLocator())
        right.set(title="held-out loss, quick profile, three seeds", xlabel="epoch", ylim=(0, None))
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def ablation(rows: Sequence[dict], *, note: str) -> Figure:
    """Held-out accuracy after each change on the way from 2019 to repaired; a panel a model, a dot a seed.

    Args:
        rows: of `ablation.measure`.
        note: the data that the figure comes from.
    """
    models = list(dict.fromkeys(row["model"] for row in rows))
    with page(9, 2.7, note) as figure:
        panels = figure.subplots(1, len(models), sharex=True, squeeze=False)[0]
        for axes, model in zip(panels, models, strict=True):
            ladder = [row for row in rows if row["model"] == model]
            names = [row["change"] if i == 0 else f"+ {row['change']}" for i, row in enumerate(ladder)]
            for y, row in enumerate(ladder):
                axes.plot(row["accuracy"], [y] * len(row["accuracy"]), "o", markersize=3.5, color=MODELS[model][1])
                axes.plot([np.mean(row["accuracy"])], [y], "|", markersize=11, color="black")
            axes.axvline(0.75, color=GREY, linestyle=":", linewidth=1)
            axes.set(title=shown_name(model), ylim=(len(ladder) - 0.5, -0.5), xlim=(0, 1))
            axes.set_yticks(range(len(ladder)), names)
            axes.set_xticks([0, 0.25, 0.5, 0.75, 1], [percent(v) for v in (0, 0.25, 0.5, 0.75, 1)])
            axes.grid(axis="x")
    return figure
