import pytest

from ucf11lib import paths
from ucf11lib.errors import RunFailed
from ucf11lib.runs import RunConfig
from ucf11lib.studies import cluster


@pytest.fixture
def own_results(tmp_path, monkeypatch):
    """Results and figures go to folders of the test's own."""
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(paths, "FIGURES", tmp_path / "figures")


@pytest.fixture(scope="session")
def tiny():
    """The configuration of a training of one step, of a network that no check stops."""
    small = {"epochs": 1, "steps_per_epoch": 1, "groups": 3, "health": False}
    return RunConfig.of(model="frame_cnn", profile="smoke", **small)


@pytest.fixture
def failing(monkeypatch):
    """Make the training of one configuration fail in this process."""
    train = cluster.train_or_load

    def fail(config):
        def train_others(other, **options):
            if other == config:
                raise RunFailed("out of memory")
            return train(other, **options)

        monkeypatch.setattr(cluster, "train_or_load", train_others)

    return fail
