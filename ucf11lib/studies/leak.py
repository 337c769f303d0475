"""How much accuracy does a split let through that a model need not have learned?

With `random` the held-out part has other sequences of the clips that are trained on, with `video`
other clips of the same performer and place, with `group` neither. The nearest training sequence in
pixel space learns nothing: what it gets right, a model need not have learned.

Expect: on synthetic data the nearest neighbour is right for nearly all of `random` and for a tenth
of `group`. Short trainings, since only splits are compared.

    python -m ucf11lib study leak --force --videos DIR  # 18 trainings, estimated 15 min on 2 cores
"""

import numpy as np

from ucf11lib import figures
from ucf11lib.data import split
from ucf11lib.evaluation.baselines import nearest_neighbour
from ucf11lib.evaluation.predict import own_store
from ucf11lib.runs import Run, RunConfig
from ucf11lib.runs.specs import SPLITS
from ucf11lib.studies.study import Study, over, weizmann


def nearest_accuracy(run: Run) -> float:
    """Return the accuracy of the nearest training sequence on a run's split."""
    store = own_store(run)
    parts = split(store, run.config)
    return float((nearest_neighbour(store, parts) == store.labels[parts.validation]).mean())


def share_with_clip(run: Run) -> float:
    """Return the share of held-out sequences with another sequence of their clip in training."""
    store = own_store(run)
    parts = split(store, run.config)
    return float(np.isin(store.clips[parts.validation], store.clips[parts.train]).mean())


def draw(table, note):
    """Draw the model and the nearest neighbour side by side."""
    names = {"accuracy": "cnn_lstm", "nearest": "nearest neighbour in pixels"}
    renamed = table.rename(columns=names)
    long = renamed.melt(["data", "split"], names.values(), "answer", "accuracy")
    columns = {"condition": "split", "group": "answer", "panel": "data"}
    return figures.dots(long, **columns, note=note)


STUDY = Study(
    name="leak",
    question="How much accuracy does a split let through that a model need not have learned?",
    base=RunConfig.of(model="cnn_lstm", batch_size=16, steps_per_epoch=80, epochs=3),
    axes={
        "data": {"synthetic": {}, "Weizmann": weizmann},
        "split": over("split", SPLITS),
    },
    metrics=("n_train", "n_val", "accuracy", "accuracy_clip"),
    probes={"nearest": nearest_accuracy, "share_with_clip": share_with_clip},
    figure=draw,
    videos=True,
)
