"""What the explorer refuses; its page is looked at in tests/slow."""

import json
import os
import shutil

import numpy as np
import pytest

from ucf11lib.errors import UserError
from ucf11lib.report.explorer import explore
from ucf11lib.runs import Run


@pytest.fixture
def run(tmp_path, trained):
    """A copy of a finished run, to be damaged."""
    shutil.copytree(trained.path, tmp_path / "run")
    return Run.open(tmp_path / "run")


def no_network(run):
    raise AssertionError("refused before a network is loaded")


def test_explore_does_not_replace_what_is_no_explorer(run):
    page = run.path / "explorer.html"
    page.write_text("mine")
    with pytest.raises(UserError, match=r"explorer.html: exists, and is no page .* --out"):
        explore([run], no_network)
    assert page.read_text() == "mine"
    page.unlink()
    os.mkfifo(page)  # that nobody writes to
    (run.path / "link.html").symlink_to("nowhere")
    for path in (page, run.path / "link.html"):
        with pytest.raises(UserError, match=r"html: exists, and is no page"):
            explore([run], no_network, path)


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("y_true", lambda labels: labels[::-1], "labels that are not its store's"),
        ("index", lambda index: index + 10**6, "out of bounds"),
        ("y_prob", lambda shares: shares * np.nan, "not finite"),
    ],
)
def test_explore_damaged_predictions_are_one_line(run, key, change, message):
    changed = run.predictions | {key: change(run.predictions[key])}
    np.savez(run.path / "predictions.npz", **changed)
    with pytest.raises(UserError, match=rf"predictions.npz: damaged \(.*{message}.*train again"):
        explore([Run.open(run.path)], no_network)
    assert not (run.path / "explorer.html").exists()


def test_explore_runs_of_two_stores_are_refused(run, trained):
    config = json.loads((run.path / "config.json").read_text())
    config["store_sha256"] = {"frames": "f" * 64}
    (run.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"was trained on another store than .*; explore runs"):
        explore([trained, Run.open(run.path)], no_network)
