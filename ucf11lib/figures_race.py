"""The figure of the race to 75 %. As in `figures`: data in, a figure out, the note on the data drawn into it."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ucf11lib.style import BLUE, GREEN, GREY, ORANGE, RED, page, percent, percent_axis

COLOURS = {"repaired": GREEN, "2019": RED, "peer_c3dsmall": ORANGE, "peer_cnnlstm": BLUE}


def race(
    panels: Mapping[str, Sequence[dict]], medians: Mapping[str, float], *, cap: float, target: float = 0.75, note: str
) -> Figure:
    """Accuracy over time, a panel a race, a line a seed; the unit of time is the repaired recipe's median.

    Args:
        panels: for each title rows with `recipe` and, a seed each, `trace_seconds` and `trace_accuracy`.
        medians: for each title the repaired recipe's median seconds to `target`.
        cap: where the others were stopped, in medians.
        target: accuracy that is marked by a line, 0..1.
        note: the data that the figure comes from.
    """
    with page(9, 2.9, note) as figure:
        for axes, (title, rows) in zip(
            figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels.items(), strict=True
        ):
            for row in rows:
                for seconds, accuracy in zip(row["trace_seconds"], row["trace_accuracy"], strict=True):
                    times = [value / medians[title] for value in seconds]
                    axes.plot(times, accuracy, "o-", color=COLOURS[row["recipe"]], linewidth=0.9, markersize=1.5)
            axes.axhline(target, color=GREY, linewidth=0.7, linestyle=":")
            axes.axvline(cap, color=GREY, linewidth=0.7, linestyle=":")
            axes.set_title(title.replace(", ", "\n", 1))
            axes.set(xlabel="time, in repaired medians", xlim=(0, cap * 1.08), ylim=(0, 1))
            percent_axis(axes.yaxis)
        lines = [Line2D([], [], color=colour, label=name) for name, colour in COLOURS.items()]
        figure.legend(handles=lines, loc="outside upper center", ncols=len(lines))
        figure.axes[0].set_ylabel(f"held-out accuracy; goal {percent(target)}")
    return figure
