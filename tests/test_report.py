import re
import shutil

import pytest

from ucf11lib import jobs, paths, recipes, report, runs
from ucf11lib.config import RunConfig
from ucf11lib.errors import RunFailed, UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory, store):
    folder = tmp_path_factory.mktemp("runs")
    for model in recipes.MODELS:
        config = RunConfig(model, profile="smoke")
        jobs.train(config, folder / config.name, store=store, say=lambda line: None)
    return folder


def test_same_runs_same_bytes(folder, tmp_path):
    first = report.build(folder, figures=paths.FIGURES, to=tmp_path / "a")
    second = report.build(folder, figures=paths.FIGURES, to=tmp_path / "b")
    assert [path.name for path in first] == ["report.html", "report.pdf", "models.md"]
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes()


def test_the_numbers_are_those_of_the_runs(folder, tmp_path):
    html = report.build(folder, figures=paths.FIGURES, to=tmp_path)[0].read_text()
    for run in runs.find(folder):
        assert f"{100 * run.metrics['accuracy']:.1f} %" in html
        assert f"{run.metrics['parameters']:,}" in html
    assert len(re.findall("<figcaption", html)) == len(re.findall(r"<strong>Figure \d+\.</strong>", html)) > 10
    assert "<!-- film_strips.png: python -m ucf11lib" in html


def test_a_card_a_model_says_what_was_measured_and_on_what(folder, tmp_path):
    text = report.build(folder, figures=paths.FIGURES, to=tmp_path)[2].read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## C3D", "## VGG9", "## CNN+LSTM"]
    for run in runs.find(folder):
        low, _ = run.metrics["interval"]
        assert f"| {100 * run.metrics['accuracy']:.1f} % (95 % interval over groups {100 * low:.1f} to" in text
        assert f"`runs/{run.path.name}`" in text
    assert text.count("The data are drawn; no number here says anything about UCF-11") == 3


def test_an_undefined_number_fails_the_build(folder, tmp_path, monkeypatch):
    shutil.copytree(paths.REPORT, tmp_path / "report")
    template = tmp_path / "report" / "report.md"
    template.write_text(template.read_text() + "\n<< runs.c3d.metrics.luck >>\n")
    monkeypatch.setattr(paths, "REPORT", tmp_path / "report")
    with pytest.raises(RunFailed, match="no attribute 'luck'"):
        report.build(folder, figures=paths.FIGURES, to=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_figure_is_named(folder, tmp_path):
    with pytest.raises(UserError, match=r"film_strips.png: no such figure; make it with 'make report'"):
        report.build(folder, figures=tmp_path, to=tmp_path / "out")


def test_no_runs(tmp_path):
    with pytest.raises(UserError, match="make them with 'make report'"):
        report.build(tmp_path, to=tmp_path / "out")


def test_the_readmes_table_is_replaced(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    begin, end = report.README_MARKS
    (tmp_path / "README.md").write_text(f"# before\n{begin}\nold\n{end}\nafter\n")
    found = report.choose(runs.find(folder))
    report.update_readme(found)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("# before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| C3D |" in text
    assert "synthetic data" in text
    (tmp_path / "README.md").write_text("no marks")
    with pytest.raises(RunFailed, match="marks"):
        report.update_readme(found)


def test_the_default_runs_are_preferred(folder):
    found = report.choose(runs.find(folder))
    assert list(found) == ["c3d", "vgg9", "cnn_lstm"]
    assert all(run.config["profile"] == "smoke" for run in found.values())


def test_only_the_recipe_as_it_is_stands_in_the_report(folder, store, tmp_path):
    shutil.copytree(folder, tmp_path / "runs")
    for change in ({"settings": "epochs=1"}, {"health": False}):
        config = RunConfig("c3d", profile="smoke", **change)
        jobs.train(config, tmp_path / "runs" / config.name, store=store, say=lambda line: None)
    found = report.choose(runs.find(tmp_path / "runs"))
    assert found["c3d"].path.name == RunConfig("c3d", profile="smoke").name
    changed = RunConfig("c3d", profile="smoke", settings="epochs=1").name
    assert "recipe repaired with epochs=1, profile smoke" in runs.Run(tmp_path / "runs" / changed).note


def test_tables_are_pipe_tables():
    table = recipes.changes(recipes.recipe("2019", "c3d"), recipes.recipe("repaired", "c3d"))
    lines = report.pipe_table(table).splitlines()
    assert lines[0] == "| setting | recipe 2019 | recipe repaired |"
    assert lines[1] == "| :--- | :--- | :--- |"
    assert len(lines) == 2 + len(table)


def test_what_each_fold_chose_is_shown_with_its_loss():
    rows = [{"model": "cnn_lstm", "folds": [{"accuracy_clip": 0.9}, {"accuracy_clip": 1.0}]}]
    choice = {"ido": {"": 0.5, "test flip": 0.625, "stride=5,dropout=0.5": 0.25}, "ira": {"": 0.125, "test flip": 0.25}}
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in report.folds_table(rows, choice).splitlines()
    ]
    assert lines[0] == ["left out", "CNN+LSTM", "chosen", "log loss", "of the recipe as it is"]
    assert lines[-2] == ["ido", "90 %", "stride=5, dropout=0.5", "0.25", "0.50"]
    assert lines[-1] == ["ira", "100 %", "recipe as it is", "0.12", "0.12"]
