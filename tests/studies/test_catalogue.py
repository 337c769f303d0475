import json
import re
import shlex
from dataclasses import asdict, replace

import pandas as pd
import pytest
from matplotlib.figure import Figure

from ucf11lib import paths
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.studies import STUDIES, catalogue, draw, load, run_studies
from ucf11lib.studies.cluster import THREADS
from ucf11lib.studies.results import results_file
from ucf11lib.studies.study import Study


@pytest.fixture
def cheap(own_results, tiny, monkeypatch):
    """One study without trainings, and how often it ran."""
    calls = []

    def measure(config):
        calls.append(config)
        return [{"accuracy": 0.5}]

    study = Study("cheap", "what?", tiny, {"part": {"one": {}}}, (), measure=measure)
    studies = {name: replace(study, name=name) for name in ("cheap", "other")}
    monkeypatch.setattr(catalogue, "STUDIES", studies)
    return calls


@pytest.mark.parametrize("name", [path.stem for path in paths.RESULTS.glob("*.json")])
def test_committed_results_load_and_draw(name):
    results = load(name)
    assert results.study == name
    assert all((results.command, results.commit, results.date, results.machine, results.source))
    assert len(results.formatted().splitlines()) in (len(results.rows) + n for n in (1, 2))
    assert isinstance(draw(name), Figure)


def test_committed_results_are_of_the_studies():
    assert {path.stem for path in paths.RESULTS.glob("*.json")} == set(STUDIES)
    table = load("repairs").table
    last = table[table["change"] == table["change"].iloc[-1]].groupby("model")["accuracy"]
    assert last.size().tolist() == [3, 3, 3]
    assert last.min().min() >= 0.75  # every repaired model, with every seed


def test_run_studies_runs_again_only_by_force(cheap, monkeypatch, capsys):
    monkeypatch.delenv(THREADS[0], raising=False)
    monkeypatch.setenv(THREADS[1], "1")
    run_studies(["cheap"])
    run_studies(["cheap"])
    assert len(cheap) == 1
    assert "--force runs it again" in capsys.readouterr().out
    run_studies(["cheap"], force=True)
    assert len(cheap) == 2
    assert load("cheap").command == f"{THREADS[1]}=1 python -m ucf11lib study cheap --force"


def test_run_studies_unknown_name_runs_nothing(cheap):
    with pytest.raises(UserError, match="unknown study 'luck'; choose one of cheap, other"):
        run_studies(["cheap", "luck"])
    assert cheap == []


def test_run_studies_names_videos_that_are_not_there_also_beside_results(cheap):
    run_studies(["cheap"])
    with pytest.raises(UserError, match=r"^nowhere/weizmann: no such folder; .* with --videos"):
        run_studies(["cheap"], videos="nowhere")


@pytest.mark.slow
def test_run_studies_of_a_grid_leaves_results_table_and_figure(tmp_path):
    base = "base: {model: cnn_lstm, profile: smoke, epochs: 1, steps_per_epoch: 1}\n"
    (tmp_path / "of two.yaml").write_text(f"{base}grid: {{learning_rate: [0.01, 0.001]}}")
    run_studies([f"{tmp_path}/of two.yaml"], workers=1)
    (folder,) = paths.runs_dir().glob("study-of two-*")
    command = json.loads((folder / "results.json").read_text())["command"]
    assert shlex.split(command)[-2:] == [f"{tmp_path}/of two.yaml", "--force"]
    assert {path.name for path in folder.iterdir()} == {"accuracy.svg", "results.json", "table.csv"}
    table = pd.read_csv(folder / "table.csv")
    assert table["learning_rate"].tolist() == [0.01, 0.001]
    assert table["accuracy"].between(0, 1).all()


def test_check_prints_a_line_a_study(cheap, capsys):
    run_studies(["cheap"])
    capsys.readouterr()
    catalogue.check()
    assert capsys.readouterr().out.splitlines() == ["cheap: fresh", "other: never run"]
    old = asdict(load("cheap")) | {"configs": {}}
    paths.write_json(results_file("cheap"), old)
    results_file("other").write_text("{")
    with pytest.raises(RunFailed, match="stale results: cheap, other; run 'study NAME --force'"):
        catalogue.check()
    first, second = capsys.readouterr().out.splitlines()
    assert re.match(r"cheap: stale: \d+ of its configurations have changed", first)
    assert re.match(r"other: stale: .*other.json: unreadable", second)


def test_check_continues_after_a_study_that_cannot_be_compared(cheap, monkeypatch, capsys):
    run_studies(["cheap", "other"])

    def diverged(_rows):
        raise RunFailed("no candidate has a finite loss")

    broken = replace(catalogue.STUDIES["cheap"], then=(diverged,))
    monkeypatch.setitem(catalogue.STUDIES, "cheap", broken)
    capsys.readouterr()
    with pytest.raises(RunFailed, match="stale results: cheap;"):
        catalogue.check()
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["cheap: stale: no candidate has a finite loss", "other: fresh"]
