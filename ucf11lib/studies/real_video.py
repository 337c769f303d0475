"""How do the repaired models do on real people that they have not seen?

Weizmann (Blank et al., ICCV 2005): ten actions by nine subjects. First one split by subject, then
each subject left out once, with the recipe's dropout or one half, as is selected for each subject
and model inside the other subjects' sequences. The length, nine epochs, is that with which CNN+LSTM
is better there (after six had reached 90 % of the subjects left out).

Expect: about 95 % by clip, each of the three; errors between run, skip and jump.

    python -m ucf11lib study real_video --force --videos DIR --workers 2  # 93 trainings, 7 hours
"""

from dataclasses import replace

import pandas as pd

from ucf11lib import figures
from ucf11lib.runs import REPORTED, RunConfig
from ucf11lib.studies.folds import METRICS, fold_axis, nested, pooled
from ucf11lib.studies.study import Study, over, weizmann

SUBJECTS = ("daria", "denis", "eli", "ido", "ira", "lena", "lyova", "moshe", "shahar")
CANDIDATES = ("", "dropout=0.5")


def draw(table: pd.DataFrame, note: str):
    """Draw the confusion matrices of all subjects' clips."""
    rows = table[table["fold"] == "all"].set_index("model")
    return figures.confusion(rows["confusion"], rows["classes"].iloc[0], note=note, unit="clips")


ONE_SPLIT = Study(
    name="real_video",
    question="How do the repaired models do on real people that they have not seen?",
    base=RunConfig.of(model="cnn_lstm", stride=5, batch_size=16, steps_per_epoch=80, epochs=9),
    axes={
        "data": {"Weizmann": weizmann},
        "model": over("model", REPORTED),
        "fold": {"group split": {"split": "group"}},
    },
    seeds=(0,),
    metrics=METRICS,
    figure=draw,
    videos=True,
)
SUBJECTS_OUT = pooled(replace(ONE_SPLIT, axes=ONE_SPLIT.axes | {"fold": fold_axis(SUBJECTS)}))
INNER = nested(SUBJECTS_OUT, CANDIDATES)
LENGTHS = replace(
    ONE_SPLIT,
    base=ONE_SPLIT.base.with_(dropout=0.5, inner=True),
    axes={
        "data": {"Weizmann": weizmann},
        "model": over("model", ("cnn_lstm",)),
        "fold": fold_axis(SUBJECTS),
        "epochs": over("epochs", (6, 9)),
    },
)
STUDY = replace(ONE_SPLIT, then=(LENGTHS, INNER, *INNER.then))
