"""How names and numbers are written for a reader."""

from __future__ import annotations  # pandas takes a moment to load, and `--help` needs none

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MAX_WIDTH = 300  # characters of a column

# Of the models whose display name is not their name.
DISPLAY_NAMES = {"c3d": "C3D", "vgg9": "VGG9", "cnn_lstm": "CNN+LSTM", "frame_cnn": "frame CNN"}
DISPLAY_NAMES |= {"vgg9_mean": "VGG9 mean", "vgg9_log_mean": "VGG9 log mean"}
DISPLAY_NAMES |= {"r2plus1d": "R(2+1)D", "tsm": "TSM", "vivit": "ViViT"}


def natural_key(name: str) -> list[int | str]:
    """Return a sorting key by which "node9" comes before "node10"."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def display_name(name: object) -> str:
    """Return a text with its models by their display names: "tsm 2019" -> "TSM 2019"."""
    return " ".join(DISPLAY_NAMES.get(word, word) for word in str(name).split(" "))


def percent(share: float, digits: int = 0) -> str:
    """Return 0.75 as "75 %"."""
    return f"{100 * share:.{digits}f} %"


def mean_and_range(values: Sequence[float]) -> str:
    """Return shares as mean and range: "75.0 % (70.1 to 81.2)"."""
    mean = percent(sum(values) / len(values), 1)
    return f"{mean} ({100 * min(values):.1f} to {100 * max(values):.1f})"


def interval(ends: Sequence[float] | None) -> str:
    """Return a 95 % interval of shares as "70.1 to 81.2"; None, of a single group, as "none"."""
    return "none" if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}"


def duration(seconds: float) -> str:
    """Return a time span in its largest unit: "5 s", "12 min", "3 h", "2 d"."""
    for size, unit, smaller in ((86400, "d", 3600), (3600, "h", 60), (60, "min", 1)):
        if round(seconds / smaller) >= size / smaller:  # not "60 min"
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def table_lines(table: pd.DataFrame) -> str:
    """Return a table as text, its column `run` last; above it, what is the same in all rows."""
    table = table[sorted(table, key="run".__eq__)]  # the longest to the end
    alike = table.columns[(table.nunique(dropna=False) == 1) & (len(table) > 1)]
    values = [table[name].iloc[0] for name in alike]
    short = [f"{one:g}" if isinstance(one, float) else " ".join(str(one).split()) for one in values]
    line = ", ".join(f"{name} {one[:MAX_WIDTH]}" for name, one in zip(alike, short, strict=True))
    settings: dict[str, Any] = {"float_format": "{:.3f}".format, "max_colwidth": MAX_WIDTH}
    lines = table.drop(columns=alike).to_string(index=False, na_rep="", **settings)
    return f"in all rows: {line}\n{lines}" if line else lines


def widths(of: Iterable[tuple[str, float]]) -> str:
    """Return the widths of models as "width 0.125", or "widths 0.125 (C3D, VGG9), 0.25 (TSM)"."""
    models: dict[float, dict[str, None]] = {}
    for model, width in of:
        models.setdefault(width, {})[display_name(model)] = None
    if len(models) == 1:
        return f"width {next(iter(models)):g}"
    return "widths " + ", ".join(f"{one:g} ({', '.join(models[one])})" for one in sorted(models))


def plain(text: object, most: int = 200) -> str:
    """Return foreign text with "?" for what Markdown, HTML or YAML would read as more than text.

    An underscore begins emphasis in Markdown, unless it is inside a word.
    """
    safe = re.sub(r"[^\w .,:;'()+/%=-]", "?", str(text))[:most]
    return re.sub(r"(?<![^\W_])_+|_+(?![^\W_])", "?", safe)
