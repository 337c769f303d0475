"""The notebooks: which there are, what parameters they declare, and running one with papermill."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat

from ucf11lib import paths, runs
from ucf11lib.errors import RunFailed, UserError


def choose(only: Sequence[str]) -> list[Path]:
    """Return the notebooks in order, or those named in `only`, with or without suffix."""
    known = {path.stem: path for path in sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb"))}
    wanted = {Path(name).stem for name in only}
    if unknown := sorted(wanted - set(known)):
        raise UserError(f"unknown notebook {', '.join(unknown)}; known are {', '.join(known)}")
    return [path for stem, path in known.items() if not wanted or stem in wanted]


def check_parameters(path: Path, names: Sequence[str]) -> None:
    """Raise a UserError unless the notebook declares all `names`: papermill would only log it and run with defaults."""
    import papermill

    declared = papermill.inspect_notebook(str(path))
    if unknown := [name for name in names if name not in declared]:
        raise UserError(
            f"{paths.shown(path)}: unknown parameter {', '.join(unknown)}; it declares {', '.join(declared)}"
        )


def execute(path: Path, to: Path, parameters: dict, *, runs_dir: Path, failed: Path) -> dict[str, float]:
    """Run one notebook; return the seconds of its kernel's start, imports, trainings, other cells, and its HTML copy.

    Args:
        path: the notebook.
        to: its figures and its executed copy (HTML) go to `figures` and `notebooks` in here.
        parameters: its parameters, beside `figures_dir`.
        runs_dir: where its runs go, and where it finds those of others.
        failed: where its executed copy is kept if a cell raises.

    Raises:
        RunFailed: a cell raised, or the kernel was killed.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

    executed, start, before = to / path.name, time.perf_counter(), runs.find(runs_dir)
    try:
        with paths.environment(UCF11_RUNS=str(runs_dir)):
            ran = papermill.execute_notebook(
                path,
                executed,
                parameters | {"figures_dir": str(to / "figures")},
                kernel_name="python3",
                cwd=path.parent,
                progress_bar=False,
                shutdown_kernel="immediate",  # asked to end, it takes seconds; what it leaves is on disk by then
                config=Config({"KernelManager": {"transport_encryption": "auto"}}),  # without it every kernel warns
            )
    except papermill.PapermillExecutionError as error:
        shutil.copy(executed, failed)
        number = _source_number(path, error.source)
        raise RunFailed(f"{path.name}, cell {number}: {error.ename}: {error.evalue}; see {paths.shown(failed)}; "
                        "the old results were not touched; the same command goes on here") from None  # fmt: skip
    except DeadKernelError:
        raise RunFailed(f"{path.name}: its kernel was killed, most often for memory; try --profile smoke") from None
    done = time.perf_counter()
    _to_html(executed, to / "notebooks" / f"{path.stem}.html")
    imports, *others = [cell.metadata.papermill.duration or 0.0 for cell in ran.cells if cell.cell_type == "code"]
    cells, trained = sum(others), [run for run in runs.find(runs_dir) if run not in before]
    # A training that was gone on with has in its seconds what it took before.
    training = min(cells, sum(run.metrics["seconds"] for run in trained))
    return {
        "kernel": done - start - imports - cells,
        "imports": imports,
        "training": training,
        "other cells": cells - training,
        "HTML copy": time.perf_counter() - done,
    }


def _source_number(path: Path, source: str) -> int:
    """Return which cell of the notebook, counted from 1, has this source; the executed copy has one cell more."""
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells]
    return cells.index(source) + 1


def _to_html(executed: Path, to: Path) -> None:
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter(embed_images=True).from_filename(str(executed))
    with paths.whole_file(to) as temporary:
        temporary.write_text(body)
