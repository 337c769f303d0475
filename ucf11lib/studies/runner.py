"""Runs a study and collects its rows, one a run.

Finished runs are opened, begun ones resumed: a killed worker or a stopped study costs an epoch.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from ucf11lib import figures, paths
from ucf11lib.backend import tf
from ucf11lib.data import open_or_prepare, split
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs import Run, RunConfig
from ucf11lib.runs.environment import describe
from ucf11lib.runs.folder import lock_file
from ucf11lib.runs.parsing import read_json
from ucf11lib.studies.cluster import run_here, run_on_cluster, scratch
from ucf11lib.studies.results import Results, collect, results_file
from ucf11lib.studies.study import VIDEOS, Study
from ucf11lib.training import finished_run


def run_study(
    study: Study, command: str, *,
    file: Path | None = None, videos: Path = VIDEOS, log: Callable[[str], None] = tqdm.write,
    **options,
) -> Path:  # fmt: skip
    """Run a study; leave and return its results file, and a figure. The same call resumes.

    The file is report/results/<name>.json by default, and figures/<name>.svg is drawn again where
    the report shows it; beside any other `file` are accuracy.svg and table.csv. `videos` holds
    weizmann/; `log` and `options` are of `run_configs`. Raises as it does, a `UserError` also for
    missing videos or a `file` among others that it did not write, and a `RunFailed` when a run
    failed: a `file` then has the rows of the others, report/results/ keeps what it had.
    """
    if study.videos:
        check_videos(videos)
    if file and os.path.lexists(file.parent) and not file.parent.is_dir():
        raise UserError(f"{file.parent}: no folder; choose another --out")
    if file and not file.is_file() and list(file.parent.glob("[!.]*")):
        raise UserError(f"{file.parent}: holds other files; choose another --out")
    if file and file.exists():
        read_json(file, Results, "it is no earlier result; choose another --out")
    log(f"{study.name}: {study.question}")
    describe()  # now, since the checkout may change before the last run ends
    rows: list[dict] = []
    configs: list[RunConfig] = []
    failed: list[dict] = []
    for stage in study.stages(rows):
        points = stage.points(videos)
        configs += points
        rows += run_rows(stage, points, log=log, **options)
        if failed := [row for row in rows if row["status"].startswith("failed")]:
            break
    if not rows:
        raise RunFailed(f"{study.name}: nothing was measured; its results are left as they were")
    path = file or results_file(study.name)
    drawing = file.with_name("accuracy.svg") if file else paths.FIGURES / f"{study.name}.svg"
    if len(failed) < len(rows) and (file or not failed):
        results = collect(study, command, rows, configs)
        _save(study, results, path, drawing, log)
    if failed:
        first = f"{failed[0]['run']}: {failed[0]['status']}"
        raise RunFailed(f"{len(failed)} of {len(rows)} runs failed; {first}")
    return path


def check_videos(folder: Path) -> None:
    """Raise a `UserError` unless a folder holds weizmann/."""
    if not (folder / "weizmann").is_dir():
        raise UserError(f"{folder / 'weizmann'}: no such folder; give its parent with --videos")


def check_workers(workers: int | None, scheduler: str | None) -> None:
    """Raise a `UserError` for less than one worker, or for workers beside a scheduler's."""
    if workers is not None and (workers < 1 or scheduler):
        raise UserError(f"--workers {workers}: give 1 or more, and none with --scheduler")


def _save(study: Study, results: Results, path: Path, drawing: Path, log: Callable) -> None:
    new = not path.exists()
    paths.write_json(path, asdict(results))
    log(results.formatted())
    if path.parent != paths.RESULTS:
        with paths.atomic_file(path.with_name("table.csv")) as temporary:
            results.table.to_csv(temporary, index=False)
    # figures/ is the report's alone; of a new study, it is not known yet what the report shows
    shown = path.parent != paths.RESULTS or drawing.exists() or new
    if shown and study.figure and (figure := study.figure(results.table, results.note)):
        log(f"figure: {paths.display(figures.save(figure, drawing))}")
    log(f"results: {paths.display(path)}")


def run_rows(study: Study, points: dict[RunConfig, dict[str, str]], **options) -> list[dict]:
    """Run one stage of a study, with the options of `run_configs`; return a row a run.

    A row has its labels, `seed`, `status`, `run` (the folder's name); if not failed, what was read.
    """
    rows = []
    if study.measure:
        for config, labels in tqdm(points.items(), study.name, disable=None):
            same = labels | {"seed": config.seed, "status": "ok"}
            rows += [same | row for row in study.measure(config)]
        return rows
    runs = run_configs(list(points), **options)
    for config, run in tqdm(runs.items(), "probes", disable=None):
        row = points[config] | {"seed": config.seed, "run": config.name}
        if isinstance(run, Run):
            measured: Mapping[str, object] = run.metrics
            row |= {"run": run.path.name, "status": measured["status"]}
            row |= {name: measured[name] for name in study.metrics}
            row |= {name: probe(run) for name, probe in study.probes.items()}
        else:
            row["status"] = f"failed: {run}"
        rows.append(row)
    return rows


def run_configs(
    configs: Sequence[RunConfig], *,
    workers: int | None = None, scheduler: str = "", log: Callable[[str], None] = tqdm.write,
) -> dict[RunConfig, Run | str]:  # fmt: skip
    """Run all configurations that are not finished; return each one's run, or why it failed.

    `workers` is processes, by default one for two processors, or one with a GPU; one is this
    process. `scheduler` is the address of a Dask cluster whose workers have this code and these
    folders. `log` gets a line for each run that ends. Raises a `UserError` before anything runs for
    data that cannot be prepared or divided, a wrong number of workers or no usable scheduler; a
    `RunFailed` if the cluster is lost.
    """
    check_workers(workers, scheduler)
    for one in {(one.data, one.split, one.seed): one for one in configs}.values():
        split(open_or_prepare(one.data), one)  # raises where the data cannot be divided as asked
    left = [config for config in configs if not _is_done(config)]
    if len(left) < len(configs):
        log(f"{len(configs) - len(left)} of {len(configs)} runs are finished already")
    paths.remove_torn(scratch())  # of a killed process, also where no cluster is needed any more
    default = 1 if tf.config.list_physical_devices("GPU") else len(os.sched_getaffinity(0)) // 2
    workers = min(workers or max(1, default), len(left))
    if workers > 1 or (scheduler and left):
        errors = run_on_cluster(left, workers, scheduler, log)
    else:
        errors = {config: run_here(config, log) for config in tqdm(left, "runs", disable=None)}
    return {one: errors.get(one) or finished_run(one) or "no finished run" for one in configs}


def _is_done(config: RunConfig) -> bool:
    """Return whether a run is finished, and its process was not killed before it had tidied up."""
    run = finished_run(config)
    return run is not None and not lock_file(run.path).exists()
