"""The structure of a network, as in the 2019 report's figures 1 to 3, and its source."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from IPython.display import Markdown
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle
from matplotlib.path import Path

from ucf11lib.figures import style
from ucf11lib.figures.style import GREY, PALE, SMALL, page
from ucf11lib.text import display_name

KINDS = {"input": "#BBBBBB", "convolution": style.SKY, "max-pool": style.ORANGE}
KINDS |= {"flatten": style.YELLOW, "dense": style.GREEN, "LSTM": style.PINK}
KINDS |= {"output": style.RED, "other": style.BLUE}
# Layers that keep the shape are words under the stage that they follow.
WORDS = {
    "Normalise": "normalise: {layer.kind}",
    "BatchNormalization": "batch norm",
    "GroupNormalization": "group norm",
    "ReLU": "relu",
    "Dropout": "dropout {layer.rate:g}",
}
PER_ROW = 6  # stages at most, for their texts to fit
WIDE, ROW, BOX = style.WIDTH, 1.26, 0.42  # inches: a row's width and height, the highest box
MIDDLE = 0.43  # inches: of the boxes, above the foot of their row
Ends = tuple[float, float, float]  # a box's left, right and middle


@dataclass
class Stage:
    """One box of the diagram; `kind` is a key of `KINDS`, `words` what follows within the stage."""

    kind: str
    title: str  # such as "conv 3x3x3"
    shape: tuple[int, ...]  # of the output, without the batch
    per_frame: bool  # whether time is folded into the batch
    words: list[str] = field(default_factory=list)


def stages(model: Any) -> list[Stage]:
    """Return the stages of a sequential graph, in order."""
    result: list[Stage] = []
    per_frame = False
    for operation in model.operations:
        name, shape = type(operation).__name__, tuple(operation.output.shape[1:])
        if name == "Reshape":
            per_frame = len(shape) < len(operation.input.shape) - 1
        elif name in WORDS:
            result[-1].words.append(WORDS[name].format(layer=operation))
        else:
            result.append(Stage(*_kind(operation), shape, per_frame))
    return result


def _kind(operation) -> tuple[str, str]:
    """Return (kind, title) of a layer."""
    name = type(operation).__name__
    if name.startswith("Conv"):
        return "convolution", "conv " + "x".join(map(str, operation.kernel_size))
    if name.startswith("MaxPooling"):
        return "max-pool", "max-pool " + "x".join(map(str, operation.pool_size))
    if operation.name in ("frames", "logits", "softmax"):
        return "input" if operation.name == "frames" else "output", operation.name
    plain = {"Dense": "dense", "Flatten": "flatten", "LSTM": "LSTM"}.get(name)
    return (plain, plain) if plain else ("other", name)


def source(function: Callable) -> Markdown:
    """Return a function's source, which a notebook shows highlighted."""
    return Markdown(f"```python\n{inspect.getsource(function)}```")


def structure(model: Any, *, note: str) -> Figure:
    """Stages of a sequential graph from left to right, with each one's kernel and output shape.

    `note` says how the model was built, such as "recipe 2019, width 1".
    """
    boxes = stages(model)
    n_rows = math.ceil(len(boxes) / PER_ROW)
    per_row = math.ceil(len(boxes) / n_rows)
    slot, last = WIDE / per_row, -ROW * (n_rows - 1)
    _, frames, size, *_ = model.input.shape
    with page(WIDE, 0.65 + ROW * n_rows, note) as figure:
        axes = figure.subplots()
        axes.set(xlim=(0, WIDE), ylim=(last - 0.15, ROW))
        axes.set_axis_off()
        before = None
        for number, stage in enumerate(boxes):
            row, column = divmod(number, per_row)
            ends = _draw_stage(axes, stage, (column + 0.5) * slot, -ROW * row, size)
            if before:
                _connect(axes, before, ends)
            before = ends
        for row in range(n_rows):
            per_frame = [stage.per_frame for stage in boxes[row * per_row : (row + 1) * per_row]]
            if any(per_frame):
                x, width = per_frame.index(True) * slot + 0.06, sum(per_frame) * slot - 0.12
                look: dict[str, Any] = {"facecolor": PALE, "edgecolor": "none", "zorder": 0}
                look["boxstyle"] = "round,pad=0,rounding_size=0.06"
                axes.add_patch(FancyBboxPatch((x, -ROW * row), width, ROW - 0.08, **look))
                each = f"each of {frames} frames"
                axes.text(x + 0.06, ROW * (1 - row) - 0.19, each, style="italic", fontsize=SMALL)
        name, parameters = display_name(model.name), model.count_params()
        axes.set_title(f"{name}: {parameters:,} parameters", loc="left")
        hint = "height: pixels or units; width: channels; depth: frames; not to scale"
        axes.text(0, last - 0.15, hint, fontsize=SMALL, color=GREY)
    return figure


def _draw_stage(axes: Axes, stage: Stage, centre: float, bottom: float, size: int) -> Ends:
    """Draw a cuboid, or for one vector a rectangle, and its texts around `centre`."""
    shape = stage.shape  # (T, H, W, C), (H, W, C), (T, F) or (F,)
    depth = 0.035 * math.sqrt(shape[0]) if len(shape) in (2, 4) else 0.0
    width, height = 0.1, BOX * min(1.0, math.log2(shape[-1]) / 14)
    if len(shape) >= 3:
        width, height = 0.055 * math.log2(shape[-1] + 1), BOX * math.sqrt(shape[-3] / size)
    left, middle = centre - (width + depth) / 2, bottom + MIDDLE
    right, foot, top = left + width, middle - height / 2, middle + height / 2
    colour = KINDS[stage.kind]
    edge: dict[str, Any] = {"edgecolor": "#333333", "linewidth": 0.6, "joinstyle": "round"}
    axes.add_patch(Rectangle((left, foot), width, height, facecolor=colour, **edge))
    if depth:
        up, far = depth * 0.6, right + depth
        dark = 0.7 * np.array(to_rgb(colour))
        roof = [(left, top), (left + depth, top + up), (far, top + up), (right, top)]
        side = [(right, foot), (far, foot + up), (far, top + up), (right, top)]
        axes.add_patch(Polygon(roof, facecolor=dark + 0.3, **edge))
        axes.add_patch(Polygon(side, facecolor=dark, **edge))
    text: dict[str, Any] = {"x": centre, "ha": "center"}
    axes.text(s=stage.title, y=bottom + ROW - 0.34, fontsize=SMALL, **text)
    axes.text(s=", ".join(stage.words), y=bottom + ROW - 0.47, fontsize=SMALL, color=GREY, **text)
    axes.text(s="x".join(map(str, shape)), y=bottom + 0.07, fontsize=SMALL, **text)
    return left, right + depth, middle


def _connect(axes: Axes, before: Ends, after: Ends) -> None:
    """Draw an arrow from box to box; to the next row it passes between the rows."""
    (_, start, y), (end, _, below) = before, after
    points = [(start + 0.04, y), (end - 0.04, below)]
    if below < y:
        between = below + ROW - MIDDLE - 0.04
        points[1:1] = [(WIDE - 0.02, y), (WIDE - 0.02, between), (0.02, between), (0.02, below)]
    style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 7, "linewidth": 0.8}
    axes.add_patch(FancyArrowPatch(path=Path(points), color=GREY, **style))
