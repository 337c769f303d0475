import json

import pytest

from ucf11lib import experiments, paths
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


def test_a_table_says_where_it_came_from(counted, tmp_path):
    experiments.run(["cheap"])
    table = json.loads((tmp_path / "results" / "cheap.json").read_text())
    assert set(table) == {"command", "commit", "machine", "date", "source", "rows"}
    assert table["command"] == "python -m ucf11lib experiments cheap --force"
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


def test_the_committed_tables_are_complete():
    """The report shows these two; every bar of the synthetic data holds."""
    tables = {path.stem: json.loads(path.read_text()) for path in paths.RESULTS.glob("*.json")}
    assert {"checks", "weizmann"} <= set(tables)
    for table in tables.values():
        assert {"command", "commit", "machine", "date", "source", "rows"} <= set(table)
    assert tables["checks"]["source"] == "synthetic"
    assert "real video" in tables["weizmann"]["source"]
    broken = [row["check"] for row in tables["checks"]["rows"] if row["holds"] is False]
    assert broken == []
