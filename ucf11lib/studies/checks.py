"""Is the synthetic data neither trivial nor hopeless, and hard because of motion?

What do baselines without a network reach, and how many of the known boundaries of clips and groups
are recovered as for the course's files?

Expect: a colour histogram of one frame at most 25 %, optical flow about 80 %; the CNN of CNN+LSTM
without its LSTM at least 10 points below CNN+LSTM; shuffled frames at least 10 points lower; the
random split higher than the group split; nearly all boundaries of clips recovered.

    python -m ucf11lib study checks --force --videos DIR  # 30 trainings, about 75 min on 2 cores
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ucf11lib import figures, models
from ucf11lib.data import open_or_prepare, split
from ucf11lib.data.course.recover import Recovery, boundary_scores
from ucf11lib.evaluation.baselines import COLOURS, baselines_table
from ucf11lib.evaluation.perturbations import conditions_table
from ucf11lib.evaluation.predict import own_store
from ucf11lib.runs import REPORTED, Run, RunConfig
from ucf11lib.studies.folds import fold_axis
from ucf11lib.studies.real_video import SUBJECTS
from ucf11lib.studies.study import Axis, Changes, Study, over, weizmann
from ucf11lib.text import display_name

FRAME_CNN = "frame_cnn"


def shuffled_frames(run: Run) -> float:
    """Return the accuracy with each held-out sequence's frames in random order."""
    indices = run.predictions["index"]
    table = conditions_table(models.load(run), own_store(run), indices, ["frames shuffled"])
    return float(table["accuracy"].iloc[0])


def baseline_rows(config: RunConfig) -> list[dict]:
    """Return the accuracy of each baseline on a split, and its number of held-out sequences."""
    store = open_or_prepare(config.data)
    table = baselines_table(store, split(store, config)).reset_index()
    return table[["baseline", "accuracy", "sequences"]].to_dict("records")


def boundaries(config: RunConfig) -> list[dict]:
    """Return precision and recall of the recovered boundaries of a store's clips and groups."""
    store = open_or_prepare(config.data)
    order = np.argsort(store.labels, kind="stable")
    recovery = Recovery()
    for i in order:
        recovery.add(store.frames[i], int(store.labels[i]))
    units = {"clip": (store.clips, recovery.clips), "group": (store.groups, recovery.groups())}
    row: dict[str, float | None] = {}
    for unit, (truth, estimate) in units.items():
        scores = boundary_scores(truth[order], estimate, store.labels[order])
        row |= {f"{unit}_{key}": scores[key] for key in ("precision", "recall")}
    return [row]


def bars_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row a check: check, value (mean over seeds), its bar (low, high), and `holds`."""
    colours = table[table["baseline"].eq(COLOURS) & table["data"].eq("synthetic")]
    rows = [("colour histogram of one frame", colours["accuracy"].mean(), 0.0, 0.25)]
    means = table.groupby(["model", "split"], sort=False).mean(numeric_only=True)
    group, random = means.xs("group", level="split"), means.xs("random", level="split")
    for model, value in group["accuracy"].items():
        name = display_name(model)
        if FRAME_CNN in model:
            bar = group["accuracy"]["cnn_lstm"] - 0.1
            rows.append((f"{name}, group split", value, 0.0, bar))
            continue
        rows.append((f"{name}, group split", value, 0.9, 0.995))
        if model != "vgg9":  # it has no bar: its frames are independent
            shuffled = group["shuffled"][model]
            rows.append((f"{name}, frames shuffled", shuffled, 0.0, value - 0.1))
        leak = random["accuracy"][model] - value
        rows.append((f"{name}, random split minus group split", leak, 0.0, 1.0))
    bars = pd.DataFrame(rows, columns=["check", "value", "low", "high"])
    return bars.assign(holds=bars["value"].between(bars["low"], bars["high"]))


def ucf101(_: RunConfig, videos: Path) -> dict[str, str]:
    """Return the changes for eleven clips of UCF-101."""
    return {"source": "videos", "data": str(videos / "ucf101_sample")}


def draw(table: pd.DataFrame, note: str):
    """Draw each model's accuracy on both splits."""
    rows = table.dropna(subset=["model"])
    return figures.dots(rows, condition="model", group="split", note=note)


SEQUENCE_INPUT = {"frame_cnn sequence input": {"model": FRAME_CNN, "inputs": "sequence"}}
TRAININGS = Study(
    name="checks",
    question="Is the synthetic data neither trivial nor hopeless, and hard because of motion?",
    base=RunConfig.of(model="c3d"),
    axes={
        "model": over("model", (*REPORTED, FRAME_CNN)) | SEQUENCE_INPUT,
        "split": over("split", ("group", "random")),
    },
    probes={"shuffled": shuffled_frames},
    figure=draw,
    videos=True,
)
WITHOUT_NETWORK = replace(TRAININGS, axes={"data": {"synthetic": {}}}, measure=baseline_rows)
SUBJECTS_OUT: dict[str, Axis] = {"data": {"Weizmann": weizmann}, "fold": fold_axis(SUBJECTS)}
SUBJECTS_WITHOUT = replace(WITHOUT_NETWORK, axes=SUBJECTS_OUT, seeds=(0,))
SOURCES: dict[str, Changes] = {"Weizmann": weizmann, "UCF-101, eleven clips": ucf101}
SOURCES |= {"synthetic, the course's size": {"profile": "full"}}
BOUNDARIES = replace(TRAININGS, axes={"boundaries_of": SOURCES}, seeds=(), measure=boundaries)
STUDY = replace(TRAININGS, then=(WITHOUT_NETWORK, SUBJECTS_WITHOUT, BOUNDARIES))
