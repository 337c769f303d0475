"""The autopsy's figures. As in `figures`: data in, a figure out, the note of where the data come from drawn into it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from ucf11lib import health
from ucf11lib.style import BLUE, GREEN, GREY, MODELS, ORANGE, RED, SMALL, page, percent, shown_name

ZERO = 1e-45  # where a gradient of exactly zero is drawn on an axis of decades: below float32's least number


def lattice(traces: Mapping[str, tuple[pd.DataFrame, int, int]], *, note: str) -> Figure:
    """The losses of each step against the lattice of a saturated double softmax.

    Args:
        traces: for each title the columns `step, loss, gradient_norm`, the number of classes, the batch size.
        note: the data that the figure comes from.
    """
    with page(9, 2.9, note) as figure:
        for axes, (title, (found, classes, size)) in zip(
            figure.subplots(1, len(traces), squeeze=False)[0], traces.items(), strict=True
        ):
            for value in health.lattice(classes, size):
                axes.axhline(value, color=GREY, linewidth=0.6, linestyle=":")
                axes.annotate(f"{value:.4f}", (1, value), xycoords=("axes fraction", "data"), xytext=(3, 0),
                              textcoords="offset points", va="center", fontsize=SMALL, color=GREY)  # fmt: skip
            dead = found["gradient_norm"] == 0
            for shown, colour, label in ((~dead, BLUE, "gradient alive"), (dead, RED, "gradient exactly 0")):
                axes.plot(found["step"][shown], found["loss"][shown], "o", markersize=3, color=colour, label=label)
            axes.set(title=title, xlabel="step", ylabel="loss of the batch")
        handles = [Axes.plot(axes, [], [], "o", markersize=3, color=c)[0] for c in (BLUE, RED)]
        figure.legend(handles, ["gradient alive", "gradient exactly 0"], loc="outside upper center", ncols=2)
    return figure


def gradients(gaps: pd.DataFrame, traces: Mapping[str, pd.DataFrame], *, note: str) -> Figure:
    """Left: the loss's gradient through one and two softmaxes. Right: the gradient norm over the first steps.

    Args:
        gaps: columns `gap, once, twice` (`autopsy.largest_gradient`).
        traces: for each name the columns `step, gradient_norm`.
        note: the data that the figure comes from.
    """
    with page(9, 3.1, note) as figure:
        left, right = figure.subplots(1, 2)
        for name, colour, label in (("once", GREEN, "one softmax"), ("twice", RED, "two softmaxes")):
            left.plot(gaps["gap"], gaps[name].where(gaps[name] > 0), color=colour, label=label)
        gone = gaps["gap"][gaps["twice"] == 0].min()
        left.axvline(gone, color=GREY, linestyle=":", linewidth=1)
        left.text(gone, 1e-20, f" from {gone:.0f} on\n exactly 0", fontsize=SMALL, color=GREY)
        left.set(title="largest entry of the gradient", xlabel="lead of a wrong class (logits)", yscale="log")
        left.legend()
        for (name, found), colour in zip(traces.items(), (RED, BLUE, ORANGE, GREEN), strict=False):
            norm = found["gradient_norm"].clip(lower=ZERO)
            right.plot(found["step"], norm, "o-", markersize=2, linewidth=0.9, color=colour, label=name)
        right.set(title="gradient norm of the first steps", xlabel="step", yscale="log")
        right.yaxis.set_major_locator(LogLocator(numticks=8))
        right.set_yticks([ZERO, 1e-30, 1e-15, 1, 1e6], ["0", "1e-30", "1e-15", "1", "1e6"])
        right.yaxis.set_minor_locator(NullLocator())
        right.legend(loc="center right")
    return figure


def signal(tables: Mapping[str, Mapping[str, pd.DataFrame]], *, note: str) -> Figure:
    """How large the signal is behind each layer before the first step; a panel a model, a line an initialisation.

    Args:
        tables: for each model and each initialisation the columns `layer, deviation` (`autopsy.signal`).
        note: the data that the figure comes from.
    """
    with page(9, 3.1, note) as figure:
        panels = figure.subplots(1, len(tables), sharey=True)
        for axes, (model, lines) in zip(panels, tables.items(), strict=True):
            for (name, found), colour, marker in zip(lines.items(), (RED, BLUE, GREEN), "os^", strict=False):
                axes.plot(
                    found["layer"], found["deviation"], "-", marker=marker, markersize=3, color=colour, label=name
                )
            axes.axhline(1, color=GREY, linestyle=":", linewidth=1)
            axes.set(title=shown_name(model), yscale="log")
            axes.tick_params(axis="x", rotation=60)
        panels[0].set_ylabel("deviation of the outputs, before ReLU")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def grid(tables: Mapping[str, pd.DataFrame], *, note: str) -> Figure:
    """Share of eight sequences learnt by heart, for each optimiser and learning rate; a panel a recipe.

    Args:
        tables: for each title the columns `optimizer, learning_rate, accuracy` (`autopsy.grid`).
        note: the data that the figure comes from.
    """
    with page(9, 2.3, note) as figure:
        panels = figure.subplots(1, len(tables), sharey=True)
        for axes, (title, table) in zip(panels, tables.items(), strict=True):
            values = table.pivot(index="optimizer", columns="learning_rate", values="accuracy")
            values = values.loc[table["optimizer"].unique(), table["learning_rate"].unique()]
            texts = [[percent(value) for value in row] for row in values.to_numpy()]
            style = {"annot": np.array(texts), "fmt": "", "annot_kws": {"fontsize": SMALL}, "linewidths": 0.5}
            seaborn.heatmap(values, vmin=0, vmax=1, cmap="Blues", cbar=False, ax=axes, **style)
            axes.set_xticklabels([f"1e-{round(-math.log10(rate))}" for rate in values.columns], rotation=0)
            axes.set(title=title, xlabel="learning rate", ylabel="")
            axes.tick_params(length=0)
            axes.set_yticks(axes.get_yticks(), values.index, rotation=0)
    return figure


def slow_start(
    steps: Mapping[str, pd.DataFrame], epochs: Mapping[str, Sequence[Sequence[float]]], *, note: str
) -> Figure:
    """Left: loss of the first steps. Right: held-out accuracy of the first epochs, a line a seed.

    Args:
        steps: for each recipe the columns `step, loss`.
        epochs: for each recipe, a seed each, the held-out accuracies.
        note: the data that the figure comes from.
    """
    shown = dict(zip(steps, (RED, MODELS["vgg9"][1]), strict=True))
    with page(9, 3, note) as figure:
        left, right = figure.subplots(1, 2)
        for name, found in steps.items():
            left.plot(found["step"], found["loss"], color=shown[name], label=f"recipe {name}")
        left.axhline(math.log(11), color=GREY, linestyle=":", linewidth=1)
        left.annotate("chance", (1, math.log(11)), xycoords=("axes fraction", "data"), fontsize=SMALL, color=GREY)
        left.set(title="loss of the first steps, full width", xlabel="step", yscale="log")
        for name, seeds in epochs.items():
            for line in seeds:
                right.plot(range(1, len(line) + 1), line, "o-", markersize=2.5, color=shown[name])
        right.axhline(0.75, color=GREY, linestyle=":", linewidth=1)
        right.set(title="held-out accuracy, quick profile, three seeds", xlabel="epoch", ylim=(0, 1))
        right.set_yticks([0, 0.25, 0.5, 0.75, 1], [percent(v) for v in (0, 0.25, 0.5, 0.75, 1)])
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def ablation(rows: Sequence[dict], *, note: str) -> Figure:
    """Held-out accuracy after each change on the way from 2019 to repaired; a panel a model, a dot a seed.

    Args:
        rows: of `ablation.measure`; those of the ladder are drawn.
        note: the data that the figure comes from.
    """
    models = list(dict.fromkeys(row["model"] for row in rows))
    with page(9, 2.7, note) as figure:
        panels = figure.subplots(1, len(models), sharex=True)
        for axes, model in zip(panels, models, strict=True):
            ladder = [row for row in rows if row["model"] == model and row["kind"] == "ladder"]
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
