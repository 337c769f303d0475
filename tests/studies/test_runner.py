from dataclasses import replace

import pytest

from ucf11lib import paths
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs import Run, RunConfig
from ucf11lib.runs.parsing import read_json
from ucf11lib.studies.results import Results
from ucf11lib.studies.runner import run_configs, run_study
from ucf11lib.studies.study import Study

SHORT = RunConfig.of(
    model="cnn_lstm", profile="smoke", epochs=1, steps_per_epoch=1, width=0.0625, groups=3
)
STUDY = Study(
    "tiny", "Does it run?", SHORT, {"rate": {"low": {}, "high": {"learning_rate": 0.01}}}, (0,),
    ("accuracy", "n_val"), {"epochs": lambda run: len(run.history)},
)  # fmt: skip


def test_run_study_leaves_a_row_a_run_and_resumes(tmp_path):
    file = tmp_path / "results.json"
    run_study(STUDY, "python x", file=file, workers=1)
    results = read_json(file, Results, "")
    assert results.table["rate"].tolist() == ["low", "high"]
    assert set(results.rows[0]) == {"rate", "seed", "run", "status", "accuracy", "n_val", "epochs"}
    assert (results.question, results.command) == ("Does it run?", "python x")
    assert {"processor", "cores", "instruction_sets", "devices"} == set(results.machine)
    assert len(results.configs) == 2
    assert all(len(losses) == 3 for losses in results.fingerprint.values())
    assert (tmp_path / "table.csv").read_text().startswith("rate,seed,run,status,accuracy")
    lines = []
    run_study(STUDY, "python x", file=file, workers=1, log=lines.append)
    assert "2 of 2 runs are finished already" in lines


def test_run_study_failed_run_does_not_stop_the_others(tmp_path):
    first, second = STUDY.points()
    own = paths.runs_dir() / first.name
    for folder in (own, own.with_name(f"{first.name}-{first.digest}")):
        folder.mkdir(parents=True)
        (folder / "thesis.tex").write_text("x")
    later = replace(STUDY, then=(lambda rows: pytest.fail("not with a run missing"),))
    with pytest.raises(RunFailed, match=f"1 of 2 runs failed; {first.name}: failed: .*else"):
        run_study(later, "x", file=tmp_path / "r.json", workers=1)
    table = read_json(tmp_path / "r.json", Results, "").table
    assert table["accuracy"].isna().tolist() == [True, False]
    assert (own / "thesis.tex").read_text() == "x"
    assert isinstance(run_configs([second], workers=1)[second], Run)


def test_run_study_adds_the_rows_of_further_stages(tmp_path):
    second = Study("b", "", SHORT, {"part": {"two": {}}}, (), measure=lambda config: [{"x": 3}])
    third = replace(second, axes={"part": {"three": {}}})
    first = replace(second, axes={"part": {"one": {}}}, then=(lambda rows: second, third))
    run_study(first, "x", file=tmp_path / "r.json")
    table = read_json(tmp_path / "r.json", Results, "").table
    rows = {"part": ["one", "two", "three"], "seed": [0] * 3, "status": ["ok"] * 3, "x": [3] * 3}
    assert table.to_dict("list") == rows


def test_run_study_missing_videos_are_named(tmp_path):
    with pytest.raises(UserError, match=r"weizmann: no such folder; give .* with --videos"):
        run_study(replace(STUDY, videos=True), "x", videos=tmp_path)


@pytest.mark.parametrize("options", [{"workers": 0}, {"workers": 2, "scheduler": "tcp://x:1"}])
def test_run_configs_refuses_numbers_of_workers(options):
    with pytest.raises(UserError, match="--workers"):
        run_configs([SHORT], **options)


def test_run_configs_unknown_fold_is_refused_before_anything_runs():
    with pytest.raises(UserError, match="unknown fold '99'"):
        run_configs([SHORT, SHORT.with_(split="logo", fold="99")], workers=1)
    assert not any(paths.runs_dir().iterdir())
