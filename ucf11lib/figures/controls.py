"""Figures with controls: a picker of sequences; sliders of epochs, confidence and a logit gap."""

import html
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.special import softmax

from ucf11lib.figures import style
from ucf11lib.figures.autopsy import HEADS
from ucf11lib.figures.models import confusion
from ucf11lib.figures.motion import play
from ucf11lib.figures.style import SMALL, colours, legend, page, percent_axis
from ucf11lib.figures.widgets import Widget, explore
from ucf11lib.text import display_name, percent

Predictions = Mapping[str, Mapping[str, np.ndarray]]  # `Run.predictions` of each model
THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(20))  # of confidence
FLOOR = 1e-46  # where a gradient of exactly 0 is drawn: below the smallest float32
OUTCOMES = {"right": style.SKY, "wrong": style.ORANGE, "not answered": style.PALE}


def picker(
    frames: np.ndarray, predictions: Predictions, classes: Sequence[str], *, note: str
) -> Widget:
    """Choose a class, one of its held-out sequences and a model; see it move, and the answer.

    `frames` are a store's, uint8 (N, T, H, W, 3), `predictions` of the same sequences in each
    model, `classes` the display names.
    """
    y_true = next(iter(predictions.values()))["y_true"]
    rows = {name: np.flatnonzero(y_true == label) for label, name in enumerate(classes)}
    rows = {name: numbers for name, numbers in rows.items() if len(numbers)}
    models = {display_name(name): answers for name, answers in predictions.items()}

    def draw(class_: str, sequence: int, model: str) -> HTML:
        row = rows[class_][sequence - 1]
        chosen = frames[models[model]["index"][[row]]]
        video = play(chosen, [class_], note=note)._repr_html_()
        answer = _answer(models[model]["y_prob"][row], classes, class_)
        parts = f"<div>{video}</div><div><b>{html.escape(model)}</b>{answer}</div>"
        return HTML(f'<div style="display: flex; gap: 2em">{parts}</div>')

    count = min(map(len, rows.values()))
    return explore(draw, class_=tuple(rows), sequence=range(1, count + 1), model=tuple(models))


def _answer(shares: np.ndarray, classes: Sequence[str], true: str) -> str:
    """Return probabilities, (classes,), as a table with bars; the true class is bold."""
    lines = []
    for name, share in zip(classes, shares, strict=True):
        text = f"<b>{html.escape(name)}</b>" if name == true else html.escape(name)
        bar = f'<meter value="{share:.3f}" style="width: 12em"></meter>'
        lines.append(f"<tr><td>{text}</td><td>{bar}</td><td>{percent(share)}</td></tr>")
    return f"<table>{''.join(lines)}</table>"


def epoch_slider(
    confusions: Mapping[str, Mapping[int, np.ndarray]], classes: Sequence[str], *, note: str
) -> Widget:
    """Confusion matrices, as `confusion` draws them, after the slider's number of epochs.

    `confusions` is `Run.confusions` of each model; one without that epoch shows its nearest.
    """

    def draw(epoch: int) -> Figure:
        counts = {}
        for name, matrices in confusions.items():
            nearest = min(matrices, key=lambda own: abs(own - epoch))
            counts[f"{name} after epoch {nearest}"] = matrices[nearest]
        return confusion(counts, classes, note=note)

    return explore(draw, epoch=sorted(set().union(*confusions.values())))


def confidence_slider(predictions: Predictions, *, note: str) -> Widget:
    """Answer only where the likeliest class has at least the slider's probability.

    At the left, the accuracy of the answers by the share that is answered; at the right, how many
    sequences are answered rightly, wrongly and not at all.
    """

    def draw(threshold: float) -> Figure:
        with page(9, 3, f"threshold {percent(threshold)}; {note}") as figure:
            left, right = figure.subplots(1, 2)
            for y, (name, colour) in enumerate(colours(predictions).items()):
                confidence = predictions[name]["y_prob"].max(axis=1)
                answers = predictions[name]["y_prob"].argmax(axis=1)
                correct = answers == predictions[name]["y_true"]
                look = {"color": colour, "label": display_name(name)}
                _coverage(left, confidence, correct, threshold, **look)
                _outcomes(right, y, correct, confidence >= threshold)
            left.set(xlabel="share that is answered", ylabel="accuracy of the answers")
            left.set_xlim(0, 1.02)
            percent_axis(left.xaxis)
            percent_axis(left.yaxis)
            left.grid()
            right.set(yticks=range(len(predictions)), yticklabels=map(display_name, predictions))
            right.set(ylim=(len(predictions) - 0.5, -0.5), xlabel="held-out sequences")
            bars = [Patch(color=colour, label=word) for word, colour in OUTCOMES.items()]
            legend(figure, 6, *bars)
        return figure

    return explore(draw, threshold=THRESHOLDS)


def _coverage(
    axes: Axes, confidence: np.ndarray, correct: np.ndarray, threshold: float, *, color, label
) -> None:
    """Draw the accuracy of the most confident answers by their share, and mark the threshold's."""
    n = len(correct)
    right = np.cumsum(correct[np.argsort(-confidence, kind="stable")])
    count = np.arange(1, n + 1)
    axes.plot(count / n, right / count, color=color, label=label, linewidth=1)
    answered = int((confidence >= threshold).sum())
    if answered:
        axes.plot(answered / n, right[answered - 1] / answered, "o", color=color)


def _outcomes(axes: Axes, y: int, correct: np.ndarray, answered: np.ndarray) -> None:
    counts = [part.sum() for part in (answered & correct, answered & ~correct, ~answered)]
    left = np.cumsum([0, *counts[:-1]])
    bars = axes.barh(y, counts, 0.6, left, color=OUTCOMES.values())
    axes.bar_label(bars, [count or "" for count in counts], label_type="center", fontsize=SMALL)


def gap_slider(gaps: pd.DataFrame) -> Widget:
    """A wrong class leads all others by the slider's number of logits; one softmax, or two?

    At the left, the probabilities that the loss gets; at the right, the largest entry of its
    gradient. `gaps` is of `studies.autopsy.largest_gradient`.
    """
    classes = 11

    def draw(lead: float) -> Figure:
        once = softmax(lead * np.eye(classes)[0])
        shares = {"once": once, "twice": softmax(once)}
        here = gaps[gaps["gap"] == lead].iloc[0]
        with page(9, 3, f"{classes} classes, float32") as figure:
            left, right = figure.subplots(1, 2)
            for row, (name, colour, text) in enumerate(HEADS):
                x = np.arange(2) + 0.4 * row - 0.2
                bars = left.bar(x, shares[name][:2], 0.36, color=colour, label=text)
                left.bar_label(bars, [f"{share:.3f}" for share in shares[name][:2]])
                right.plot(gaps["gap"], gaps[name].where(gaps[name] > 0), color=colour)
                label = f"{text}: {here[name]:.2g}"
                right.plot(lead, max(here[name], FLOOR), "o", color=colour, label=label)
            left.set(xticks=[0, 1], xticklabels=["the wrong class that leads", "the right class"])
            left.set(title="probability that the loss gets", ylim=(0, 1.1))
            right.set(title="largest entry of the gradient", xlabel="lead (logits)")
            right.set(yscale="log", ylim=(FLOOR / 10, 10))
            for axes in (left, right):
                axes.legend()
        return figure

    return explore(draw, lead=gaps["gap"].tolist())
