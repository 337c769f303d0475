"""How accurate are the repaired models on unseen groups, and how far does a seed move that?

A seed moves split, weights, order, augmentation and dropout together. Learning rates and
augmentation were chosen on the held-out part of seed 0, label smoothing and dropout on inner splits
of the training parts of seeds 0 and 1, all with other synthetic data. The lengths divide some 200
seconds of two cores with AMX so that each network fits about 97 % of its training part. They were
set after a look at this study with 7, 9 and 9 epochs (means of 96.6, 91.7 and 92.1 %).

Expect: means of 92 to 95 %, ranges of three to nine points, so that one seed ranks nothing.

    python -m ucf11lib study five_seeds --force  # 15 trainings, estimated 35 min on 2 cores
"""

import pandas as pd

from ucf11lib import figures
from ucf11lib.evaluation.metrics import answered_right
from ucf11lib.runs import REPORTED, Run, RunConfig
from ucf11lib.studies.study import Study, over


def right_by_group(run: Run) -> list[list[int]]:
    """Return each held-out group's right answers and sequences."""
    held_out = run.held_out
    right = answered_right(held_out["y_prob"], held_out["y_true"])
    return pd.Series(right).groupby(held_out["groups"]).agg(["sum", "size"]).to_numpy(int).tolist()


STUDY = Study(
    name="five_seeds",
    question="How accurate are the repaired models on unseen groups, over five seeds?",
    base=RunConfig.of(model="c3d"),
    axes={"model": over("model", REPORTED)},
    seeds=(0, 1, 2, 3, 4),
    metrics=("accuracy", "n_val", "seconds", "parameters", "precision"),
    probes={"right_by_group": right_by_group},
    figure=lambda table, note: figures.dots(table, condition="model", target=0.75, note=note),
)
