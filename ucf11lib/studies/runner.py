"""Runs a study and collects its rows, one a run.

Finished runs are opened, begun ones resumed: a killed worker or a stopped study costs an epoch.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from ucf11lib import figures, paths
from ucf11lib.data import open_or_prepare, split
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs import Run, RunConfig
from ucf11lib.studies.cluster import default_workers, run_here, run_on_cluster
from ucf11lib.studies.results import Results, collect, results_file
from ucf11lib.studies.study import VIDEOS, Study
from ucf11lib.training import finished_run


def run_study(
    study: Study,
    command: str,
    *,
    file: Path | None = None,
    videos: Path = VIDEOS,
    log: Callable[[str], None] = tqdm.write,
    **options,
) -> Path:
    """Run a study; leave and return its results file, and a figure. The same call resumes.

    The file is report/results/<name>.json by default, the figure then figures/<name>.svg; beside
    any other `file` are accuracy.svg and table.csv. `command` is the command line that asked for
    it, `videos` holds weizmann/, `log` and `options` are as for `run_configs`. Raises a `UserError`
    also for missing videos, and a `RunFailed` when a run failed; the others have their rows.
    """
    if study.videos and not (videos / "weizmann").is_dir():
        raise UserError(f"{videos / 'weizmann'}: no such folder; give its parent with --videos")
    log(f"{study.name}: {study.question}")
    rows: list[dict] = []
    configs: list[RunConfig] = []
    failed: list[dict] = []
    stage: Study | None = study
    while stage and not failed:
        points = stage.points(videos)
        configs += points
        rows += run_rows(stage, points, log=log, **options)
        failed = [row for row in rows if row["status"].startswith("failed")]
        stage = stage.then(pd.DataFrame(rows)) if stage.then and not failed else None
    path = file or results_file(study.name)
    if len(failed) < len(rows):
        _save(study, collect(study, command, rows, configs), path, log)
    if failed:
        first = f"{failed[0]['run']}: {failed[0]['status']}"
        raise RunFailed(f"{len(failed)} of {len(rows)} runs failed; {first}")
    return path


def _save(study: Study, results: Results, path: Path, log: Callable[[str], None]) -> None:
    paths.write_json(path, asdict(results))
    log(results.formatted())
    drawing = paths.FIGURES / f"{study.name}.svg"
    if path.parent != paths.RESULTS:
        drawing = path.parent / "accuracy.svg"
        with paths.atomic_file(path.parent / "table.csv") as temporary:
            results.table.to_csv(temporary, index=False)
    if study.figure and (figure := study.figure(results.table, results.note)):
        log(f"figure: {paths.display(figures.save(figure, drawing))}")
    log(f"results: {paths.display(path)}")


def run_rows(study: Study, points: dict[RunConfig, dict[str, str]], **options) -> list[dict]:
    """Run one stage of a study, with the options of `run_configs`; return a row a run.

    A row has its labels, `seed`, `status`, `run` (the folder's name); if not failed, what was read.
    """
    if study.measure:
        bar = tqdm(points.items(), study.name, disable=None)
        return [labels | {"seed": config.seed, "status": "ok"} | row
                for config, labels in bar for row in study.measure(config)]  # fmt: skip
    rows = []
    runs = run_configs(list(points), **options)
    for config, run in tqdm(runs.items(), "probes", disable=None):
        row = points[config] | {"seed": config.seed, "run": config.name}
        if isinstance(run, Run):
            row |= {"run": run.path.name, "status": run.metrics["status"]}
            row |= {name: run.metrics[name] for name in study.metrics}
            row |= {name: probe(run) for name, probe in study.probes.items()}
        else:
            row["status"] = f"failed: {run}"
        rows.append(row)
    return rows


def run_configs(
    configs: Sequence[RunConfig],
    *,
    workers: int | None = None,
    scheduler: str = "",
    log: Callable[[str], None] = tqdm.write,
) -> dict[RunConfig, Run | str]:
    """Run all configurations that are not finished; return each one's run, or why it failed.

    Args:
        configs: what to run, in `runs/`; one that fails does not stop the others.
        workers: processes, one for two processors by default, one with a GPU; one is this process.
        scheduler: the address of a Dask cluster whose workers have this code and these folders.
        log: gets a line for each run that ends.

    Raises a `UserError` before anything runs, for data that cannot be prepared or divided as asked,
    a wrong number of workers or no usable scheduler; a `RunFailed` if the cluster is lost.
    """
    if workers is not None and (workers < 1 or scheduler):
        raise UserError(f"--workers {workers}: give 1 or more, and none with --scheduler")
    stores = {data: open_or_prepare(data) for data in dict.fromkeys(one.data for one in configs)}
    for one in {(one.data, one.split, one.seed): one for one in configs}.values():
        split(stores[one.data], one)  # raises where the data cannot be divided as asked
    left = [config for config in configs if not finished_run(config)]
    if len(left) < len(configs):
        log(f"{len(configs) - len(left)} of {len(configs)} runs are finished already")
    workers = min(workers or default_workers(), len(left))
    if scheduler or workers > 1:
        errors = run_on_cluster(left, workers, scheduler, log) if left else {}
    else:
        errors = {config: run_here(config, log) for config in tqdm(left, "runs", disable=None)}
    return {one: errors.get(one) or finished_run(one) or "no finished run" for one in configs}
