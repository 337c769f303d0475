"""The studies by name, and what the command line does with them."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ucf11lib import paths
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs.parsing import check_name
from ucf11lib.studies import (
    autopsy,
    beyond,
    beyond_weizmann,
    checks,
    five_seeds,
    full_width,
    inputs,
    leak,
    precision,
    protocol_2019,
    real_video,
    repairs,
    signal,
    speed,
    time_to_75,
)
from ucf11lib.studies.cluster import THREADS
from ucf11lib.studies.grid import load_yaml
from ucf11lib.studies.results import load, results_file, stale
from ucf11lib.studies.runner import check_videos, check_workers, run_study
from ucf11lib.studies.study import VIDEOS, Study

_FILES = (
    *(five_seeds, protocol_2019, repairs, leak, inputs, real_video),
    *(beyond, beyond_weizmann),
    *(time_to_75, checks, autopsy, signal, speed, precision, full_width),
)
STUDIES: dict[str, Study] = {file.STUDY.name: file.STUDY for file in _FILES}


def run_studies(
    names: Sequence[str],
    *,
    videos: str | None = None,
    force: bool = False,
    minutes: float | None = None,
    **options,
) -> None:
    """Run studies, of `STUDIES` or YAML files; each leaves a results file and a figure.

    The results of a YAML file are in runs/study-<name>-<digest>/. `videos` is the folder that holds
    weizmann/, by default `../shared/videos` beside the checkout; `force` runs again what has
    results, without repeating finished trainings. With `minutes`, `full_width.train` runs instead.
    Raises as `run_study`, whose `options` it has, and a `UserError` for an unknown name, an
    unreadable grid, or options that do not fit each other or the study.
    """
    if minutes is not None:
        if list(names) != [full_width.STUDY.name] or options.get("scheduler") or videos or force:
            raise UserError("--minutes goes with study full_width alone, and with --workers")
        full_width.train(minutes, options.get("workers"))
        return
    grids = {name: load_yaml(name) for name in names if name.lower().endswith((".yaml", ".yml"))}
    for name in names:
        if name not in grids:
            check_name(name, STUDIES, "study")
    # TensorFlow adds up in another order with another number of threads, so a command names them.
    threads = "".join(f"{name}={os.environ[name]} " for name in THREADS if name in os.environ)
    check_workers(options.get("workers"), options.get("scheduler"))
    if videos:  # also where no study needs it
        check_videos(Path(videos))
    options["videos"] = Path(videos) if videos else VIDEOS
    for name in names:
        command = f"{threads}python -m ucf11lib study {shlex.quote(name)} --force"
        if name in grids:
            file = paths.runs_dir() / f"study-{grids[name].name}" / "results.json"
            run_study(grids[name], command, file=file, **options)
        elif results_file(name).exists() and not force:
            print(f"{name}: has {paths.display(results_file(name))}; --force runs it again")
        else:
            run_study(STUDIES[name], command, **options)


def draw(name: str) -> Figure | None:
    """Return the figure of a study, None if it has none, from its results."""
    results, figure = load(name), STUDIES[name].figure
    return figure(results.table, results.note) if figure else None


def why_stale(name: str) -> str:
    """Return why the results of a study are not those of today's code; empty if they are."""
    return stale(STUDIES[name], load(name))


def check(names: Sequence[str] = ()) -> None:
    """Print, a study a line, whether its results are those of today's code.

    Raises a `UserError` for an unknown name, and a `RunFailed` for stale results.
    """
    for name in names:
        check_name(name, STUDIES, "study")
    old = []
    for name in names or STUDIES:
        state = "never run"
        if results_file(name).exists():
            try:
                reason = why_stale(name)
            except (UserError, RunFailed) as error:
                reason = str(error)
            state = f"stale: {reason}" if reason else "fresh"
            old += [name] if reason else []
        print(f"{name}: {state}", flush=True)
    if old:
        raise RunFailed(f"stale results: {', '.join(old)}; run 'study NAME --force'")
