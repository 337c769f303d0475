import json
import math

from ucf11lib import costs

TAKEN = {"kernel": 1.0, "imports": 4.0, "training": 60.0, "other cells": 10.0, "HTML copy": 2.0}


def test_the_seconds_of_the_main_job_are_told_apart(tmp_path):
    seconds = {"01_m": TAKEN, "02_table": TAKEN | {"training": 0.0, "other cells": 3.0}, "report": None}
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps({"plan": {}, "steps": {name: {"seconds": taken} for name, taken in seconds.items()}}))
    table = costs.seconds_table(file).set_index("notebook, seconds")
    assert list(table.index) == ["01 m", "02 table", "all"]
    assert list(table["training"]) == ["60", "0", "60"]
    assert list(table["other cells"]) == ["10", "3", "13"]
    assert list(table["total"]) == ["77", "10", "87"]
    assert list(table["share of training"]) == ["78 %", "0 %", "69 %"]


def test_nothing_recorded_is_no_table(tmp_path):
    assert costs.seconds_table(tmp_path / "manifest.json") is None


def test_the_verdict_tells_how_far_ahead_the_repaired_recipe_is():
    assert costs.verdict({"C3D": 3.21, "VGG9": math.inf}) == "C3D: 3.2 times; VGG9: no other within 3 times"


def test_growth_and_start_are_told_in_words():
    row = {"against": "batch_size", "values": [4, 64], "seconds": [0.5, 6.0], "peak_mb": [900.0, 990.0]}
    growth = costs.growth_table([row | {"time_exponent": 0.9, "memory_exponent": 0.034}])
    assert growth.iloc[0].tolist() == ["sequences a batch", "4, 64", "0.50, 6.00", "0.90", "900, 990", "0.034"]
    parts = {"process": 0.1, "imports": 4.0, "build": 1.0, "trace": 2.0, "seconds": 7.1}
    assert costs.start_table([{"model": "c3d"} | parts]).iloc[0].tolist() == ["C3D", "0.1", "4.0", "1.0", "2.0", "7.1"]
