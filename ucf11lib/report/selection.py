"""Which run folders a report is of."""

import contextlib
from collections.abc import Mapping, Sequence

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.runs import REPORTED, Run

KEY = ("profile", "source", "data", "split", "seed", "precision")  # of runs that fit together
MAIN_JOB = ("quick", "synthetic", "", "group", 0)  # whose figures are in figures/, any precision


def select_runs(candidates: Sequence[Run]) -> dict[str, Run]:
    """Return each reported model's repaired run without overrides, alike in all of `KEY`.

    They are the main job's if there are any, and the newest. Folders that cannot be read, such as
    an older version's, are passed over. Raises `UserError` where no set has all three models.
    """
    sets: dict[tuple, dict[str, Run]] = {}
    for run in sorted(candidates, key=lambda one: (one.path / "metrics.json").stat().st_mtime):
        with contextlib.suppress(UserError):
            flat = run.config.flat()
            if flat["recipe"] == "repaired" and set(flat) == {"model", "recipe", *KEY}:
                content = tuple(run.data.store_sha256.values())  # a folder may change
                earlier = sets.pop((_key(run), content), {})  # the newest run's set comes last
                sets[_key(run), content] = earlier | {flat["model"]: run}
    complete = [(key, one) for (key, _), one in sets.items() if set(one) >= set(REPORTED)]
    if not complete:
        missing = "no finished runs of all three models on the same data"
        raise UserError(f"{missing}; make them with 'make report'")
    preferred = [one for key, one in complete if key[:-1] == MAIN_JOB]
    runs = (preferred or [one for _, one in complete])[-1]
    return {model: runs[model] for model in REPORTED}


def are_main_job(runs: Mapping[str, Run]) -> bool:
    """Return whether runs, alike in all of `KEY`, are the main job's and in this `runs/`."""
    first = runs[REPORTED[0]]
    own = paths.resolved(str(first.path.parent)) == paths.runs_dir()
    return own and _key(first)[:-1] == MAIN_JOB


def _key(run: Run) -> tuple:
    flat = run.config.flat()
    return tuple(flat[name] for name in KEY)
