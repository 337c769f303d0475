"""The main job with real kernels: one that fails, one that is killed, and the smoke tier."""

import re
import signal
import subprocess
import sys
import time

import nbformat
import numpy as np
import pytest

from ucf11lib import models, paths, training
from ucf11lib.errors import RunFailed
from ucf11lib.report.notebooks import select_notebooks
from ucf11lib.report.reproduce import reproduce
from ucf11lib.runs import REPORTED, RunConfig
from ucf11lib.studies import STUDIES

PARAMETERS = 'profile = "smoke"\nsource = ""\ndata = ""\nsplit = ""\nfigures_dir = ""'
KILL = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
OWN = "report-smoke-synthetic-group"


def write(path, *sources):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(source) for source in (PARAMETERS, *sources)]
    cells[0].metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel}, cells=cells)
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)


def hidden():
    """The names under runs/ that begin with a dot."""
    return [path.name for path in paths.runs_dir().glob(".*")]


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (["x = 1", "x / 0"], r"^01_bad.ipynb, cell 3: ZeroDivisionError: division by zero; see .*"),
        ([KILL], r"^01_bad.ipynb: its kernel was killed"),
    ],
)
def test_reproduce_failed_notebook_is_one_line(tmp_path, monkeypatch, sources, message):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "notebooks")
    write(paths.NOTEBOOKS / "00_good.ipynb", 'open(f"{figures_dir}/new.svg", "w").write(profile)')
    write(paths.NOTEBOOKS / "01_bad.ipynb", *sources)
    figure = paths.runs_dir() / OWN / "figures" / "new.svg"
    figure.parent.mkdir(parents=True)
    figure.write_text("old")
    with pytest.raises(RunFailed, match=message) as raised:
        reproduce(profile="smoke")
    assert "\n" not in str(raised.value)
    assert figure.read_text() == "old"
    assert (paths.runs_dir() / "failed-01_bad.ipynb").exists() == (len(sources) == 2)
    assert hidden() == []
    reproduce(profile="smoke", only=["00_good"])
    assert figure.read_text() == "smoke"
    assert "new.svg" in (paths.runs_dir() / OWN / "notebooks" / "00_good.html").read_text()


def end_in(stem, number, *words):
    """Send a signal to the smoke tier's main job in a training; return exit code and errors."""
    begun = paths.runs_dir() / RunConfig.of(model=stem[3:], profile="smoke").name / "config.json"
    command = [sys.executable, "-u", "-m", "ucf11lib", "reproduce", "--profile", "smoke", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, **pipes, text=True)
    while process.poll() is None and not begun.exists():
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate()
    assert out.splitlines()[-1].endswith(f"{stem} ...")
    return process.returncode, err


def test_reproduce_interrupted_leaves_no_temporary_folder():
    code, err = end_in("01_c3d", signal.SIGINT, "--only", "01_c3d")
    assert code == 128 + signal.SIGINT
    assert err.splitlines()[-1].startswith("error: interrupted; resume with: python -m ucf11lib r")
    assert "Traceback" not in err
    assert not [name for name in hidden() if name.startswith(".partial-")]


def test_reproduce_killed_resumes_and_builds_the_report():
    end_in("03_cnn_lstm", signal.SIGKILL, "--only", "01_c3d", "03_cnn_lstm")
    name = RunConfig.of(model="c3d", profile="smoke").name
    finished = paths.runs_dir() / name / "model.keras"
    before = finished.stat().st_mtime_ns
    reproduce(profile="smoke", load=models.load)
    assert finished.stat().st_mtime_ns == before
    config = RunConfig.of(model="cnn_lstm", profile="smoke")
    undisturbed = training.train(config, paths.runs_dir() / "undisturbed", log=lambda line: None)
    resumed = training.finished_run(config)
    assert np.array_equal(resumed.predictions["y_prob"], undisturbed.predictions["y_prob"])

    folder = paths.runs_dir() / OWN
    drawn = {path.name for path in (folder / "figures").iterdir()}
    assert drawn == {path.name for path in paths.FIGURES.iterdir()}
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
    page = (folder / "report.html").read_text()
    assert "synthetic data" in page
    named = " ".join(re.findall(r"ucf11lib\s+study\s+([\w\s]+)", page)).split()
    assert {*STUDIES} <= {*named}
    assert "results/" not in page  # which are not beside it
    assert re.findall("stale:[^<]*", page) == []  # the committed results are those of this code
    assert "synthetic data" in (folder / "explorer.html").read_text()
    executed = {path.stem for path in (folder / "notebooks").iterdir()}
    assert executed == {path.stem for path in select_notebooks()}
    trained = {RunConfig.of(model=model, profile="smoke").name for model in REPORTED}
    assert {path.name for path in paths.runs_dir().iterdir()} == {*trained, OWN, "undisturbed"}
