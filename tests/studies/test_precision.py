import platform

import pytest

from ucf11lib import paths
from ucf11lib.runs import Run
from ucf11lib.studies import precision


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="SSE4.1 is of x86-64")
def test_limited_row_trains_with_fewer_instructions_and_apart(tiny, monkeypatch, capfd):
    monkeypatch.setenv("ONEDNN_VERBOSE", "1")
    monkeypatch.setattr(precision, "ISA", "SSE41")  # this processor may have no more than AVX2
    config = tiny.with_(seed=7, precision="float32")
    (row,) = precision.limited_row(config)
    assert "cpu,isa:Intel SSE4.1\n" in capfd.readouterr().out
    run = Run.open(paths.runs_dir() / "avx2" / config.name)
    assert row["accuracy"] == run.metrics["accuracy"]
    assert not (paths.runs_dir() / config.name).exists()


def test_stages_differ_in_their_arithmetic_alone():
    limited = precision.STUDY.then[0].points()
    assert {config.precision for config in limited} == {"float32"}
    assert set(limited) < set(precision.STUDY.points())
