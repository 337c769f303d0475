"""What each repair buys: from the 2019 recipe to the repaired one, a change at a time.

Every row is a training of the same length on the same data, in the 2019 report's batches (`recipes.LONGER`); three
seeds each, and a seed moves split, weights, order and augmentation together. The 2019 recipe's stop at 75 % is left out
everywhere, so that all runs are equally long.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ucf11lib import jobs, recipes
from ucf11lib.config import RunConfig
from ucf11lib.runs import Run
from ucf11lib.style import mean_and_range, shown_name

SEEDS = (0, 1, 2)
# One change of the ladder each: the surest first, so that the doubtful ones are tried on a model that works.
CHANGES = {
    "logits head": ("head",),
    "He initialisation": ("init",),
    "sequence input": ("inputs",),
    "rate and schedule": ("learning_rate", "schedule", "warmup"),
    "flip and shift": ("flip", "shift"),
}


@dataclass(frozen=True)
class Row:
    """One rung: `change` is what it adds to the rung before."""

    model: str
    change: str
    recipe: str
    settings: str

    def config(self, seed: int) -> RunConfig:
        """Return the run of one seed; a double softmax runs to its end unwatched, as in 2019."""
        config = RunConfig(self.model, recipe=self.recipe, settings=self.settings, seed=seed)
        return replace(config, health=config.resolved()[0].head != "softmax")


def ladder(model: str) -> list[Row]:
    """Return the rungs from 2019 to repaired."""
    length = recipes.LONGER[model]
    before, after = (RunConfig(model, recipe=name, settings=length).resolved()[0] for name in ("2019", "repaired"))
    settings = [length, "target_accuracy=none"]
    rungs = [Row(model, "2019", "2019", ",".join(settings))]
    for change, names in CHANGES.items():
        if differ := [name for name in names if getattr(before, name) != getattr(after, name)]:
            settings += [f"{name}={getattr(after, name)}" for name in differ]
            rungs.append(Row(model, change, "2019", ",".join(settings)))
    return [*rungs[:-1], Row(model, rungs[-1].change, "repaired", length)]


def measure(models: Sequence[str] = recipes.MODELS, say: Callable[[str], None] = print) -> list[dict]:
    """Train what is not trained yet; return a rung's model, change, settings and, a seed each, what it reached."""
    return [
        _numbers(row, [jobs.ensure(row.config(seed), say=say) for seed in SEEDS])
        for model in models
        for row in ladder(model)
    ]


def _numbers(row: Row, runs: Sequence[Run]) -> dict:
    keys = ("accuracy", "seconds_to_75", "seconds", "status")
    history = [run.history[["loss", "val_loss", "val_accuracy"]].round(4).to_dict("list") for run in runs]
    return {
        "model": row.model,
        "change": row.change,
        "recipe": row.recipe,
        "settings": row.settings,
        "seeds": list(SEEDS),
        **{key: [run.metrics[key] for run in runs] for key in keys},
        "history": history,
    }


def table(rows: Sequence[dict]) -> pd.DataFrame:
    """Return the rows of `measure` as a reader wants them: mean and range over the seeds."""
    found, before = [], {}
    for row in rows:
        mean, reached = float(np.mean(row["accuracy"])), [v for v in row["seconds_to_75"] if v is not None]
        base = before.get(row["model"])
        found.append(
            {
                "model": shown_name(row["model"]),
                "change": row["change"] if base is None else f"and {row['change']}",
                "held-out accuracy": mean_and_range(row["accuracy"]),
                "points": "" if base is None else f"{100 * (mean - base):+.1f}",
                "seconds to 75 %": f"{np.mean(reached):.0f} ({min(reached):.0f} to {max(reached):.0f})"
                if reached
                else "never",
                "reached": f"{len(reached)} of {len(row['seeds'])}",
            }
        )
        before[row["model"]] = mean
    return pd.DataFrame(found)


def _seconds(values: Sequence[float]) -> str:
    return f"{np.mean(values):.0f} ({min(values):.0f} to {max(values):.0f})"
