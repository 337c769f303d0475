import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest

from ucf11lib import jobs, manifest, notebooks, paths, recipes, reproduce
from ucf11lib.config import RunConfig
from ucf11lib.data import sources
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.notebooks import check_parameters, choose
from ucf11lib.reproduce import Target

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


def folder():
    return paths.runs_dir() / "report-smoke-synthetic-group"


def hidden():
    return [path.name for path in paths.runs_dir().iterdir() if path.name.startswith(".")]


def test_only_names_are_checked_before_anything_runs(fake_notebooks):
    assert [path.stem for path in choose([])] == ["00_good"]
    assert [path.stem for path in choose(["00_good.ipynb"])] == ["00_good"]
    with pytest.raises(UserError, match="unknown notebook 07_more; known are 00_good"):
        choose(["07_more"])


def test_a_notebook_without_the_parameter_is_refused(fake_notebooks):
    with pytest.raises(UserError, match=r"00_good.ipynb: unknown parameter colour; it declares profile, source"):
        check_parameters(fake_notebooks / "00_good.ipynb", ["profile", "colour"])


def test_a_failed_notebook_is_named_and_the_job_goes_on_there(fake_notebooks, capsys):
    """The one test of the bookkeeping with kernels; the others below do without."""
    figure = folder() / "figures" / "new.svg"
    figure.parent.mkdir(parents=True)
    figure.write_text("old")
    write(fake_notebooks / "01_bad.ipynb", PARAMETERS, "x = 1", "x / 0\nprint('never')")
    with pytest.raises(RunFailed, match=r"01_bad.ipynb, cell 3: ZeroDivisionError: division by zero"):
        reproduce.reproduce(profile="smoke")
    assert figure.read_text() == "old"
    assert (paths.runs_dir() / "failed-01_bad.ipynb").exists()
    write(fake_notebooks / "01_bad.ipynb", PARAMETERS, "x = 1")
    capsys.readouterr()
    reproduce.reproduce(profile="smoke", only=["00_good", "01_bad"])
    said = capsys.readouterr().out
    assert "[1/2] 00_good: up to date\n[2/2] 01_bad ..." in said
    assert figure.read_text() == "smoke"
    assert "new.svg" in (folder() / "notebooks" / "00_good.html").read_text()
    assert hidden() == []
    seconds = manifest.seconds(folder() / "notebooks" / "manifest.json")
    assert list(seconds.index) == ["00_good", "01_bad"]
    assert (seconds[["kernel", "HTML copy"]] > 0).all(axis=None)
    assert (seconds["training"] == 0).all()


def test_a_kernel_that_dies_is_named(fake_notebooks):
    write(fake_notebooks / "00_good.ipynb", PARAMETERS, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(RunFailed, match=r"00_good.ipynb: its kernel was killed"):
        reproduce.reproduce(profile="smoke")


class Kernels:
    """Stands in for papermill: a notebook leaves a figure and a copy, and one with an m in its name a run."""

    def __init__(self):
        self.ran, self.trained, self.interrupt = [], [], ""

    def __call__(self, path, to, parameters, *, runs_dir, failed):
        metrics = runs_dir / f"run_{path.stem}" / "metrics.json"
        if "m" in path.stem and not metrics.exists():
            self.trained.append(path.stem)
            metrics.parent.mkdir()
            metrics.write_text(f"{len(self.trained)}")
        if path.stem == self.interrupt:
            self.interrupt = ""
            raise KeyboardInterrupt
        self.ran.append(path.stem)
        (to / "figures" / f"{path.stem}.svg").write_text(path.stem)
        (to / "notebooks" / f"{path.stem}.html").write_text(path.stem)

    def build(self, work, to):
        self.ran.append("report")
        (to / "report.html").write_text("".join(sorted(path.name for path in work.glob("figures/*"))))

    def again(self, **arguments):
        """Return what the same command runs now, and what it trains."""
        self.ran, before = [], len(self.trained)
        reproduce.reproduce(profile="smoke", **arguments)
        return self.ran, self.trained[before:]


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "notebooks")
    for name in ("00_first", "01_m", "02_m", "03_table"):
        write(paths.NOTEBOOKS / f"{name}.ipynb", PARAMETERS)
    stand_in = Kernels()
    monkeypatch.setattr(notebooks, "execute", stand_in)
    monkeypatch.setattr(reproduce, "_report", stand_in.build)
    return stand_in


ALL = ["00_first", "01_m", "02_m", "03_table", "report"]
FIGURES = [f"{step}.svg" for step in ALL[:-1]]


def test_what_is_up_to_date_is_not_run_again(kernels, capsys):
    assert kernels.again() == (ALL, ["01_m", "02_m"])
    assert sorted(path.name for path in folder().iterdir()) == ["figures", "notebooks", "report.html"]
    capsys.readouterr()
    assert kernels.again() == ([], [])
    assert capsys.readouterr().out.splitlines()[:-1] == [f"{step}: up to date" for step in ALL]
    assert kernels.again(only=["03_table"]) == ([], [])
    assert kernels.again(force=True) == (ALL, ["01_m", "02_m"])
    assert hidden() == []


CHANGES = {
    "notebook": (lambda: write(paths.NOTEBOOKS / "03_table.ipynb", PARAMETERS, "1"), ["03_table"], []),
    "figure": (lambda: (folder() / "figures" / "01_m.svg").unlink(), ["01_m"], []),
    "drawing": (lambda: (folder() / "figures" / "01_m.svg").write_text("by hand"), ["01_m"], []),
    "copy": (lambda: (folder() / "notebooks" / "00_first.html").unlink(), ["00_first"], []),
    "report": (lambda: (folder() / "report.html").unlink(), ["report"], []),
    "run": (lambda: shutil.rmtree(paths.runs_dir() / "run_02_m"), ["02_m", "03_table", "report"], ["02_m"]),
    "manifest": (lambda: (folder() / "notebooks" / "manifest.json").unlink(), ALL, ["01_m", "02_m"]),
}


@pytest.mark.parametrize(("change", "ran", "trained"), CHANGES.values(), ids=CHANGES)
def test_what_changed_is_run_again_and_what_hangs_on_it(kernels, change, ran, trained):
    kernels.again()
    change()
    assert kernels.again() == (ran, trained)
    assert kernels.again() == ([], [])
    assert sorted(path.name for path in (folder() / "figures").iterdir()) == FIGURES


def test_other_code_runs_all_again_and_says_why(kernels, monkeypatch, capsys):
    kernels.again()
    before = reproduce.plan
    monkeypatch.setattr(reproduce, "plan", lambda *given: before(*given) | {"library": "another"})
    assert kernels.again() == (ALL, ["01_m", "02_m"])
    assert "changed since the last time: library\n" in capsys.readouterr().out


def test_the_plan_names_what_the_numbers_hang_on(monkeypatch):
    store = sources.ensure("synthetic", profile=recipes.profile("smoke", "c3d"))
    parameters = {"profile": "smoke"}
    found = manifest.plan(parameters, store)
    assert set(found) == {"parameters", "data", "library", "packages"}
    assert "tensorflow" in found["packages"]
    monkeypatch.setattr(manifest, "digest", lambda files: sorted(path.name for path in files))
    assert {"jobs.py", "store.py", "c3d.py"} <= set(manifest.plan(parameters, store)["library"])


def test_an_interrupted_job_goes_on_where_it_was(kernels):
    kernels.interrupt = "02_m"
    with pytest.raises(KeyboardInterrupt):
        kernels.again()
    assert kernels.ran == ["00_first", "01_m"]
    assert not folder().exists()
    assert kernels.again() == (["02_m", "03_table", "report"], [])
    assert kernels.again() == ([], [])


def test_what_another_plan_left_is_thrown_away(kernels, monkeypatch):
    kernels.interrupt = "02_m"
    with pytest.raises(KeyboardInterrupt):
        kernels.again()
    before = reproduce.plan
    monkeypatch.setattr(reproduce, "plan", lambda *given: before(*given) | {"packages": "others"})
    assert kernels.again() == (ALL, ["01_m", "02_m"])


@pytest.mark.parametrize("files", [0, 3, 9])
def test_interrupted_while_results_are_put_in_place(kernels, monkeypatch, files):
    real, done = reproduce._put, []

    def put(path, to):
        if len(done) == files:
            raise KeyboardInterrupt
        done.append(to)
        real(path, to)

    monkeypatch.setattr(reproduce, "_put", put)
    with pytest.raises(KeyboardInterrupt):
        kernels.again()
    monkeypatch.setattr(reproduce, "_put", real)
    assert kernels.again() == ([], [])
    assert sorted(path.name for path in (folder() / "figures").iterdir()) == FIGURES
    assert sorted(path.name for path in paths.runs_dir().glob("[!.]*")) == [folder().name, "run_01_m", "run_02_m"]
    assert hidden() == []
    assert kernels.again() == ([], [])


def test_what_trains_nothing_runs_side_by_side_and_one_that_fails_leaves_the_other_done(kernels, monkeypatch):
    pair = ["05_autopsy", "06_evaluation"]
    for name in pair:
        write(paths.NOTEBOOKS / f"{name}.ipynb", PARAMETERS)
    met, seen, broken = threading.Barrier(2), [], ["05_autopsy"]

    def execute(path, to, parameters, **where):
        if path.stem in pair:
            met.wait(30)  # neither goes on before the other has begun
            seen.append((Path.cwd(), os.environ["UCF11_RUNS"]))
        if path.stem in broken:
            raise RunFailed(f"{path.name}: broken")
        kernels(path, to, parameters, **where)

    monkeypatch.setattr(notebooks, "execute", execute)
    before = Path.cwd(), os.environ["UCF11_RUNS"]
    with pytest.raises(RunFailed, match=r"05_autopsy\.ipynb: broken"):
        kernels.again()
    assert kernels.ran == [*ALL[:-1], "06_evaluation"]
    assert seen == [(paths.NOTEBOOKS, str(paths.runs_dir() / f".{folder().name}" / "runs"))] * 2
    assert (Path.cwd(), os.environ["UCF11_RUNS"]) == before
    monkeypatch.setattr(notebooks, "execute", kernels)
    assert kernels.again() == (["05_autopsy", "report"], [])
    assert (folder() / "report.html").read_text() == "".join(f"{step}.svg" for step in [*ALL[:-1], *pair])
    assert kernels.again(only=pair) == ([], [])


def test_two_at_once_take_turns(kernels, capsys):
    with paths.turn(paths.runs_dir() / f".{folder().name}.lock"):
        second = threading.Thread(target=kernels.again)
        second.start()
        second.join(0.5)
        assert second.is_alive()
        assert kernels.ran == []
    second.join(30)
    assert kernels.ran == ALL
    assert "waiting for another process" in capsys.readouterr().err


def test_only_the_default_parameters_rebuild_the_committed_report():
    default = {"profile": "quick", "source": "synthetic", "data": "", "split": "group"}
    assert Target.of(default).folders["figures"] == paths.FIGURES
    for change in ({"profile": "smoke"}, {"source": "videos", "data": "/v"}, {"split": "random"}):
        target = Target.of(default | change)
        assert paths.FIGURES not in (target.folders["figures"], *target.folders["figures"].parents)
        assert paths.REPORT not in (target.folders["report"], *target.folders["report"].parents)


def kill_in(step, begun):
    """Kill the smoke tier's main job when it has begun the step's training; return what it said until then."""
    command = [sys.executable, "-u", "-m", "ucf11lib", "reproduce", "--profile", "smoke"]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while job.poll() is None and not begun.exists():
        time.sleep(0.05)
    job.kill()
    said = job.communicate()[0]
    assert said.splitlines()[-1].endswith(f"{step} ...")
    return said


@pytest.mark.slow
def test_the_smoke_tier_is_killed_and_then_runs_every_notebook_once_and_builds_the_report(capsys):
    """The main job with other parameters: every notebook, every figure, HTML and PDF."""
    config = RunConfig("cnn_lstm", profile="smoke")
    work = paths.runs_dir() / f".{folder().name}"
    said = kill_in("03_cnn_lstm", work / "runs" / config.name / "config.json")
    reproduce.reproduce(profile="smoke")
    said += capsys.readouterr().out
    for path in choose([]):
        assert len(re.findall(rf"\] {path.stem} \.\.\. \d+ s$", said, re.MULTILINE)) == 1, said
    whole, resumed = jobs.train(config, paths.runs_dir() / "whole", say=lambda line: None), jobs.finished(config)
    assert resumed.metrics["confusion"] == whole.metrics["confusion"]
    assert np.array_equal(resumed.predictions["y_prob"], whole.predictions["y_prob"])
    shutil.rmtree(whole.path)
    committed = {path.name for path in paths.FIGURES.iterdir()}
    assert {path.name for path in (folder() / "figures").iterdir()} == committed
    assert (folder() / "report.pdf").read_bytes().startswith(b"%PDF")
    html = (folder() / "report.html").read_text()
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
        assert "parameters at full width" in (folder() / "notebooks" / f"{choose_name(model)}.html").read_text()


def choose_name(model):
    return next(path.stem for path in choose([]) if path.stem.endswith(model))
