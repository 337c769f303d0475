import nbformat
import pytest

from ucf11lib import paths
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.reproduce import Target, check_parameters, choose, reproduce

PARAMETERS = 'profile = "smoke"\nsource = ""\ndata = ""\nsplit = ""\nfigures_dir = ""'


def write(path, *sources, tags=("parameters",)):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    for i, source in enumerate(sources):
        cell = nbformat.v4.new_code_cell(source)
        cell.metadata["tags"] = list(tags) if i == 0 else []
        notebook.cells.append(cell)
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)


@pytest.fixture
def fake_notebooks(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "notebooks")
    write(
        tmp_path / "notebooks" / "00_good.ipynb",
        PARAMETERS,
        'open(f"{figures_dir}/new.svg", "w").write(profile)',
    )
    return tmp_path / "notebooks"


def test_only_names_are_checked_before_anything_runs(fake_notebooks):
    assert [path.stem for path in choose([])] == ["00_good"]
    assert [path.stem for path in choose(["00_good.ipynb"])] == ["00_good"]
    with pytest.raises(UserError, match="unknown notebook 07_more; known are 00_good"):
        choose(["07_more"])


def test_a_notebook_without_the_parameter_is_refused(fake_notebooks):
    with pytest.raises(UserError, match=r"00_good.ipynb: unknown parameter colour; it declares profile, source"):
        check_parameters(fake_notebooks / "00_good.ipynb", ["profile", "colour"])


def test_figures_and_copies_are_moved_in_place(fake_notebooks, capsys):
    reproduce(profile="smoke", only=["00_good"])
    folder = paths.runs_dir() / "report-smoke-synthetic-group"
    assert (folder / "figures" / "new.svg").read_text() == "smoke"
    assert "new.svg" in (folder / "notebooks" / "00_good.html").read_text()
    assert "[1/1] 00_good ..." in capsys.readouterr().out
    assert not [path.name for path in paths.runs_dir().iterdir() if path.name.startswith(".")]


def test_a_failed_notebook_is_named_and_nothing_old_is_touched(fake_notebooks):
    reproduce(profile="smoke", only=["00_good"])
    figure = paths.runs_dir() / "report-smoke-synthetic-group" / "figures" / "new.svg"
    figure.write_text("old")
    write(fake_notebooks / "01_bad.ipynb", PARAMETERS, "x = 1", "x / 0\nprint('never')")
    with pytest.raises(RunFailed, match=r"01_bad.ipynb, cell 3: ZeroDivisionError: division by zero"):
        reproduce(profile="smoke")
    assert figure.read_text() == "old"
    assert (paths.runs_dir() / "failed-01_bad.ipynb").exists()
    assert not [path.name for path in paths.runs_dir().iterdir() if path.name.startswith(".")]


def test_a_kernel_that_dies_is_named(fake_notebooks):
    write(fake_notebooks / "00_good.ipynb", PARAMETERS, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(RunFailed, match=r"00_good.ipynb: its kernel was killed"):
        reproduce(profile="smoke")


def test_only_the_default_parameters_rebuild_the_committed_report():
    default = {"profile": "quick", "source": "synthetic", "data": "", "split": "group"}
    assert Target.of(default).figures == paths.FIGURES
    for change in ({"profile": "smoke"}, {"source": "videos", "data": "/v"}, {"split": "random"}):
        target = Target.of(default | change)
        assert paths.FIGURES not in (target.figures, *target.figures.parents)
        assert paths.REPORT not in (target.report, *target.report.parents)


@pytest.mark.slow
def test_the_smoke_tier_runs_every_notebook_and_builds_the_report():
    """The main job with other parameters: every notebook, every figure, HTML and PDF."""
    reproduce(profile="smoke")
    folder = paths.runs_dir() / "report-smoke-synthetic-group"
    committed = {path.name for path in paths.FIGURES.iterdir()}
    assert {path.name for path in (folder / "figures").iterdir()} == committed
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
    html = (folder / "report.html").read_text()
    assert "synthetic data" in html
    assert "<<" not in html
    names = sorted(path.name for path in paths.runs_dir().iterdir())
    assert names == [
        "c3d-repaired-smoke-synthetic-group-seed0",
        "cnn_lstm-repaired-smoke-synthetic-group-seed0",
        "report-smoke-synthetic-group",
        "vgg9-repaired-smoke-synthetic-group-seed0",
    ]
    for model in ("c3d", "vgg9", "cnn_lstm"):
        assert "parameters at full width" in (folder / "notebooks" / f"{choose_name(model)}.html").read_text()


def choose_name(model):
    return next(path.stem for path in choose([]) if path.stem.endswith(model))
