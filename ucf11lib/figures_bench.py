"""The figures of speed and growth. As in `figures`: data in, a figure out, the note on the data drawn into it."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ucf11lib.style import BLUE, GREEN, GREY, PALE, RED, SMALL, page, percent, percent_axis, shown_name

LINES = {"sequences": ("sequences", BLUE), "width": ("width", RED), "batch_size": ("batch size", GREEN)}


def shares(rows: Sequence[dict], *, note: str) -> Figure:
    """How much of the matrix product's rate each network's training step reaches, reading from the store.

    Args:
        rows: `model`, `width`, `share` and `memory_share` (0..), a bar each from above; the mark is the step from
            memory.
        note: the data and machine that the figure comes from.
    """
    with page(7, 1.1 + 0.32 * len(rows), note) as figure:
        axes = figure.subplots()
        places = range(len(rows))[::-1]
        colours = [BLUE if row["width"] == 1 else "#9CC7E3" for row in rows]
        axes.barh(places, [row["share"] for row in rows], color=colours, height=0.65)
        axes.plot([row["memory_share"] for row in rows], places, "|", color="black", markersize=11)
        for place, row in zip(places, rows, strict=True):
            axes.annotate(percent(row["share"]), (0, place), (4, 0), textcoords="offset points", va="center",
                          fontsize=SMALL, color="white" if row["width"] == 1 else "black")  # fmt: skip
        axes.axvline(1, color=GREY, linewidth=1, linestyle=":")
        axes.set_yticks(places, [f"{shown_name(row['model'])}, width {row['width']:g}" for row in rows])
        axes.set_xlim(0, 1.1 * max(1, *(max(row["share"], row["memory_share"]) for row in rows)))
        axes.set(xlabel="training step's arithmetic, of a float32 matrix product's rate; | from memory")
        percent_axis(axes.xaxis)
        axes.grid(axis="x")
    return figure


def growth(rows: Sequence[dict], *, note: str) -> Figure:
    """Time (left) and peak memory (right) over what grows, all as multiples of the smallest, on logarithmic axes.

    Args:
        rows: as `ucf11lib.growth.measure` returns them, a line each; a dotted line is proportional growth.
        note: the data and machine that the figure comes from.
    """
    with page(8, 3.3, note) as figure:
        time, memory = figure.subplots(1, 2)
        _growth(time, rows, "seconds", "time_exponent")
        _growth(memory, rows, "peak_mb", "memory_exponent")
        time.set_title("time: of an epoch over all sequences, or of a step")
        memory.set_title("peak memory of the process")
    return figure


def _growth(axes: Axes, rows: Sequence[dict], cost: str, exponent: str) -> None:
    most = max(max(row["values"]) / row["values"][0] for row in rows)
    axes.plot([1, most], [1, most], ":", color=GREY, linewidth=1)
    for row in rows:
        name, colour = LINES[row["against"]]
        values, costs = ([value / numbers[0] for value in numbers] for numbers in (row["values"], row[cost]))
        axes.plot(values, costs, "o-", color=colour, markersize=3, label=f"{name}: exponent {row[exponent]:.2f}")
    ticks = [2**n for n in range(int(most).bit_length())]
    axes.set(xscale="log", yscale="log", xlabel="times as much", ylabel="times the cost")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.grid(color=PALE)
    axes.legend(loc="upper left")
