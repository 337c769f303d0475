"""Commands that are killed at the worst moment, and then repeated: nothing lost, nothing left."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import psutil
import pytest

from ucf11lib import paths
from ucf11lib.__main__ import main
from ucf11lib.runs import RunConfig
from ucf11lib.runs.folder import lock_file

PLACES = ("UCF11_DATA", "UCF11_RUNS", "TMPDIR")
# Runs commands in processes that are forked, since TensorFlow takes seconds to load. Each ends
# itself before it does `event`, one of Python's audit events, to a path that ends in `end`.
SERVER = """
import json, os, signal, sys, tempfile
from ucf11lib import __main__, report, studies
from ucf11lib.evaluation import annotate, export

def hook(name, values):
    if name == event and str(values[0]).endswith(end):
        os.kill(os.getpid(), signal.SIGKILL)

for line in sys.stdin:
    event, end, arguments, environment = json.loads(line)
    if not (child := os.fork()):
        os.environ |= environment
        tempfile.tempdir = None
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.addaudithook(hook)
        os._exit(__main__.main(arguments))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


TIMING = """
import time
from ucf11lib import errors
from ucf11lib.studies import speed
errors.raise_on_signals()
speed.run_in_process(time.sleep, 600)
"""


@pytest.fixture(scope="module")
def kill():
    """A function that kills a command."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", SERVER], **pipes, text=True) as server:

        def call(event, end, arguments):
            environment = {key: value for key, value in os.environ.items() if key in PLACES}
            print(json.dumps([event, end, arguments, environment]), file=server.stdin, flush=True)
            assert int(server.stdout.readline()) == -signal.SIGKILL

        yield call


@pytest.mark.parametrize(
    ("command", "event", "end", "code", "files"),
    [
        ("store export STORE OUT", "os.rename", "part1.pkl", 0, ["*part1.pkl", "*part2.pkl"]),
        ("store export STORE OUT", "os.remove", "part1.pkl", 2, ["*part1.pkl", "*part2.pkl"]),
        ("export-model --run RUN --to savedmodel --out OUT/m", "shutil.rmtree", "-m", 2, ["m"]),
        ("explore --run RUN --out OUT/e.html", "os.rename", "e.html", 0, ["e.html"]),
        ("predict CLIP --run RUN --out OUT/a.mp4", "os.rename", "a.mp4", 0, ["a.mp4"]),
        (
            "prepare --source videos --data OUT/in --store OUT/s",
            "shutil.rmtree",
            ".partial-s",
            2,
            ["s"],
        ),
    ],
)
def test_killed_and_repeated(
    kill, command, event, end, code, files, store, trained, write_video, tmp_path, capsys
):
    mine = write_video(tmp_path / "in" / "a" / "g" / "c.mpg")
    content = mine.read_bytes()
    names = {"STORE": store.path, "RUN": trained.path, "CLIP": mine, "OUT": tmp_path}
    for name, path in names.items():
        command = command.replace(name, str(path))
    kill(event, end, command.split())
    assert main(command.split()) == code
    assert capsys.readouterr().err.count("exists already") == (code == 2)
    assert mine.read_bytes() == content
    assert len(list(tmp_path.iterdir())) == len(files) + 1
    assert all(len(list(tmp_path.glob(name))) == 1 for name in files)


def test_study_killed_before_it_tidies_up(kill, tmp_path, monkeypatch):
    """It is killed with the store complete, with half of the weights, with the run complete."""
    for variable in PLACES:
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setattr(tempfile, "tempdir", None)
    flat = {"model": "cnn_lstm", "profile": "smoke", "width": 0.0625, "groups": 2}
    lines = [f"base: {json.dumps(flat)}", "grid: {seed: [0]}"]
    (tmp_path / "grid.yaml").write_text("\n".join(lines))
    study = ["study", str(tmp_path / "grid.yaml"), "--workers", "1"]
    run = paths.runs_dir() / RunConfig.of(**flat).name
    kill("os.remove", ".lock", study)
    kill("shutil.rmtree", "-keras", study)
    kill("os.remove", "/checkpoint.npz", study)
    kill("os.remove", str(lock_file(run)), study)
    assert main(study) == 0
    assert len(os.listdir(paths.data_dir())) == 1
    assert len(os.listdir(paths.runs_dir())) == 2
    assert not [*run.glob(".*"), *run.glob("checkpoint*")]
    names = os.listdir(tempfile.gettempdir())
    assert not [name for name in names if not name.startswith("__autograph_generated")]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_bench_ended_takes_its_process_along(number):
    pipes = {"stderr": subprocess.DEVNULL}
    parent = subprocess.Popen([sys.executable, "-c", TIMING], **pipes)
    while not (children := psutil.Process(parent.pid).children()):
        time.sleep(0.05)
    parent.send_signal(number)
    assert parent.wait(timeout=60)
    assert psutil.wait_procs(children, timeout=60)[1] == []
