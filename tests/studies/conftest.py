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
    """The configuration of a training of one step, of a network that no check stops."""
    small = {"epochs": 1, "steps_per_epoch": 1, "groups": 3, "health": False}
    return RunConfig.of(model="cnn_lstm", profile="smoke", **small)


@pytest.fixture
def occupied():
    """Make a configuration fail: its run folders hold something else; return one of them."""

    def occupy(config):
        for name in (config.name, f"{config.name}-{config.digest}"):
            (paths.runs_dir() / name).mkdir(parents=True)
            (paths.runs_dir() / name / "thesis.tex").write_text("x")
        return paths.runs_dir() / config.name

    return occupy
