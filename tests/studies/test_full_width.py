from dataclasses import replace
from types import SimpleNamespace

import pytest

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.runs import REPORTED
from ucf11lib.studies import full_width
from ucf11lib.studies.catalogue import run_studies
from ucf11lib.studies.results import load

SMALL = {"profile": "smoke", "epochs": 1, "steps_per_epoch": 32, "batch_size": 2}
TINY = replace(full_width.GROUP, base=full_width.GROUP.base.with_(**SMALL), seeds=(0,))


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """The study's networks of the group split, so small that they train in seconds."""
    monkeypatch.setattr(full_width, "STUDY", TINY)
    monkeypatch.setattr("ucf11lib.studies.catalogue.STUDIES", {"full_width": TINY})
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(paths, "FIGURES", tmp_path / "figures")
    for folder in (paths.RESULTS, paths.FIGURES):
        folder.mkdir()


@pytest.mark.slow
def test_finished_trainings_are_found_again_and_collected(tiny, capsys):
    run_studies(["full_width"], minutes=5, workers=2)
    assert "2 of 2 trainings are finished" in capsys.readouterr().out
    files = sorted((paths.runs_dir() / "full_width").iterdir())
    before = [file.stat().st_mtime_ns for file in files]
    run_studies(["full_width"], minutes=5)
    assert [file.stat().st_mtime_ns for file in files] == before
    run_studies(["full_width"])
    results = load("full_width")
    assert results.machine["description"].endswith(results.rows[0]["backend"])
    for row in results.rows:
        assert (row["epochs"], row["steps"], row["reached_target"]) == (1, [32], False)
        assert row["accuracy"] == pytest.approx(row["val_accuracies"][-1], abs=1e-4)


@pytest.mark.slow
def test_a_training_out_of_time_is_no_row(tiny, monkeypatch):
    (config, *_) = TINY.points()
    assert full_width.run(config, deadline=0) == "not begun: out of time"
    clock = iter([0.0, 2.0])
    monkeypatch.setattr(full_width, "time", SimpleNamespace(time=lambda: next(clock)))
    longer = config.with_(steps_per_epoch=64)
    assert full_width.run(longer, deadline=1.0) == "cut short at step 32: out of time"
    assert full_width.measure(longer) == []


def test_nothing_to_collect_is_one_line(tiny):
    with pytest.raises(UserError, match="no finished training; train on a GPU with"):
        run_studies(["full_width"])


@pytest.mark.parametrize(("names", "options"), [
    (["leak"], {}), (["full_width", "leak"], {}), (["full_width"], {"scheduler": "tcp://x:1"}),
    (["full_width"], {"force": True}), (["full_width"], {"videos": "v"}),
])  # fmt: skip
def test_minutes_are_of_full_width_alone(names, options):
    with pytest.raises(UserError, match="--minutes goes with study full_width alone"):
        run_studies(names, minutes=5, **options)


@pytest.mark.parametrize(("minutes", "workers"), [(0, 1), (5, 0), (float("nan"), 1)])
def test_too_few_minutes_or_workers_are_refused(minutes, workers):
    with pytest.raises(UserError, match="give 1 or more of each"):
        full_width.train(minutes, workers)


def test_recipe_2019_is_the_reports_at_full_width():
    for config in full_width.RANDOM.points():
        assert config.recipe.name == "2019"
        assert (config.profile.width, config.profile.steps_per_epoch) == (1.0, 256)
        assert (config.recipe.batch_size, config.recipe.target_accuracy) == (16, 0.75)
        assert config.data.sequences is None
    assert {config.model for config in full_width.REPAIRED.points()} >= set(REPORTED)
