"""Runs a study and collects its rows, one a run.

Finished runs are opened, begun ones resumed (`train_or_load`), so a killed worker costs an epoch
at most, and a stopped study the same.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from ucf11lib import figures, paths
from ucf11lib.data import open_or_prepare, split
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs import Run, RunConfig
from ucf11lib.studies.cluster import default_workers, run_here, run_on_cluster
from ucf11lib.studies.results import Results, collect, results_file, write
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
    """Run a study; leave its results, and its figure if it has one. The same call resumes.

    Args:
        study: what to run.
        command: the command line that asked for it, for the results file.
        file: the results, report/results/<name>.json by default, whose figure is
            figures/<name>.svg; beside any other file are accuracy.svg and table.csv.
        videos: the folder that holds weizmann/.
        log, options: as for `run_configs`.

    Returns:
        The results file.

    Raises:
        UserError: videos that are missing, or what `run_configs` refuses.
        RunFailed: a run failed; the others ended, and have their rows.
    """
    if study.videos and not (videos / "weizmann").is_dir():
        folder = videos / "weizmann"
        raise UserError(
            f"{folder}: no such folder; give the one that holds weizmann/ with --videos"
        )
    log(f"{study.name}: {study.question}")
    rows, configs = _run_stages(study, videos, log=log, **options)
    path = file or results_file(study.name)
    failed = _failed(rows)
    if len(failed) < len(rows):
        _save(study, collect(study, command, rows, configs), path, log)
    if failed:
        first = f"{failed[0]['run']}: {failed[0]['status']}"
        raise RunFailed(f"{len(failed)} of {len(rows)} runs failed; {first}")
    return path


def _run_stages(study: Study, videos: Path, **options) -> tuple[list[dict], list[RunConfig]]:
    """Return the rows and configurations of all stages, up to one in which a run failed."""
    rows: list[dict] = []
    configs: list[RunConfig] = []
    stage: Study | None = study
    while stage:
        points = stage.points(videos)
        configs += points
        rows += run_rows(stage, points, **options)
        stage = stage.then(pd.DataFrame(rows)) if stage.then and not _failed(rows) else None
    return rows, configs


def _failed(rows: list[dict]) -> list[dict]:
    return [row for row in rows if row["status"].startswith("failed")]


def _save(study: Study, results: Results, path: Path, log: Callable[[str], None]) -> None:
    write(results, path)
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

    A row has a label an axis, `seed`, `status`, `run` (the folder's name), metrics and probes; the
    last two only if the run did not fail.
    """
    if study.measure:
        bar = tqdm(points.items(), study.name, disable=None)
        return [labels | {"seed": config.seed, "status": "ok"} | row
                for config, labels in bar for row in study.measure(config)]  # fmt: skip
    runs = run_configs(list(points), **options)
    rows = []
    for config, labels in tqdm(points.items(), "probes", disable=None):
        row = labels | {"seed": config.seed, "run": config.name}
        run = runs[config]
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
    """Run all configurations, in `runs/`, as far as they are not finished.

    Args:
        configs: what to run.
        workers: processes of this machine, one for two processors by default, one with a GPU. One
            is this process.
        scheduler: the address of a Dask cluster whose workers have this code and these folders.
        log: gets a line for each run that ends.

    Returns:
        Of each its run, or why it failed, in one line; a run that fails does not stop the others.

    Raises:
        UserError: before anything runs: data that cannot be prepared or divided as asked, a wrong
            number of workers, or no usable scheduler.
        RunFailed: the connection to the cluster was lost.
    """
    if workers is not None and (workers < 1 or scheduler):
        raise UserError(f"--workers {workers}: give 1 or more, and none with --scheduler")
    _prepare(configs)
    left = [config for config in configs if not finished_run(config)]
    if len(left) < len(configs):
        log(f"{len(configs) - len(left)} of {len(configs)} runs are finished already")
    workers = min(workers or default_workers(), len(left))
    if scheduler or workers > 1:
        errors = run_on_cluster(left, workers, scheduler, log) if left else {}
    else:
        errors = {config: run_here(config, log) for config in tqdm(left, "runs", disable=None)}
    return {one: errors.get(one) or finished_run(one) or "no finished run" for one in configs}


def _prepare(configs: Sequence[RunConfig]) -> None:
    """Prepare each store once, and check that it can be divided as asked."""
    stores = {data: open_or_prepare(data) for data in dict.fromkeys(one.data for one in configs)}
    for one in {(one.data, one.split, one.seed): one for one in configs}.values():
        split(stores[one.data], one)
