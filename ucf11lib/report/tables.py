"""The report's tables: rows and format strings in, Markdown out."""

import string
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ucf11lib.evaluation import pairs_table
from ucf11lib.evaluation.baselines import FLOW
from ucf11lib.evaluation.intervals import TAIL, seeds_interval
from ucf11lib.runs import Run, named_recipe, recipe_changes
from ucf11lib.studies import load, summary_table
from ucf11lib.text import display_name, mean_and_range, percent

# Of the README and of the report, over the columns of `over_seeds`.
OVER_SEEDS = {
    "network": "{model}",
    "held-out accuracy, five seeds": "{accuracy}",
    "95 % interval of the mean": "{low:.1%} to {high:.1%}",
    "parameters": "{parameters:,.0f}",
}
SUBJECTS = 9  # of Weizmann
MIN_WIDTH, MAX_WIDTH = 6, 60  # of a column that wraps, in characters: pandoc shares out the line


class Markdown(str):
    """Text of ours, in which Markdown is meant; any other text is shown as plain text."""

    __slots__ = ()


class _Cells(string.Formatter):
    """`str.format`, with display names, and yes or **no** for a bool.

    A share of 0.75 is "75.0 %" with `:.1%`, and "75.0", in points, with `:.1p`.
    """

    def format_field(self, value: object, spec: str) -> str:
        if isinstance(value, str):
            return display_name(value)
        if isinstance(value, float) and spec.endswith("p"):
            return format(100 * value, spec.replace("p", "f"))
        if spec:
            return format(value, spec).replace("%", " %")
        return {"True": "yes", "False": "**no**"}.get(str(value), str(value))


def pipe_table(rows: pd.DataFrame, columns: Mapping[str, str] | None = None) -> Markdown:
    """Return rows as a Markdown table; a cell with a missing value is "-".

    `columns` has title -> format string over a row's values, such as "{low:.1%} to {high:.1%}"; by
    default each column is under its own name.
    """
    columns = columns or {name: f"{{{name}}}" for name in rows}
    cells = _Cells()
    lines = [list(columns)]
    for row in rows.to_dict("records"):
        line = []
        for template in columns.values():
            names = [name for _, name, _, _ in cells.parse(template) if name]
            missing = any(pd.isna(row[name]) for name in names)
            line.append("-" if missing else cells.format(template, **row))
        lines.append(line)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, [":" + "-" * min(max(width, MIN_WIDTH), MAX_WIDTH) for width in widths])
    return Markdown("\n".join("| " + " | ".join(line) + " |" for line in lines))


def claims(markdown: str) -> pd.DataFrame:
    """Return the pipe table of `claims.md` with its numbers filled in, a claim a row."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    titles, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    return pd.DataFrame(rows, columns=titles)


def study_rows(name: str, **equal: object) -> pd.DataFrame:
    """Return the rows of a study's results in which columns have the given values."""
    rows = load(name).table
    for column, value in equal.items():
        rows = rows[rows[column] == value]
    return rows


def changes(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return the recipes' changes from that of 2019: a setting a row, a model a column."""
    rows: dict[str, dict[str, str]] = {}
    for model, run in runs.items():
        changed = recipe_changes(named_recipe("2019", model), run.config.recipe)
        for setting, before, after in changed.itertuples(index=False):
            rows.setdefault(setting, {})[display_name(model)] = f"{_word(before)} → {_word(after)}"
    table = pd.DataFrame.from_dict(rows, orient="index").fillna("as in 2019")
    return table.reset_index(names="setting")


def over_seeds(name: str) -> pd.DataFrame:
    """Return mean and range of each model's accuracy over seeds, and the interval of the mean.

    The columns are model, accuracy (a text), low, high, runs and parameters.
    """
    rows = study_rows(name)
    table = summary_table(rows, ["model"])
    groups = rows.groupby("model", sort=False)
    counts = [np.array(list(one)) for _, one in groups["right_by_group"]]
    ends = [seeds_interval(one[..., 0], one[..., 1]) for one in counts]
    table[["low", "high"]] = ends
    return table.merge(groups["parameters"].first(), on="model")


def weizmann(published: Sequence[Mapping]) -> pd.DataFrame:
    """Return accuracies on Weizmann, ours and then `published` ones, which have no interval.

    The columns are method, left_out, unit, accuracy and interval (a text).
    """
    ours = study_rows("real_video", fold="all")
    unit = [f"{np.sum(confusion)} clips" for confusion in ours["confusion"]]
    ours["mark"] = _marks(ours)
    ends = ours[["low", "mark", "high"]].itertuples(index=False)
    interval = [f"{percent(low, 1)}{mark} to {percent(high, 1)}" for low, mark, high in ends]
    ours = ours.assign(method=ours["model"].map(display_name), unit=unit, interval=interval)
    ours["accuracy"] = ours["accuracy_clip"]
    flow = study_rows("checks", data="Weizmann", baseline=FLOW)
    right, all_ = (flow["accuracy"] * flow["sequences"]).sum(), flow["sequences"].sum()
    without = {"method": FLOW, "unit": f"{all_:.0f} sequences", "accuracy": right / all_}
    table = pd.concat([ours, pd.DataFrame([without])]).assign(left_out="one subject")
    table = pd.concat([table, pd.DataFrame(published)])
    return table[["method", "left_out", "unit", "accuracy", "interval"]]


def _marks(rows: pd.DataFrame) -> list[str]:
    """Mark the intervals whose lower end is `bootstrap_t`'s rule of three."""
    bound = rows["accuracy_clip"] * TAIL ** (1 / SUBJECTS)
    return np.where(np.isclose(rows["low"], bound, atol=1e-4), "†", "").tolist()


def pairs(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return `pairs_table` of runs by model, with p values as text: `p`."""
    table = pairs_table({name: run.held_out for name, run in runs.items()})
    shown = [f"{p:.3f}" if p >= 5e-4 else "< 0.001" for p in table["p_value"]]
    return table.assign(p=shown)


def _word(value: object) -> str:
    """Return a setting's value as a reader calls it."""
    words = {"None": "none", "normal": "N(0, s²)", "he": "He"}
    return words.get(str(value), str(value))


def times_to_75(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how many runs of the study `time_to_75`, a kind a row, reached 75 %.

    The columns are data, model, recipe, runs, reached, fewest and most (sequences), fastest and
    slowest (seconds); NaN where no run reached it.
    """
    groups = rows.groupby(["data", "model", "recipe"], sort=False)
    return groups.agg(
        runs=("seed", "size"),
        reached=("sequences_to_75", "count"),
        fewest=("sequences_to_75", "min"),
        most=("sequences_to_75", "max"),
        fastest=("seconds_to_75", "min"),
        slowest=("seconds_to_75", "max"),
    ).reset_index()


def precisions() -> pd.DataFrame:
    """Return each model's accuracy in each arithmetic of the study `precision`.

    The columns are model, arithmetic, accuracy (mean and range over seeds), runs, and of the same
    seeds' differences from float32 `mean` and `largest` (its size), shares; NaN for float32 itself.
    """
    rows = study_rows("precision")
    table = summary_table(rows, ["model", "arithmetic"])
    seeds = rows.pivot(index=["model", "seed"], columns="arithmetic", values="accuracy")
    exact = seeds.pop("float32")
    groups = seeds.sub(exact, axis=0).stack().groupby(["model", "arithmetic"])
    differences = groups.agg(mean="mean", largest=lambda one: one.abs().max())
    return table.merge(differences.reset_index(), "left", ["model", "arithmetic"])


def methods(name: str) -> pd.DataFrame:
    """Return the methods of a study such as `beyond`, the most accurate by clip first.

    The columns are means over seeds, but `over_seeds`: mean and range of the accuracy by clip, and
    `mark`: "†" where the lower end of the interval is no bootstrap's (nine groups, one seed).
    """
    groups = study_rows(name).dropna(subset=["clips"]).groupby("model", sort=False)
    numbers = groups.mean(numeric_only=True).sort_values("accuracy_clip", ascending=False)
    ranges = groups["accuracy_clip"].agg(lambda shares: mean_and_range(list(shares)))
    return numbers.assign(over_seeds=ranges, mark=_marks(numbers)).reset_index()
