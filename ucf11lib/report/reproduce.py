"""The main job: the notebooks in order, then the report; all results change together, at the end.

Trainings are looked up by run folder, so a repeated job executes notebooks only, and a killed one
resumes with its finished trainings and the epochs of the one that it was at.
"""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ucf11lib import paths
from ucf11lib.errors import RunFailed
from ucf11lib.report.build import build
from ucf11lib.report.explorer import Load, explore
from ucf11lib.report.notebooks import check_parameters, run_notebook, select_notebooks
from ucf11lib.runs import REPORTED, RunConfig
from ucf11lib.studies import finished_run, why_stale

LOW_PRIORITY = 10  # as of `nice`
DEFAULT = {"profile": "quick", "source": "synthetic", "data": "", "split": "group"}


def targets(parameters: dict[str, str]) -> tuple[Path, Path, Path | None]:
    """Return the folders of figures, executed notebooks and report (None: the checkout's own).

    They are in the checkout for the default parameters, else in a folder of their own under runs/.
    """
    if parameters == DEFAULT:
        return paths.FIGURES, paths.REPORT / "notebooks", None
    config = RunConfig.of(model="all", precision="float32", **parameters)
    own = paths.runs_dir() / config.name.replace("all-repaired", "report").replace("-seed0", "")
    return own / "figures", own / "notebooks", own


def reproduce(
    profile: str = "quick", source: str = "synthetic", data: str = "", split: str = "group",
    only: Sequence[str] = (), load: Load | None = None,
) -> Path:  # fmt: skip
    """Run the notebooks, and rebuild figures and report; return the executed notebooks' folder.

    The default parameters, which every notebook gets, rebuild `figures/` and `report/` of the
    checkout. Any others fill `runs/report-...`, since their figures may show people and their
    numbers are of other data. With notebooks named in `only`, the report is not rebuilt. With
    `load`, which opens a run's network, the explorer of the three runs is beside the report.

    Raises:
        UserError: an unknown notebook, profile, source or split, or data that cannot be used.
        RunFailed: a notebook raised; nothing of the old results was changed.
    """
    folder = str(paths.resolved(data)) if data else ""
    parameters = {"profile": profile, "source": source, "data": folder, "split": split}
    notebooks = select_notebooks(only)
    figures, executed, report = targets(parameters)
    for path in notebooks:
        check_parameters(path, [*parameters, "figures_dir"])
    RunConfig.of(model="c3d", **parameters)
    runs = paths.runs_dir()
    runs.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(paths.lock(runs / ".reproduce.lock"))
        work = stack.enter_context(paths.temporary_dir(runs / "report"))
        why = why_stale if only else stack.enter_context(_checked_beside())
        (work / "figures").mkdir()
        for number, path in enumerate(notebooks, 1):
            _run(f"[{number}/{len(notebooks)}] {path.stem}", path, work, parameters)
        if not only:  # built first, so that one that cannot be built changes nothing
            configs = {one: RunConfig.of(model=one, **parameters) for one in REPORTED}
            trained = {one: run for one, config in configs.items() if (run := finished_run(config))}
            if load:
                explore([*trained.values()], load, work / "pages" / "explorer.html")
            for path in build(to=report, figures_dir=work / "figures", runs=trained, why=why):
                print(f"report: {paths.display(path)}")
            if load:
                _move_files(work / "pages", report or paths.REPORT)
        _move_files(work / "figures", figures)
        _move_files(work / "notebooks", executed)
    print(f"executed notebooks: {paths.display(executed)}")
    return executed


@contextlib.contextmanager
def _checked_beside() -> Iterator[Callable[[str], str]]:
    """Check all studies' results in a process of low priority, beside the block.

    Yields a function that waits for it and does as `why_stale`, which takes minutes for all.
    """
    command = [sys.executable, "-m", "ucf11lib", "study", "--check"]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdout=pipe, stderr=null, text=True) as process:
        os.setpriority(os.PRIO_PROCESS, process.pid, LOW_PRIORITY)

        @functools.cache
        def states() -> dict[str, str]:
            output, _ = process.communicate()
            return dict(line.partition(": ")[::2] for line in output.splitlines())

        def why(name: str) -> str:
            state = states().get(name, "")
            if state == "fresh":
                return ""
            is_stale = state.startswith("stale: ")
            return state.removeprefix("stale: ") if is_stale else why_stale(name)

        try:
            yield why
        finally:
            process.kill()


def _run(title: str, path: Path, work: Path, parameters: dict[str, str]) -> None:
    start = time.perf_counter()
    print(f"{title} ...", end="", flush=True)
    try:
        run_notebook(path, work, parameters)
    except RunFailed:
        print(" failed")
        raise
    print(f" {time.perf_counter() - start:.0f} s", flush=True)


def _move_files(folder: Path, place: Path) -> None:
    """Move files over those of the same name; each appears complete."""
    for file in sorted(folder.iterdir()):
        with paths.atomic_file(place / file.name) as temporary:
            shutil.move(file, temporary)
