"""Run folders written by hand: the report needs no training."""

import re
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ucf11lib import paths
from ucf11lib.evaluation import measure_predictions
from ucf11lib.runs import REPORTED, Run, RunConfig
from ucf11lib.runs.records import StoreRecord
from ucf11lib.studies import results

CLASSES = ("biking", "diving", "walking")
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><path d="M0 0H4" /></svg>'


@pytest.fixture(autouse=True)
def _no_first_losses(monkeypatch):
    """Whether code gives other losses than the studies' takes a minute: tests/slow asks it."""
    monkeypatch.setattr(results, "fingerprint", lambda configs: {})


def plant_run(folder, model, **flat):
    """Write a finished run of 24 held-out sequences of 12 clips of 6 groups."""
    config = RunConfig.of(**{"precision": "float32", "profile": "smoke", "model": model} | flat)
    path = folder / config.name
    record = StoreRecord("s", {"frames": "f" * 64}, "synthetic data", CLASSES, 30, 64)
    paths.write_json(path / "config.json", config.as_dict() | asdict(record))
    packages = {"tensorflow": "2.21.0", "keras": "3.15.1"}
    paths.write_json(path / "environment.json", {
        "python": "3.11.7", "system": "Linux", "packages": packages, "devices": ["CPU:0"],
        "processor": "A processor", "instruction_sets": ["avx2"], "cores": 2, "commit": "1" * 40,
        "uncommitted_changes": False,
    })  # fmt: skip
    columns = "epoch,loss,accuracy,val_loss,val_accuracy,seconds"
    (path / "history.csv").write_text(f"{columns}\n1,1.1,0.4,1.0,0.5,2.0\n")
    index = np.arange(24)
    y_true = index % len(CLASSES)
    draw = np.random.default_rng(REPORTED.index(model))
    y_prob = draw.dirichlet(np.ones(3), 24) + np.eye(3)[y_true] * 0.3
    y_prob = (y_prob / y_prob.sum(axis=1, keepdims=True)).astype("float32")
    np.savez(path / "predictions.npz", index=index, y_true=y_true, y_prob=y_prob)
    clips, groups = (index // 2 * 3 + y_true).astype(str), (index // 4).astype(str)
    units = pd.DataFrame({"index": index, "clip": clips, "group": groups, "side": "held out"})
    units.to_csv(path / "split.csv", index=False)
    names = {"model": model, "recipe": config.recipe.name, "profile": "smoke"}
    paths.write_json(path / "metrics.json", names | {
        "source": "synthetic", "split": "group", "fold": "", "seed": 0, "precision": "float32",
        "classes": CLASSES, "n_train": 48, "n_val": 24, "parameters": 12345, "epochs": 1,
        **measure_predictions(y_true, y_prob, clips, groups),
        "val_loss": 1.0, "seconds": 2.0, "seconds_to_75": None, "sequences_to_75": None,
        "sequences_per_second": 9.0, "peak_rss_mb": 99.0, "status": "ok", "findings": [],
    })  # fmt: skip
    return Run.open(path)


@pytest.fixture
def folder(tmp_path):
    """A folder with a run of each reported model."""
    for model in REPORTED:
        plant_run(tmp_path / "planted", model)
    return tmp_path / "planted"


@pytest.fixture(scope="session")
def figures_dir(tmp_path_factory):
    """A placeholder for each figure that the report names."""
    folder = tmp_path_factory.mktemp("figures")
    template = (paths.REPORT / "report.md").read_text()
    names = re.findall(r'figure\("(\w+\.\w+)"', template)
    of_models = re.findall(r'figure\("(\w+_)" ~ model ~ ([^,]+),', template)
    for start, ends in of_models:  # one for HTML, one for paper
        suffixes = re.findall(r"\.\w+", ends)
        names += [f"{start}{model}{end}" for end in suffixes for model in REPORTED]
    for name in names:
        if name.endswith("svg"):
            (folder / name).write_text(SVG)
        else:
            Image.new("RGB", (1, 1)).save(folder / name)
    return folder


@pytest.fixture
def plant():
    """The function that writes a run folder."""
    return plant_run
