"""What each repair buys: from the 2019 recipe to the repaired one, a change at a time, and each change taken out again.

Every row is a training of the same length on the same data; three seeds each, and a seed moves split, weights, order
and augmentation together. The 2019 recipe's stop at 75 % is left out everywhere, so that all runs are equally long.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ucf11lib import jobs, recipes
from ucf11lib.config import RunConfig
from ucf11lib.runs import Run
from ucf11lib.style import percent, shown_name

SEEDS = (0, 1, 2)
# One change of the ladder each: the surest first, so that the doubtful ones are tried on a model that works.
CHANGES = {
    "logits head": ("head",),
    "He initialisation": ("init",),
    "sequence input": ("inputs",),
    "cosine schedule": ("schedule", "warmup"),
    "learning rate": ("learning_rate",),
    "flip and shift": ("flip", "shift"),
}


@dataclass(frozen=True)
class Row:
    """One line of the table: `kind` is `ladder` or `without`, `change` what was added, or taken out."""

    model: str
    kind: str
    change: str
    recipe: str
    settings: str

    def config(self, seed: int) -> RunConfig:
        """Return the run of one seed; a double softmax runs to its end unwatched, as in 2019."""
        config = RunConfig(self.model, recipe=self.recipe, settings=self.settings, seed=seed)
        softmax = config.resolved()[0].head == "softmax"
        return RunConfig(self.model, recipe=self.recipe, settings=self.settings, seed=seed, health=not softmax)


def rows(model: str) -> list[Row]:
    """Return the ladder from 2019 to repaired, then the repaired recipe without each change but the last added."""
    before, after = recipes.recipe("2019", model), recipes.recipe("repaired", model)
    differ = {
        change: [name for name in names if getattr(before, name) != getattr(after, name)]
        for change, names in CHANGES.items()
    }
    differ = {change: names for change, names in differ.items() if names}
    settings = ["target_accuracy=none"]
    found = [Row(model, "ladder", "2019", "2019", settings[0])]
    for change, names in list(differ.items())[:-1]:
        settings += [f"{name}={getattr(after, name)}" for name in names]
        found.append(Row(model, "ladder", change, "2019", ",".join(settings)))
    found.append(Row(model, "ladder", list(differ)[-1], "repaired", ""))
    for change, names in list(differ.items())[:-1]:
        undone = ",".join(f"{name}={getattr(before, name)}" for name in names)
        found.append(Row(model, "without", change, "repaired", undone))
    return found


def measure(models: Sequence[str] = recipes.MODELS, say: Callable[[str], None] = print) -> list[dict]:
    """Train what is not trained yet; return a row's model, kind, change, settings and, a seed each, what it reached."""
    table = [row for model in models for row in rows(model)]
    first = [row for row in table if not row.settings]
    ordered = first + [row for kind in ("ladder", "without") for row in table if row.kind == kind and row.settings]
    found = {row: [jobs.ensure(row.config(seed), say=say) for seed in SEEDS] for row in ordered}
    return [_numbers(row, found[row]) for row in table]


def _numbers(row: Row, runs: Sequence[Run]) -> dict:
    keys = ("accuracy", "seconds_to_75", "seconds", "status")
    history = [run.history[["loss", "val_loss", "val_accuracy"]].round(4).to_dict("list") for run in runs]
    return {
        "model": row.model,
        "kind": row.kind,
        "change": row.change,
        "recipe": row.recipe,
        "settings": row.settings,
        "seeds": list(SEEDS),
        **{key: [run.metrics[key] for run in runs] for key in keys},
        "history": history,
    }


def table(rows: Sequence[dict], kind: str) -> pd.DataFrame:
    """Return the rows of `measure` of one kind as a reader wants them: mean and range over the seeds."""
    found, before = [], {}
    for row in (row for row in rows if row["kind"] == kind):
        mean, reached = float(np.mean(row["accuracy"])), [v for v in row["seconds_to_75"] if v is not None]
        base = before.get(row["model"]) if kind == "ladder" else _repaired(rows, row["model"])
        first = kind == "ladder" and base is None
        found.append(
            {
                "model": shown_name(row["model"]),
                "change": row["change"] if first else f"{'+' if kind == 'ladder' else 'without'} {row['change']}",
                "held-out accuracy": f"{percent(mean, 1)} ({_range([100 * v for v in row['accuracy']], 1)})",
                "points": "" if base is None else f"{100 * (mean - base):+.1f}",
                "seconds to 75 %": f"{np.mean(reached):.0f} ({_range(reached, 0)})" if reached else "never",
                "reached": f"{len(reached)} of {len(row['seeds'])}",
            }
        )
        before[row["model"]] = mean
    return pd.DataFrame(found)


def _repaired(rows: Sequence[dict], model: str) -> float:
    return next(float(np.mean(row["accuracy"])) for row in rows if row["model"] == model and not row["settings"])


def _range(values: Sequence[float], digits: int) -> str:
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"
