"""What a job does with the results of its notebooks; tests/slow runs real ones."""

import contextlib
import importlib
import socket
import threading

import pytest

from ucf11lib import paths
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.report.notebooks import select_notebooks
from ucf11lib.report.reproduce import DEFAULT, reproduce, targets
from ucf11lib.studies import why_stale

job = importlib.import_module("ucf11lib.report.reproduce")  # the function has the same name
STEMS = [path.stem for path in select_notebooks()]


class Notebooks:
    """Stand-in for `run_notebook`: each leaves a figure and an executed copy."""

    def __init__(self):
        self.ran = []
        self.parameters = {}
        self.error = {}  # of a notebook

    def __call__(self, path, folder, parameters):
        if path.stem in self.error:
            raise self.error[path.stem]
        self.ran.append(path.stem)
        self.parameters = parameters
        (folder / "notebooks").mkdir(exist_ok=True)
        (folder / "figures" / f"{path.stem}.svg").write_text("new")
        (folder / "notebooks" / f"{path.stem}.html").write_text("new")


@pytest.fixture
def notebooks(monkeypatch):
    stand_in = Notebooks()
    monkeypatch.setattr(job, "run_notebook", stand_in)
    monkeypatch.setattr(job, "_checked_beside", lambda: contextlib.nullcontext(why_stale))
    monkeypatch.setattr(job, "build", lambda runs, **options: [options["to"] / "report.html"])
    return stand_in


def contents():
    """All files under runs/ with their text, but for the lock file."""
    files = [path for path in paths.runs_dir().rglob("*") if path.is_file()]
    names = {str(path.relative_to(paths.runs_dir())): path.read_text() for path in files}
    return {name: names[name] for name in sorted(names) if name != ".reproduce.lock"}


def test_reproduce_runs_all_in_order_and_moves_the_results(notebooks, capsys):
    name = f".partial-{socket.gethostname()}-999999999-report"  # of a killed one
    left = paths.runs_dir() / name / "figures" / "a.svg"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    folder = reproduce(profile="smoke")
    assert folder == paths.runs_dir() / "report-smoke-synthetic-group" / "notebooks"
    assert notebooks.ran == STEMS
    assert notebooks.parameters == DEFAULT | {"profile": "smoke"}
    own = folder.parent.name
    expected = [f"{own}/figures/{stem}.svg" for stem in STEMS]
    assert list(contents()) == expected + [f"{own}/notebooks/{stem}.html" for stem in STEMS]
    text = capsys.readouterr().out
    assert text.startswith(f"[1/{len(STEMS)}] 00_data ... 0 s\n[2/{len(STEMS)}] 01_c3d ... 0 s\n")
    assert "report: " in text
    reproduce(profile="smoke", only=["03_cnn_lstm", "01_c3d"])
    assert notebooks.ran[len(STEMS) :] == ["01_c3d", "03_cnn_lstm"]
    assert "report: " not in capsys.readouterr().out


def test_reproduce_with_networks_leaves_an_explorer(notebooks, monkeypatch):
    def explore(runs, load, path):
        path.parent.mkdir()
        path.write_text(load)

    monkeypatch.setattr(job, "explore", explore)
    reproduce(profile="smoke", load="networks")
    assert contents()["report-smoke-synthetic-group/explorer.html"] == "networks"


@pytest.mark.parametrize("error", [RunFailed("broken"), KeyboardInterrupt(), "no report"])
def test_reproduce_that_ends_early_changes_nothing(notebooks, monkeypatch, error):
    reproduce(profile="smoke")
    mine = paths.runs_dir() / "c3d-repaired-smoke-synthetic-group-seed0" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    figure = paths.runs_dir() / "report-smoke-synthetic-group" / "figures" / "00_data.svg"
    figure.write_text("old")
    before = contents()

    def build(runs, **options):
        assert (options["figures_dir"] / "00_data.svg").read_text() == "new"
        raise RunFailed("a number is undefined")

    with monkeypatch.context() as patch:
        if error == "no report":
            patch.setattr(job, "build", build)
            error = RunFailed()
        else:
            notebooks.error["04_comparison"] = error
        with pytest.raises(type(error)):
            reproduce(profile="smoke")
    assert contents() == before
    notebooks.error = {}
    reproduce(profile="smoke")
    assert (figure.read_text(), mine.read_text()) == ("new", "mine")


def test_reproduce_waits_for_another_one(notebooks):
    with paths.lock(paths.runs_dir() / ".reproduce.lock"):
        second = threading.Thread(target=reproduce, kwargs={"profile": "smoke"})
        second.start()
        second.join(0.5)
        assert second.is_alive()
        assert notebooks.ran == []
    second.join(30)
    assert notebooks.ran == STEMS


def test_checked_beside_waits_for_the_check_and_ends_it(tmp_path, monkeypatch):
    check = tmp_path / "python"
    check.write_text("#!/bin/sh\nsleep 0.3; echo 'leak: fresh'; echo 'signal: stale: so: no'\n")
    check.chmod(0o755)
    monkeypatch.setattr(job.sys, "executable", str(check))
    monkeypatch.setattr(job, "why_stale", lambda name: f"asked for {name}")
    with job._checked_beside() as why:
        reasons = {name: why(name) for name in ("leak", "signal", "speed")}
    assert reasons == {"leak": "", "signal": "so: no", "speed": "asked for speed"}
    check.write_text("#!/bin/sh\nexec sleep infinity\n")
    with job._checked_beside():
        pass  # this test has no end if the check has none


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"only": ["07_more"]}, "unknown notebook 07_more; known are 00_data, "),
        ({"profile": "huge"}, "unknown profile 'huge'"),
        ({"source": "videos"}, "source videos reads a folder"),
        ({"split": "logo"}, "split logo"),
    ],
)
def test_reproduce_checks_arguments_before_anything_runs(notebooks, arguments, message):
    with pytest.raises(UserError, match=message):
        reproduce(**arguments)
    assert notebooks.ran == []


def test_targets_of_default_parameters_are_the_checkout():
    assert targets(DEFAULT) == (paths.FIGURES, paths.REPORT / "notebooks", None)
    videos = {"source": "videos", "data": "/v"}
    changes = ({"profile": "smoke"}, {"split": "random"}, videos, videos | {"data": "/w/v"})
    folders = [targets(DEFAULT | change) for change in changes]
    assert {report.parent for _, _, report in folders} == {paths.runs_dir()}
    assert all(figures == report / "figures" for figures, _, report in folders)
    assert len(set(folders)) == 4
