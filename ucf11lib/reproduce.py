"""The main job: papermill over the notebooks in order, into a working folder that is moved in place on success."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nbformat

from ucf11lib import paths
from ucf11lib.errors import RunFailed, UserError

DEFAULT = {"profile": "quick", "source": "synthetic", "data": "", "split": "group"}


def reproduce(
    *, profile: str = "quick", source: str = "synthetic", data: str = "", split: str = "group", only: Sequence[str] = ()
) -> Path:
    """Run the notebooks, collect runs, figures and executed copies, and rebuild the report.

    The default parameters rebuild `figures/` and `report/` of the checkout. Any others leave those alone, since their
    figures may show people and their numbers are of other data: they fill `runs/report-<parameters>/` instead.

    Args:
        profile, source, data, split: as for a training; every notebook gets them.
        only: names of notebooks; their runs, figures and copies are moved in place, the report is not rebuilt.

    Returns:
        The folder that holds the executed notebooks.

    Raises:
        UserError: an unknown notebook, profile, source or split.
        RunFailed: a notebook raised; nothing of the old results was changed.
    """
    from ucf11lib import report, runs
    from ucf11lib.config import RunConfig

    parameters = {
        "profile": profile,
        "source": source,
        "data": str(Path(data).resolve()) if data else "",
        "split": split,
    }
    RunConfig.of(model="c3d", **parameters)
    notebooks = choose(only)
    for path in notebooks:
        check_parameters(path, [*parameters, "figures_dir"])
    target = Target.of(parameters)
    paths.runs_dir().mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".reproduce-", dir=paths.runs_dir()))
    try:
        with _runs_in(work / "runs"):
            for number, path in enumerate(notebooks, 1):
                title = f"[{number}/{len(notebooks)}] {path.stem}"
                _execute(path, work, parameters, title, failed=target.runs / f"failed-{path.name}")
            built = [] if only else _report(work)
        target.fill(work, built)
        if built and target.report == paths.REPORT:
            report.update_readme(report.choose(runs.find(target.runs)))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"executed notebooks: {paths.shown(target.notebooks)}")
    return target.notebooks


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


class Target:
    """Where the results of one set of parameters belong."""

    def __init__(self, figures: Path, report: Path, notebooks: Path, runs: Path):
        self.figures, self.report, self.notebooks, self.runs = figures, report, notebooks, runs

    @classmethod
    def of(cls, parameters: dict) -> "Target":
        """The checkout for the default parameters, else a folder of their own."""
        if parameters == DEFAULT:
            return cls(paths.FIGURES, paths.REPORT, paths.REPORT / "notebooks", paths.runs_dir())
        source = parameters["source"] + (f"_{Path(parameters['data']).name}" if parameters["data"] else "")
        folder = paths.runs_dir() / f"report-{parameters['profile']}-{source}-{parameters['split']}"
        return cls(folder / "figures", folder, folder / "notebooks", paths.runs_dir())

    def fill(self, work: Path, built: Sequence[Path]) -> None:
        """Move runs, figures, copies and the built report from the working folder to where they belong."""
        for kind, folder in (("runs", self.runs), ("figures", self.figures), ("notebooks", self.notebooks)):
            for path in sorted((work / kind).iterdir()):
                _move(path, folder / path.name)
        for path in built:
            _move(path, self.report / path.name)


def _move(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if to.is_dir():
        shutil.rmtree(to)
    shutil.move(path, to)


@contextmanager
def _runs_in(folder: Path) -> Iterator[None]:
    """Let the notebooks' kernels keep their runs in `folder`; the stores stay where they are."""
    before = os.environ.get("UCF11_RUNS")
    os.environ["UCF11_RUNS"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["UCF11_RUNS"]
        else:
            os.environ["UCF11_RUNS"] = before


def _execute(path: Path, work: Path, parameters: dict, title: str, *, failed: Path) -> None:
    """Run one notebook and keep its executed copy as HTML."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

    for kind in ("runs", "figures", "notebooks"):
        (work / kind).mkdir(parents=True, exist_ok=True)
    executed = work / path.name
    print(f"{title} ...", end="", flush=True)
    start = time.perf_counter()
    try:
        papermill.execute_notebook(
            path,
            executed,
            parameters | {"figures_dir": str(work / "figures")},
            kernel_name="python3",
            cwd=path.parent,
            progress_bar=False,
            config=Config({"KernelManager": {"transport_encryption": "auto"}}),  # without it every kernel warns
        )
    except papermill.PapermillExecutionError as error:
        print(" failed")
        shutil.copy(executed, failed)
        raise RunFailed(f"{path.name}, cell {_source_number(path, error.source)}: {error.ename}: {error.evalue}; "
                        f"see {paths.shown(failed)}; the old results were not touched") from None  # fmt: skip
    except DeadKernelError:
        print(" failed")
        raise RunFailed(f"{path.name}: its kernel was killed, most often for memory; try --profile smoke") from None
    print(f" {time.perf_counter() - start:.0f} s", flush=True)
    _to_html(executed, work / "notebooks" / f"{path.stem}.html")


def _source_number(path: Path, source: str) -> int:
    """Return which cell of the notebook, counted from 1, has this source; the executed copy has one cell more."""
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells]
    return cells.index(source) + 1


def _to_html(executed: Path, to: Path) -> None:
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter(embed_images=True).from_filename(str(executed))
    to.write_text(body)


def _report(work: Path) -> list[Path]:
    from ucf11lib import report

    return report.build(work / "runs", figures=work / "figures", to=work / "report")
