"""The report is of one run a model, all of the same data, split and seed."""

import json
import os

import pytest

from ucf11lib import paths, report
from ucf11lib.errors import UserError
from ucf11lib.report.selection import select_runs
from ucf11lib.runs import REPORTED, list_runs


def test_select_runs_ignores_overrides_and_unreadable_folders(folder, plant):
    for flat in ({"epochs": 1}, {"health": False}, {"recipe": "2019"}, {"precision": "bfloat16"}):
        plant(folder, "c3d", **flat)
    (folder / "of_an_old_version").mkdir()
    for name in ("config.json", "metrics.json"):
        (folder / "of_an_old_version" / name).write_text('{"model": "c3d", "recipe": "repaired"}')
    runs = select_runs(list_runs(folder))
    assert list(runs) == list(REPORTED)
    assert runs["c3d"].path.name == "c3d-repaired-smoke-synthetic-group-seed0"


def test_select_runs_prefers_the_newest_of_one_content(folder, plant):
    for model in REPORTED[:2]:
        run = plant(folder, model, split="random")
    assert {run.config.split.kind for run in select_runs(list_runs(folder)).values()} == {"group"}
    run = plant(folder, REPORTED[2], split="random")
    assert {run.config.split.kind for run in select_runs(list_runs(folder)).values()} == {"random"}
    config = json.loads((run.path / "config.json").read_text())
    config["store_sha256"] = {"frames": "e" * 64}
    (run.path / "config.json").write_text(json.dumps(config))
    assert {run.config.split.kind for run in select_runs(list_runs(folder)).values()} == {"group"}


def test_select_runs_prefers_the_set_of_the_newest_run(tmp_path, plant):
    half = {"precision": "bfloat16"}
    order = [
        ("c3d", half),
        *((model, {}) for model in REPORTED),
        ("vgg9", half),
        ("cnn_lstm", half),
    ]
    for seconds, (model, flat) in enumerate(order):
        run = plant(tmp_path, model, **flat)
        os.utime(run.path / "metrics.json", (seconds, seconds))
    precisions = {run.config.precision for run in select_runs(list_runs(tmp_path)).values()}
    assert precisions == {"bfloat16"}


@pytest.mark.parametrize("own", [False, True])
def test_build_of_other_runs_needs_a_place_of_its_own(folder, own, tmp_path, monkeypatch):
    """The checkout's report and figures are of quick runs; these are smoke runs."""
    monkeypatch.setattr(paths, "REPORT", tmp_path / "report")
    if own:
        monkeypatch.setenv("UCF11_RUNS", str(folder))
    with pytest.raises(UserError, match=r"not the runs of 'make report'; .* --out DIR"):
        report.build(None if own else folder)
    assert not (tmp_path / "report").exists()
