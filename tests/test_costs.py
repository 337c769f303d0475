import json

from ucf11lib import costs

TAKEN = {"kernel": 1.0, "imports": 4.0, "training": 60.0, "other cells": 10.0, "HTML copy": 2.0}


def test_the_seconds_of_the_main_job_are_told_apart(tmp_path):
    seconds = {"01_m": TAKEN, "02_table": TAKEN | {"training": 0.0, "other cells": 3.0}, "report": None}
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps({"plan": {}, "steps": {name: {"seconds": taken} for name, taken in seconds.items()}}))
    table = costs.seconds_table(file).set_index("notebook, seconds")
    assert list(table.index) == ["01_m", "02_table", "all"]
    assert list(table["training"]) == ["60", "0", "60"]
    assert list(table["other cells"]) == ["10", "3", "13"]
    assert list(table["total"]) == ["77", "10", "87"]
    assert list(table["share of training"]) == ["78 %", "0 %", "69 %"]


def test_nothing_recorded_is_no_table(tmp_path):
    assert costs.seconds_table(tmp_path / "manifest.json") is None
