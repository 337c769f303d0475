from dataclasses import replace

import pytest

from ucf11lib import figures, paths
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs import Run
from ucf11lib.runs.parsing import read_json
from ucf11lib.studies.results import Results, results_file
from ucf11lib.studies.runner import run_configs, run_study
from ucf11lib.studies.study import Study


@pytest.fixture(scope="module")
def study(tiny):
    axes = {"rate": {"low": {}, "high": {"learning_rate": 0.01}}}
    metrics, probes = ("accuracy", "n_val"), {"epochs": lambda run: len(run.history)}
    return Study("tiny", "Does it run?", tiny, axes, (0,), metrics, probes)


@pytest.mark.slow
def test_run_study_leaves_a_row_a_run_and_resumes(study, tmp_path):
    file = tmp_path / "results.json"
    run_study(study, "python x", file=file, workers=1)
    results = read_json(file, Results, "")
    assert results.table["rate"].tolist() == ["low", "high"]
    assert set(results.rows[0]) == {"rate", "seed", "run", "status", "accuracy", "n_val", "epochs"}
    assert (results.question, results.command) == ("Does it run?", "python x")
    assert {"processor", "cores", "instruction_sets", "devices"} == set(results.machine)
    assert len(results.configs) == 2
    assert all(len(losses) == 3 for losses in results.fingerprint.values())
    assert (tmp_path / "table.csv").read_text().startswith("rate,seed,run,status,accuracy")
    lines = []
    run_study(study, "python x", file=file, workers=1, log=lines.append)
    assert "2 of 2 runs are finished already" in lines


def test_run_study_failed_run_does_not_stop_the_others(study, tmp_path, failing):
    first, second = study.points()
    failing(first)
    later = replace(study, then=(lambda rows: pytest.fail("not with a run missing"),))
    with pytest.raises(RunFailed, match=f"1 of 2 runs failed; {first.name}: failed: out of memory"):
        run_study(later, "x", file=tmp_path / "r.json", workers=1)
    table = read_json(tmp_path / "r.json", Results, "").table
    assert table["accuracy"].isna().tolist() == [True, False]
    assert isinstance(run_configs([second], workers=1)[second], Run)


@pytest.mark.slow
def test_run_study_failed_run_leaves_earlier_results(study, own_results, failing):
    paths.RESULTS.mkdir()
    earlier = results_file("tiny")
    earlier.write_text("earlier")
    failing(next(iter(study.points())))
    with pytest.raises(RunFailed, match="1 of 2 runs failed"):
        run_study(study, "x", workers=1)
    assert earlier.read_text() == "earlier"


def test_run_study_adds_the_rows_of_further_stages(tiny, tmp_path):
    one, two, three = (
        Study("b", "", tiny, {"part": {part: {}}}, (), measure=lambda config: [{"x": 3}])
        for part in ("one", "two", "three")
    )
    seen = []

    def second(rows):
        seen.append(rows["part"].tolist())
        return two

    run_study(replace(one, then=(second, three)), "x", file=tmp_path / "r.json")
    table = read_json(tmp_path / "r.json", Results, "").table
    rows = {"part": ["one", "two", "three"], "seed": [0] * 3, "status": ["ok"] * 3, "x": [3] * 3}
    assert table.to_dict("list") == rows
    assert seen == [["one"]]


def test_run_study_draws_no_figure_that_the_report_does_not_show(study, own_results):
    one = replace(
        study,
        measure=lambda config: [{"accuracy": 0.5}],
        figure=lambda table, note: figures.dots(table, condition="rate", note=note),
    )
    paths.FIGURES.mkdir()
    run_study(one, "x")
    (drawn,) = paths.FIGURES.iterdir()  # of a new study
    drawn.unlink()
    run_study(one, "x")
    assert not list(paths.FIGURES.iterdir())
    drawn.touch()
    run_study(one, "x")
    assert drawn.stat().st_size


@pytest.mark.parametrize("name", ["table.csv", "results.json"])
def test_run_study_leaves_a_users_files(study, tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(UserError, match="choose another --out"):
        run_study(study, "x", file=tmp_path / "results.json")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "{}")]


def test_run_study_missing_videos_are_named(study, tmp_path):
    with pytest.raises(UserError, match=r"weizmann: no such folder; give .* with --videos"):
        run_study(replace(study, videos=True), "x", videos=tmp_path)


def test_run_configs_refuses_before_anything_runs(tiny):
    for options in ({"workers": 0}, {"workers": 2, "scheduler": "tcp://x:1"}):
        with pytest.raises(UserError, match="--workers"):
            run_configs([tiny], **options)
    with pytest.raises(UserError, match="unknown fold '99'"):
        run_configs([tiny, tiny.with_(split="logo", fold="99")], workers=1)
    assert not any(paths.runs_dir().iterdir())


def test_run_study_that_measures_nothing_is_no_success(study, own_results):
    with pytest.raises(RunFailed, match=r"^tiny: nothing was measured; its results are left"):
        run_study(replace(study, measure=lambda config: []), "x")
    assert not results_file("tiny").exists()
