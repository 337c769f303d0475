"""What tests of studies share."""

import pytest

from ucf11lib import paths
from ucf11lib.runs import RunConfig


@pytest.fixture
def own_results(tmp_path, monkeypatch):
    """Results and figures go to folders of the test's own."""
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(paths, "FIGURES", tmp_path / "figures")


@pytest.fixture(scope="session")
def tiny():
    """The configuration of a training of one step."""
    return RunConfig.of(model="cnn_lstm", profile="smoke", epochs=1, steps_per_epoch=1)
