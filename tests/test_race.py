import math

import pytest

from ucf11lib import figures_race, paths, race, recipes
from ucf11lib.config import RunConfig
from ucf11lib.errors import RunFailed


def row(recipe, seconds, *, limit=30.0):
    tried = len(seconds)
    return {
        "data": "synthetic data",
        "model": "c3d",
        "recipe": recipe,
        "limit": None if recipe == "repaired" else limit,
        "seconds": seconds,
        "sequences": [640] * tried,
        "status": ["ok"] * tried,
        "trace_seconds": [[5.0, 10.0]] * tried,
        "trace_accuracy": [[0.5, 0.8]] * tried,
    }


ROWS = [row("repaired", [9.0, 12.0, 10.0]), row("2019", [None, None]), row("peer_cnnlstm", [25.0, None, 29.0])]


def test_the_middle_of_three_counts_one_that_does_not_get_there_as_never():
    assert [race.middle(each) for each in ROWS] == [10.0, math.inf, 29.0]
    assert race.ratios(ROWS) == {("synthetic data", "c3d"): 2.9}
    assert race.ratios(ROWS[:2]) == {("synthetic data", "c3d"): math.inf}


def test_the_table_says_who_got_there():
    table = race.table(ROWS)
    assert list(table["reached"]) == ["3 of 3", "0 of 2", "2 of 3"]
    assert list(table["median seconds to 75 %"]) == ["10", "never", "29"]
    assert list(table["against repaired"]) == ["1.0", "more than 3", "2.9"]


def test_the_figure_has_a_line_a_seed_in_medians():
    figure = figures_race.race({"C3D": ROWS}, {"C3D": 10.0}, cap=3.0, note="synthetic data")
    (axes,) = figure.axes
    curves = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() == "o"]
    assert len(curves) == 8
    assert list(curves[0].get_xdata()) == [0.5, 1.0]


def test_the_same_looks_at_equal_numbers_of_sequences_for_every_batch_size():
    for name in recipes.RECIPES:
        config = race._paced(RunConfig("cnn_lstm", recipe=name))
        recipe, profile = config.resolved()
        assert recipe.batch_size * profile.steps_per_epoch == race.EVERY
        assert recipe.target_accuracy == 0.75
    repaired = race._paced(RunConfig("cnn_lstm")).resolved()[1]
    assert repaired.epochs * repaired.steps_per_epoch == 6 * 80  # the schedule is that of the reported run


def test_a_race_is_run_once_and_the_rivals_have_the_cap(store, monkeypatch):
    """Two recipes at the smallest size, with a goal that is met at once."""
    said = []
    monkeypatch.setattr(race, "EVERY", 80)
    monkeypatch.setattr(race, "SEEDS", (0,))
    monkeypatch.setattr(race, "RIVALS", ("2019",))
    monkeypatch.setattr(race.sources, "ensure", lambda *args, **kwargs: store)
    config = RunConfig("c3d", profile="smoke", settings="epochs=1,steps_per_epoch=5")
    with pytest.raises(RunFailed, match="the repaired recipe does not get to 75 % itself"):
        race.measure([config], said.append)
    monkeypatch.setattr(race.jobs, "TARGET", 0.0)
    repaired, rival = race.measure([config], said.append)
    assert repaired["limit"] is None
    assert repaired["sequences"] == [80]
    assert rival["limit"] == pytest.approx(3 * repaired["seconds"][0])
    assert rival["status"] == ["stopped: double_softmax"]
    before = len(said)
    assert race.measure([config], said.append) == [repaired, rival]
    assert len(said) == before
    assert len(list((paths.runs_dir() / "race").glob("*.json"))) == 3
