"""The notebooks: which exist, what parameters they declare, and running one with papermill."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat
import papermill
from jupyter_core.utils import ensure_event_loop
from nbconvert import HTMLExporter
from traitlets.config import Config

from ucf11lib import paths
from ucf11lib.errors import RunFailed, UserError

# JupyterLab's page without the scripts that it loads from the network; formulae stay as written.
LOADED = ("html_head_js", "html_head_js_mathjax", "html_head_js_mermaidjs", "jupyter_widgets")
OFFLINE = "{% extends 'index.html.j2' %}"
OFFLINE += "".join(f"{{% block {name} %}}{{% endblock %}}" for name in LOADED)
# That page has code in outputs, as of `figures.source`, in the font of its prose.
CODE = ".jp-RenderedMarkdown.jp-OutputArea-output pre { font: 13px/1.4 monospace; }"
OFFLINE += f"{{% block html_head_css %}}{{{{ super() }}}}<style>{CODE}</style>{{% endblock %}}"


def select_notebooks(only: Sequence[str] = ()) -> list[Path]:
    """Return the notebooks in order, or those named in `only`, with or without suffix.

    Raises `UserError` on an unknown name.
    """
    known = {path.stem: path for path in sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb"))}
    wanted = {Path(name).stem for name in only}
    if unknown := sorted(wanted - set(known)):
        raise UserError(f"unknown notebook {', '.join(unknown)}; known are {', '.join(known)}")
    return [path for stem, path in known.items() if not wanted or stem in wanted]


def check_parameters(path: Path, names: Sequence[str]) -> None:
    """Raise a `UserError` unless the notebook declares all `names`: papermill only logs it."""
    declared = papermill.inspect_notebook(str(path))
    if unknown := [name for name in names if name not in declared]:
        what = f"unknown parameter {', '.join(unknown)}; it declares {', '.join(declared)}"
        raise UserError(f"{paths.display(path)}: {what}")


def run_notebook(path: Path, folder: Path, parameters: dict[str, str]) -> None:
    """Run one notebook; its figures and its executed copy as HTML go to `folder`.

    Raises `RunFailed` if a cell raised (its executed copy is then in runs/) or the kernel died.
    """
    executed = folder / path.name
    with paths.temporary_files(folder / f"{path.stem}-files"):
        _execute(path, executed, folder, parameters)
    write_page(executed, folder / "notebooks" / f"{path.stem}.html")


def _execute(path: Path, executed: Path, folder: Path, parameters: dict[str, str]) -> None:
    try:
        papermill.execute_notebook(
            path,
            executed,
            parameters | {"figures_dir": str(folder / "figures")},
            kernel_name="python3",
            cwd=path.parent,
            progress_bar=False,
            shutdown_kernel="immediate",  # asked to end, it takes seconds; its files are complete
            config=Config({"KernelManager": {"transport_encryption": "auto"}}),
        )
    except papermill.PapermillExecutionError as error:
        failed = paths.runs_dir() / f"failed-{path.name}"
        failed.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(executed, failed)
        cells = [cell.source for cell in nbformat.read(path, as_version=4).cells]
        number = cells.index(error.source) + 1
        what = f"{path.name}, cell {number}: {error.ename}: {error.evalue}"
        remedy = "the old results were not changed; the same command resumes"
        raise RunFailed(f"{what}; see {paths.display(failed)}; {remedy}") from None
    except KeyboardInterrupt:  # nbclient's task of the cell ends with an error that none awaits
        ensure_event_loop().set_exception_handler(lambda loop, context: None)
        raise
    except RuntimeError:
        killed = f"{path.name}: its kernel was killed or did not start, most often for memory"
        remedy = "try --profile smoke, or raise the limits of 'ulimit -a'"
        raise RunFailed(f"{killed}; {remedy}") from None


def write_page(executed: Path, page: Path) -> None:
    """Write an executed notebook as HTML that loads nothing, without papermill's own cell."""
    without = {"enabled": True, "remove_cell_tags": ["injected-parameters"]}
    config = Config({"TagRemovePreprocessor": without})
    exporter = HTMLExporter(config=config, embed_images=True, raw_template=OFFLINE)
    body, _ = exporter.from_filename(str(executed))
    page.parent.mkdir(exist_ok=True)
    page.write_text(body)
