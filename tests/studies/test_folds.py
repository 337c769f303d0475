from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ucf11lib import evaluation, paths
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs import Run
from ucf11lib.runs.parsing import read_json
from ucf11lib.studies import folds
from ucf11lib.studies.folds import crossval
from ucf11lib.studies.results import Results
from ucf11lib.studies.study import Study


@pytest.mark.slow
def test_crossval_holds_every_sequence_out_once(tiny):
    file = crossval(tiny.with_(sequences=2), workers=1, command="this")
    assert read_json(file, Results, "").command == "this"
    table = read_json(file, Results, "").table
    assert table["fold"].tolist() == ["01", "02", "03", "all"]
    runs = [Run.open(paths.runs_dir() / name) for name in table["run"][:3]]
    assert [run.config.split.fold for run in runs] == ["01", "02", "03"]
    index = np.concatenate([run.predictions["index"] for run in runs])
    last = table.iloc[-1]
    assert sorted(index) == list(range(int(last["n_val"])))
    sides = [run.held_out for run in runs]
    together = {key: np.concatenate([side[key] for side in sides]) for key in sides[0]}
    wanted = evaluation.measure_predictions(**together)
    for key in ("accuracy", "accuracy_clip"):
        assert last[key] == wanted[key]
    assert np.sum(last["confusion"]) == len(np.unique(together["clips"])) < last["n_val"]
    assert np.trace(last["confusion"]) == last["accuracy_clip"] * np.sum(last["confusion"])
    assert last["low"] <= last["accuracy_clip"] <= last["high"]
    assert last["mean_accuracy"] == pytest.approx(table["accuracy"][:3].mean())


@pytest.mark.slow
def test_crossval_missing_fold_leaves_no_pooled_number(tiny, tmp_path, failing):
    failing(tiny.with_(split="logo", fold="01"))
    with pytest.raises(RunFailed, match="1 of 3 runs failed"):
        crossval(tiny, workers=1, out=tmp_path)
    table = read_json(tmp_path / "summary.json", Results, "").table
    assert table["fold"].tolist() == ["01", "02", "03"]


def test_nested_candidates_that_all_diverge_are_one_line(tiny):
    study = Study("s", "what?", tiny, {"fold": folds.fold_axis(["01", "02"])}, seeds=())
    outer = folds.nested(study, ["", "shift=8"]).then[0]
    tried = {"fold": ["01", "01", "02", "02"], "candidate": ["", "shift=8"] * 2}
    rows = pd.DataFrame({"model": "frame_cnn", "val_loss": [2.0, 1.0, 1.0, None]} | tried)
    shifts = {one.split.fold: one.recipe.shift for one in outer(rows).points()}
    assert shifts == {"01": 8, "02": tiny.recipe.shift}
    with pytest.raises(RunFailed, match="frame_cnn, fold 02: no candidate has a finite loss"):
        outer(rows.assign(val_loss=[2.0, 1.0, None, None]))


def test_crossval_has_a_summary_for_each_choice_of_candidates(tiny, monkeypatch):
    monkeypatch.setattr(folds, "run_study", lambda *_, file, **__: file)
    choices = [(), ("", "shift=8"), ("", "shift=2")]
    assert len({crossval(tiny, candidates=choice) for choice in choices}) == 3


def test_crossval_is_refused_before_data_are_prepared(tiny, monkeypatch):
    monkeypatch.setattr(folds, "open_or_prepare", None)
    with pytest.raises(UserError, match="unknown model 'cnn_lsmt'"):
        crossval(replace(tiny, model="cnn_lsmt"))
    with pytest.raises(UserError, match="unknown parameter nosuch"):
        crossval(tiny, candidates=["", "nosuch=1"])


def test_crossval_bad_candidates_are_one_line(tiny):
    with pytest.raises(UserError, match="nothing to select from"):
        crossval(tiny, candidates=["shift=8"])
    with pytest.raises(UserError, match="write FIELD=VALUE"):
        crossval(tiny, candidates=["", "dropout"])
    with pytest.raises(UserError, match=r"write FIELD=VALUE.* not one that an option"):
        crossval(tiny, candidates=["model=c3d", "model=vgg9"])
