import json
from dataclasses import asdict, replace

import pandas as pd
import pytest

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.runs import RunConfig
from ucf11lib.studies import results
from ucf11lib.studies.study import Study


@pytest.fixture(scope="module")
def study(tiny):
    return Study("s", "what?", tiny, {"rate": {"0.1": {"learning_rate": 0.1}}}, ())


@pytest.fixture(scope="module")
def fresh(study):
    rows = [{"rate": "0.1", "seed": 0, "accuracy": 0.5, "trace": [1, 2]}]
    return results.collect(study, "python -m ucf11lib study s", rows, study.points())


def test_summary_table_has_points_against_a_label():
    rows = [
        (model, change, first + more + seed / 10)
        for model, first in (("c3d", 0.1), ("vgg9", 0.5))
        for change, more in (("2019", 0.0), ("He", 0.25))
        for seed in range(2)
    ]
    table = pd.DataFrame([*rows, ("vgg9", "other", None)], columns=["model", "change", "accuracy"])
    summary = results.summary_table(table, ["model", "change"], against="2019")
    assert summary["change"].tolist() == ["2019", "He"] * 2
    assert summary["accuracy"].tolist()[:2] == ["15.0 % (10.0 to 20.0)", "40.0 % (35.0 to 45.0)"]
    assert summary["runs"].tolist() == [2] * 4
    assert summary["points"].tolist() == ["+0.0", "+25.0"] * 2
    short = results.summary_table(table, ["model"])
    assert short.columns.tolist() == ["model", "accuracy", "runs"]
    assert len(results.summary_table(table, ["change"], against="2019")) == 2


def test_load_returns_what_was_written(fresh, own_results):
    with pytest.raises(UserError, match="no such file; make it with 'python -m ucf11lib study s'"):
        results.load("s")
    paths.write_json(results.results_file("s"), asdict(fresh))
    loaded = results.load("s")
    assert loaded == fresh
    assert loaded.source == ["synthetic data"]
    assert "trace" not in loaded.formatted()
    assert "0.500" in loaded.formatted()
    measured = replace(loaded, rows=[{"accuracy": 0.5, "classes": ("biking", "diving")}])
    assert "classes" not in measured.formatted()
    rows = [
        {"run": f"r{n}", "seed": n, "accuracy": 1 / 3, "low": None, "high": None} for n in (0, 1)
    ]
    lines = replace(loaded, rows=rows[:1] + [rows[1] | {"low": 0.25}]).formatted().splitlines()
    assert lines[0] == "in all rows: accuracy 0.333333"
    assert lines[1].split() == ["seed", "low", "run"]
    assert [line.split() for line in lines[2:]] == [["0", "r0"], ["1", "0.250", "r1"]]
    assert loaded.note == f"python -m ucf11lib study s, {loaded.date}: synthetic data; width 0.0625"


def test_losses_that_are_not_finite_are_read_again(tiny, own_results, monkeypatch):
    monkeypatch.setattr(results, "FINGERPRINT_STEPS", 8)
    overflows = {"model": "vgg9", "optimizer": "sgd", "learning_rate": 1e6}
    study = Study("s", "what?", tiny, {"rate": {"high": overflows}}, ())
    rows = [{"rate": "high", "status": "ok"}]
    collected = results.collect(study, "x", rows, study.points())
    assert None in next(iter(collected.fingerprint.values()))
    paths.write_json(results.results_file("s"), asdict(collected))
    assert results.stale(study, results.load("s")) == ""


def test_stale_after_a_change(study, fresh):
    results.first_losses.cache_clear()
    assert results.stale(study, fresh) == ""
    other = replace(study, axes={"rate": {"0.1": {"learning_rate": 0.2}}})
    assert results.stale(other, fresh) == "2 of its configurations have changed"
    longer = replace(study, base=study.base.with_(epochs=3))
    assert results.stale(longer, fresh).endswith("of its configurations have changed")
    assert results.stale(replace(longer, unread=("epochs",)), fresh) == ""
    fuller = replace(study, base=study.base.with_(sequences=2))
    assert results.stale(fuller, fresh).endswith("of its configurations have changed")
    assert results.stale(replace(fuller, unread=("sequences",)), fresh) == ""
    failed = replace(fresh, rows=[{"status": "failed: no memory"}])
    assert results.stale(study, failed) == "some of its runs failed"
    edited = replace(study, then=(lambda rows: replace(other, seeds=tuple(rows["seed"])),))
    with pytest.raises(UserError, match=r"s\.json: damaged .*; run 'study s --force'"):
        results.stale(edited, replace(fresh, rows=[]))
    (key,) = fresh.fingerprint
    losses = [loss + 0.01 for loss in fresh.fingerprint[key]]
    for other in ([], [*losses, 1.0]):
        assert "and were" in results.stale(study, replace(fresh, fingerprint={key: other}))
    reason = results.stale(study, replace(fresh, fingerprint={key: losses}))
    assert reason.startswith(f"the first losses of {key} are ")


def test_stale_does_not_depend_on_the_machines_folders(tmp_path):
    first, second = (
        results._by_digest([RunConfig.of(model="c3d", source="videos", data=folder / "weizmann")])
        for folder in (tmp_path / "a", tmp_path / "b")
    )
    assert first == second
    assert str(tmp_path) not in json.dumps(first)


def test_fingerprint_is_one_a_kind(tiny):
    kinds = [tiny, tiny.with_(learning_rate=0.3, batch_size=8, seed=4), tiny.with_(init="normal")]
    assert len(results.fingerprint(kinds)) == 2
