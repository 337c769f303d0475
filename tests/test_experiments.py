import json
import os

import pytest

from ucf11lib import experiments, paths, recipes, sweep
from ucf11lib.errors import UserError


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """One cheap experiment, and how often it ran."""
    calls = []

    def cheap(videos):
        """Measure nothing much."""
        calls.append(videos)
        return {"source": "synthetic", "rows": [{"value": len(calls)}]}

    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(experiments, "EXPERIMENTS", {"cheap": cheap})
    return calls


@pytest.mark.parametrize("threads", [{}, {"TF_NUM_INTRAOP_THREADS": "1"}])
def test_a_table_says_where_it_came_from(threads, counted, tmp_path, monkeypatch):
    for name in sweep.THREADS:
        monkeypatch.delenv(name, raising=False)
    for name, value in threads.items():
        monkeypatch.setenv(name, value)
    experiments.run(["cheap"])
    table = json.loads((tmp_path / "results" / "cheap.json").read_text())
    assert set(table) == {"command", "commit", "machine", "date", "source", "rows"}
    set_first = "TF_NUM_INTRAOP_THREADS=1 " if threads else ""
    assert table["command"] == f"{set_first}python -m ucf11lib experiments cheap --force"
    assert "cores" in table["machine"]


def test_a_finished_experiment_is_not_run_again_unless_forced(counted, capsys):
    experiments.run()
    experiments.run()
    assert len(counted) == 1
    assert "--force runs it again" in capsys.readouterr().out
    experiments.run(force=True)
    assert len(counted) == 2


def test_videos_that_are_not_there_are_named(tmp_path):
    with pytest.raises(
        UserError, match=r"weizmann: no such folder; give the folder that holds weizmann/ with --videos"
    ):
        experiments.weizmann(tmp_path)


@pytest.mark.parametrize("before", [None, "AVX512_CORE"])
def test_a_bench_without_avx512_leaves_the_process_as_it_was(before, monkeypatch, tmp_path):
    name = "ONEDNN_MAX_CPU_ISA"
    monkeypatch.setenv(name, before) if before else monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(experiments.bench, "measure", lambda *args: {"limit": os.environ[name]})
    assert experiments.bench_avx2(tmp_path) == {"limit": "AVX2"}
    assert os.environ.get(name) == before


@pytest.fixture(scope="module")
def tables():
    """What the report shows."""
    return experiments.tables()


def test_the_committed_tables_are_complete(tables):
    assert {path.stem for path in paths.RESULTS.glob("*.json")} == set(tables)
    for table in tables.values():
        assert {"command", "commit", "machine", "date", "source"} < set(table)
    assert tables["checks"]["source"] == "synthetic"
    assert "real video" in tables["weizmann"]["source"]


def test_every_bar_of_the_synthetic_data_holds(tables):
    assert [row["check"] for row in tables["checks"]["rows"] if row["holds"] is False] == []


def test_c3d_of_2019_is_on_the_lattice_and_has_no_gradient(tables):
    rows = tables["autopsy"]["rows"]
    assert [(row["classes"], row["batch_size"]) for row in rows] == [(11, 2), (11, 2), (10, 2), (11, 16)]
    assert [row["width"] for row in rows[:3]] == [1, 1, 1]
    for row in rows:
        assert len(row["trace"]["loss"]) == 50
        assert row["off_lattice"] < 1e-4
        assert row["gradient_norm"] == 0


def test_the_law_of_one_layer_holds(tables):
    for row in tables["autopsy"]["signals"]:
        assert row["gain"] == pytest.approx(row["predicted"], rel=0.25)


def test_the_repaired_models_learn_by_heart_and_c3d_of_2019_does_not(tables):
    assert [row["fitted"] for row in tables["autopsy"]["overfit"]] == [True, True, True, False]
    assert all(cell["accuracy"] < 0.5 for cell in tables["autopsy"]["grid"]["2019"])
    assert max(cell["accuracy"] for cell in tables["autopsy"]["grid"]["repaired"]) == 1


def test_the_checks_cost_at_most_a_hundredth(tables):
    assert all(row["ratio"] <= 1.01 for row in tables["health"]["rows"])


def test_every_seed_of_every_repaired_model_reaches_75_percent(tables):
    found = [row for row in tables["ablation"]["rows"] if row["recipe"] == "repaired"]
    assert [row["model"] for row in found] == list(recipes.MODELS)
    assert all(min(row["accuracy"]) >= 0.75 and len(row["accuracy"]) == 3 for row in found)


def test_replicas_have_the_losses_of_one_and_a_lost_worker_costs_less_than_a_minute(tables):
    rows, lost = tables["devices"]["rows"], tables["devices"]["lost"]
    assert [(row["kind"], row["replicas"]) for row in rows] == [("mirrored", 2), ("multiworker", 2), ("multiworker", 3)]
    assert all(row["steps"] == 20 and row["deviation"] <= 1e-4 for row in [*rows, lost | {"steps": 20}])
    assert lost["seconds"] < 60
    assert (lost["codes"], lost["resumed_codes"]) == ([1, 1], [0, 0])
