"""Who gets to 75 % first: the repaired recipe against that of 2019 and two peers', on the same data, split and seeds.

The machine's speed cancels: the others may take `CAP` times as long as the repaired recipe's median, measured just
before them on the same machine. A stop on the accuracy of held-out sequences is the 2019 report's own rule; here it
stops a watch, and no accuracy of these runs is reported as a result. Whether another schedule, batch or normalisation
would get there sooner is asked on a part cut out of the training side.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from ucf11lib import jobs, paths, recipes, runs, training
from ucf11lib.backend import tf
from ucf11lib.config import RunConfig
from ucf11lib.data import sources, splits
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import RunFailed
from ucf11lib.style import percent, shown_name

SEEDS = (0, 1, 2)
RIVALS = tuple(name for name in recipes.RECIPES if name != "repaired")
CAP = 3.0
EVERY = 320  # sequences between two looks at the held-out part, whatever the batch
# What might get the repaired recipe there sooner; its length in sequences stays, unless that is the change.
VARIANTS = {
    "as it is": "",
    "twice the learning rate": "learning_rate=0.004",
    "half the learning rate": "learning_rate=0.001",
    "twice the length": "epochs=10",
    "no warm-up": "warmup=0",
    "batches of 4": "batch_size=4,steps_per_epoch=240",
    "batches of 16": "batch_size=16,steps_per_epoch=60",
    "batch normalisation": "norm=batch",
}
HELD_OUT = splits.HELD_OUT_2019  # sequences looked at: all 550 every 320 would cost half as much again as the training


def measure(configs: Sequence[RunConfig], say: Callable[[str], None] = print) -> list[dict]:
    """Let all recipes run on each of `configs`; return a row a recipe, the repaired one's first.

    A row has the data, model and recipe, `limit` (seconds; None for the repaired recipe) and, a seed each, `seconds`
    to 75 % (None if not within the limit), `sequences` trained on until the end, `status`, and the curves
    `trace_seconds` and `trace_accuracy`. What cannot change who wins is left out: the third seed where two did not get
    there, since the median cannot, and all but the first seed of a rival that did not get there and was not the best.

    Raises:
        RunFailed: the repaired recipe itself does not get there.
    """
    return [row for config in configs for row in _race(config, say)]


def _race(config: RunConfig, say: Callable[[str], None]) -> list[dict]:
    store = sources.ensure(config.source, data=config.data, profile=config.resolved()[1])
    first = _row(store, config, math.inf, _tries(store, config, math.inf, say))
    if (median := middle(first)) == math.inf:
        raise RunFailed(f"{config.name}: the repaired recipe does not get to {percent(jobs.TARGET)}; nothing to race")
    limit, rivals = CAP * median, [replace(config, recipe=name) for name in RIVALS]
    opened = [attempt(store, replace(rival, seed=SEEDS[0]), limit, say) for rival in rivals]
    best = max(opened, key=lambda tried: (tried["seconds"] is not None, max(tried["trace_accuracy"])))
    rows = [first]
    for rival, tried in zip(rivals, opened, strict=True):
        matters = tried is best or tried["seconds"] is not None
        rows.append(_row(store, rival, limit, _tries(store, rival, limit, say) if matters else [tried]))
    return rows


def _tries(store: ClipStore, config: RunConfig, limit: float, say: Callable[[str], None]) -> list[dict]:
    """Return the attempts of the seeds, up to those that settle where the median is."""
    tries: list[dict] = []
    for seed in SEEDS:
        if sum(tried["seconds"] is None for tried in tries) <= len(SEEDS) // 2:
            tries.append(attempt(store, replace(config, seed=seed), limit, say))
    return tries


def _row(store: ClipStore, config: RunConfig, limit: float, tries: Sequence[dict]) -> dict:
    row = {"data": store.kind, "model": config.model, "recipe": config.recipe}
    return row | {"limit": None if limit == math.inf else limit} | _columns(tries)


def _columns(tries: Sequence[dict]) -> dict:
    return {key: [each[key] for each in tries] for key in tries[0] if key != "config"}


def sooner(config: RunConfig, say: Callable[[str], None] = print) -> list[dict]:
    """Let `VARIANTS` of `config` run to 75 % of a part cut out of its training part (`splits.choose`).

    Returns:
        A row a variant: its name, `settings`, and the columns of `measure`. Where `seconds` is None, its length was
        over. The sequences do not depend on what else the machine does.
    """
    store = sources.ensure(config.source, data=config.data, profile=config.resolved()[1])
    rows = []
    for name, settings in VARIANTS.items():
        varied = [replace(config.having(settings), seed=seed) for seed in SEEDS]
        tries = [attempt(store, each, math.inf, say, choosing=True) for each in varied]
        rows.append({"variant": name, "settings": settings} | _columns(tries))
    return rows


def attempt(
    store: ClipStore, config: RunConfig, limit: float, say: Callable[[str], None] = print, *, choosing: bool = False
) -> dict:
    """Train until 75 % are reached, the health checks stop it, its length is over, or `limit` seconds have passed.

    With `choosing`, on the two parts that `splits.choose` makes of the training part. The seconds count from the first
    step: its compilation, the training, and the looks at the held-out part. An attempt that ended is kept under
    `runs/race/` and not made again.
    """
    config = _paced(config)
    wanted = asdict(config) | {
        "recipe_fields": asdict(config.resolved()[0]),
        "limit": None if limit == math.inf else limit,
    }
    path = paths.runs_dir() / "race" / f"{config.name}{'-choosing' * choosing}.json"
    kept = runs.read_json(path)
    if kept is not None and kept["config"] == wanted:
        return kept
    parts = config.parts(store)
    parts = splits.choose(store, parts, config.seed) if choosing else parts
    history, status = _train(store, parts, config, limit, say)
    last = history[-1]
    there = last.val_accuracy >= jobs.TARGET and last.seconds <= limit
    found = {
        "config": wanted,
        "seconds": last.seconds if there else None,
        "sequences": EVERY * last.epoch,
        "status": status,
        "trace_seconds": [round(epoch.seconds, 2) for epoch in history],
        "trace_accuracy": [round(epoch.val_accuracy, 4) for epoch in history],
    }
    runs.write_json(path, found)
    return found


def _paced(config: RunConfig) -> RunConfig:
    """Return the same with an epoch every `EVERY` sequences, and no end but the limit unless a schedule needs one."""
    recipe, profile = config.resolved()
    steps = EVERY // recipe.batch_size
    length = profile.epochs * profile.steps_per_epoch // steps if recipe.schedule != "constant" else 1000
    return config.having(f"steps_per_epoch={steps}", f"epochs={length}", f"target_accuracy={jobs.TARGET}")


def _train(
    store: ClipStore, parts: splits.Split, config: RunConfig, limit: float, say: Callable[[str], None]
) -> tuple[list[training.Epoch], str]:
    spread = np.linspace(0, len(parts.validation) - 1, min(HELD_OUT, len(parts.validation)), dtype=int)
    (recipe, profile), watch = config.resolved(), jobs.monitor(config, store, say)
    trainer = training.Trainer(
        jobs.build(config, store, parts),
        store,
        splits.Split(parts.train, parts.validation[spread]),
        recipe,
        profile,
        config.seed,
        tf.distribute.get_strategy(),
        monitor=watch,
    )
    say(f"{config.model}, recipe {config.recipe}, seed {config.seed}" + f", at most {limit:.0f} s" * (limit < math.inf))
    history = []
    for epoch in trainer.epochs():
        history.append(epoch)
        say(f"  {EVERY * epoch.epoch:6d} sequences  accuracy {epoch.val_accuracy:6.1%}  {epoch.seconds:6.1f} s")
        if epoch.seconds > limit:
            break
    return history, watch.status


def middle(row: dict) -> float:
    """Return the median seconds to 75 % of a row of `measure`, infinite if the median run does not get there."""
    seconds = [math.inf if value is None else value for value in row["seconds"]]
    return float(np.median(seconds + [math.inf] * (len(SEEDS) - len(seconds))))


def table(rows: Sequence[dict]) -> pd.DataFrame:
    """Return the rows of `measure` as a reader wants them; `against` is the time in the repaired recipe's medians."""
    found = []
    for row in rows:
        if row["limit"] is None:
            base = middle(row)
        reached = [value for value in row["seconds"] if value is not None]
        median = middle(row)
        stopped = sorted({status for status in row["status"] if status.startswith("stopped")})
        found.append(
            {
                "data": row["data"],
                "model": shown_name(row["model"]),
                "recipe": row["recipe"],
                "reached": f"{len(reached)} of {len(row['seconds'])}",
                "median seconds to 75 %": f"{median:.0f}" if median < math.inf else "; ".join(stopped) or "not in time",
                "against repaired": f"{median / base:.1f}" if median < math.inf else f"more than {CAP:g}",
                "best accuracy seen": percent(max(max(trace) for trace in row["trace_accuracy"])),
            }
        )
    return pd.DataFrame(found)


def sooner_table(rows: Sequence[dict]) -> pd.DataFrame:
    """Return the rows of `sooner` as a reader wants them: sequences to 75 %, mean and range."""
    found = []
    for row in rows:
        reached = [n for n, value in zip(row["sequences"], row["seconds"], strict=True) if value is not None]
        text = f"{np.mean(reached):.0f} ({min(reached)} to {max(reached)})" if reached else "never"
        there = f"{len(reached)} of {len(row['seconds'])}"
        found.append({"repaired recipe with": row["variant"], "sequences to 75 %": text, "reached": there})
    return pd.DataFrame(found)


def panels(rows: Sequence[dict]) -> dict[str, list[dict]]:
    """Return the rows of each model and data, the repaired recipe's first, under a title."""
    found: dict[str, list[dict]] = {}
    for row in rows:
        found.setdefault(f"{shown_name(row['model'])}, {row['data']}", []).append(row)
    return found


def ratios(rows: Sequence[dict]) -> dict[str, float]:
    """Return, for each of `panels`, the best rival's median over the repaired one's; infinite if none got there."""
    medians = {title: [middle(row) for row in raced] for title, raced in panels(rows).items()}
    return {title: min(rivals) / repaired for title, (repaired, *rivals) in medians.items()}
