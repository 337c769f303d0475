"""Every study from its runs to its figure and its results file, at the smallest size."""

import functools
import shutil
from dataclasses import replace

import pytest

from ucf11lib import paths
from ucf11lib.runs import Run
from ucf11lib.studies import STUDIES, autopsy, beyond, load, speed, transfer
from ucf11lib.studies.results import stale
from ucf11lib.studies.runner import run_study

HEADS = {name: head for name, head in transfer.HEADS.items() if name != "LSTM"}
METHODS = tuple(method for method in transfer.METHODS if method[0] in HEADS)
SMOKE = {"profile": "smoke", "width": 0.0625, "epochs": 1, "steps_per_epoch": 2}


def smallest(study):
    """Return a study with one label an axis and one seed, in every stage, at the smoke size."""
    axes = {name: dict([next(iter(axis.items()))]) for name, axis in study.axes.items()}
    if study.name == "signal":
        axes["recipe"] = study.axes["recipe"]  # its figure has a line for each
    axes["size"] = {"smallest": SMOKE}
    then = tuple(
        functools.partial(smallest_of, stage) if callable(stage) else smallest(stage)
        for stage in study.then
    )
    return replace(study, axes=axes, seeds=study.seeds[:1], then=then)


def smallest_of(stage, rows):
    return smallest(stage(rows))


@pytest.fixture(scope="module")
def few_videos(videos, tmp_path_factory):
    """Three actions of Weizmann by four of its nine people."""
    folder = tmp_path_factory.mktemp("videos")
    for action in ("bend", "run", "wave1"):
        (folder / "weizmann" / action).mkdir(parents=True)
        for person in ("daria", "denis", "eli", "ido"):
            clip = f"weizmann/{action}/{person}_{action}.avi"
            shutil.copy(videos / clip, folder / clip)
    return folder


# full_width collects what was trained apart: tests/studies/test_full_width.py
@pytest.mark.parametrize("name", [name for name in STUDIES if name != "full_width"])
def test_run_study_leaves_fresh_results_and_a_figure(name, request, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(paths, "FIGURES", tmp_path)
    drawing = tmp_path / f"{name}.svg"
    drawing.touch()  # as if the report showed it
    monkeypatch.setattr(speed, "run_in_process", lambda function, config: function(config))
    monkeypatch.setattr(speed, "PRODUCT_SIDE", 64)
    monkeypatch.setattr(transfer, "SIZE", 32)
    monkeypatch.setattr(transfer, "EPOCHS", 1)
    for module in (transfer, beyond):  # every head but one: tests/studies/test_transfer.py has all
        monkeypatch.setattr(module, "METHODS", METHODS)
    monkeypatch.setattr(transfer, "HEADS", HEADS)
    monkeypatch.setattr(speed, "SECONDS_A_REPEAT", 0)
    monkeypatch.setattr(speed, "REPEATS", 2)
    monkeypatch.setattr(autopsy, "STEPS", 5)
    study = smallest(STUDIES[name])
    needed = "few_videos" if STUDIES[name].videos else "tmp_path"
    options = {"videos": request.getfixturevalue(needed), "workers": 1, "log": lambda line: None}
    run_study(study, "command", **options)
    results = load(name)
    assert results.rows
    assert drawing.stat().st_size
    assert stale(study, results) == ""
    for row in results.rows:
        if row.get("run"):  # else it is no training's
            run = Run.open(paths.runs_dir() / row["run"])
            right = run.predictions["y_prob"].argmax(axis=1) == run.predictions["y_true"]
            accuracy = row["accuracy"] if "accuracy" in row else row["val_accuracy"][-1]
            assert accuracy == pytest.approx(right.mean(), abs=1e-4)
