import math

import pytest

from ucf11lib import figures_race, paths, race, recipes, training
from ucf11lib.config import RunConfig
from ucf11lib.data import splits
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
    assert race.ratios(ROWS) == {"C3D, synthetic data": 2.9}
    assert race.ratios(ROWS[:2]) == {"C3D, synthetic data": math.inf}


def test_the_table_says_who_got_there():
    table = race.table(ROWS)
    assert list(table["reached"]) == ["3 of 3", "0 of 2", "2 of 3"]
    assert list(table["median seconds to 75 %"]) == ["10", "not in time", "29"]
    assert list(table["against repaired"]) == ["1.0", "more than 3", "2.9"]


def test_the_figure_has_a_line_a_seed_in_medians():
    panels = race.panels(ROWS)
    assert panels == {"C3D, synthetic data": ROWS}
    figure = figures_race.race(panels, {"C3D, synthetic data": 10.0}, cap=3.0, note="synthetic data")
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
    assert repaired.epochs * repaired.steps_per_epoch == 5 * 120  # the schedule is that of the reported run


def test_a_race_is_run_once_and_the_rivals_have_the_cap(store, monkeypatch):
    """Two recipes at the smallest size, with a goal that is met at once."""
    said = []
    monkeypatch.setattr(race, "EVERY", 80)
    monkeypatch.setattr(race, "SEEDS", (0,))
    monkeypatch.setattr(race, "RIVALS", ("2019",))
    monkeypatch.setattr(race.sources, "ensure", lambda *args, **kwargs: store)
    config = RunConfig("c3d", profile="smoke", settings="epochs=1,steps_per_epoch=10")
    with pytest.raises(RunFailed, match="the repaired recipe does not get to 75 %; nothing to race"):
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


def test_a_rival_that_cannot_win_runs_no_more_than_it_must(store, monkeypatch):
    """Seconds to 75 % by recipe and seed; the rivals' accuracies stand in their order."""
    there = {"repaired": (9, 12, 10), "2019": (None,), "peer_c3dsmall": (None, None), "peer_cnnlstm": (29, None, 28)}
    ran = []

    def attempt(store, config, limit, say):
        ran.append((config.recipe, config.seed))
        seconds = there[config.recipe][config.seed]
        return {"seconds": seconds, "trace_accuracy": [list(there).index(config.recipe) / 10]}

    monkeypatch.setattr(race, "attempt", attempt)
    monkeypatch.setattr(race.sources, "ensure", lambda *args, **kwargs: store)
    rows = race.measure([RunConfig("c3d")])
    assert [tuple(row["seconds"]) for row in rows] == [(9, 12, 10), (None,), (None,), (29, None, 28)]
    there["peer_cnnlstm"] = (None, None)
    assert [len(row["seconds"]) for row in race.measure([RunConfig("c3d")])] == [3, 1, 1, 2]
    assert {row["limit"] for row in rows} == {None, 30}


def test_variants_are_tried_on_the_training_side_alone(store, monkeypatch):
    looked_at = []

    def train(store, parts, config, limit, say):
        looked_at.append(parts)
        return [training.Epoch(2, 0.5, 0.8, 0.5, 0.8, 7.0)], "ok"

    monkeypatch.setattr(race, "_train", train)
    monkeypatch.setattr(race.sources, "ensure", lambda *args, **kwargs: store)
    rows = race.sooner(RunConfig("cnn_lstm"))
    assert race.sooner_table(rows).iloc[0].tolist() == ["as it is", "640 (640 to 640)", "3 of 3"]
    for seed, parts in enumerate(looked_at[:3]):
        whole = splits.split(store, "group", seed)
        assert set(parts.train) | set(parts.validation) == set(whole.train)
    lengths = {r.batch_size * p.epochs * p.steps_per_epoch for r, p in map(variant, race.VARIANTS)}
    assert lengths == {4800, 9600}


def variant(name):
    return RunConfig("cnn_lstm").having(race.VARIANTS[name]).resolved()
