import pandas as pd
import pytest

from ucf11lib.runs import REPORTED
from ucf11lib.runs.recipes import RECIPES
from ucf11lib.studies.time_to_75 import CHECK_EVERY_SEQUENCES, STUDY, draw, rivals

ROWS = pd.DataFrame(
    [
        {"data": data, "source": source, "model": model, "recipe": "repaired", "seed": seed,
         "val_accuracy": [0.1] * (4 + seed)}
        for data, source in (("synthetic", "synthetic"), ("Weizmann", "videos"))
        for model in REPORTED for seed in range(3)
    ]
)  # fmt: skip


def test_every_run_is_validated_after_equally_many_sequences():
    for config in [*STUDY.points(), *rivals(ROWS).points()]:
        sequences = config.recipe.batch_size * config.profile.steps_per_epoch
        assert (sequences, config.recipe.target_accuracy) == (CHECK_EVERY_SEQUENCES, 0.75)
    lengths = {one.model: one.profile.epochs * CHECK_EVERY_SEQUENCES for one in STUDY.points()}
    assert lengths == {"c3d": 4800, "vgg9": 10560, "cnn_lstm": 9600}


def test_rivals_have_three_times_the_longest_repaired_run():
    later = ROWS.assign(recipe="2019", val_accuracy=[[0.1] * 99] * len(ROWS))
    points = rivals(pd.concat([ROWS, later])).points()
    assert {(one.profile.epochs, one.seed) for one in points} == {(3 * 6, 0)}
    assert {labels["recipe"] for labels in points.values()} == set(RECIPES) - {"repaired"}


def test_draw_has_a_line_a_run():
    curves = [line for line in draw(ROWS, "note").axes[0].lines if len(line.get_xdata()) > 3]
    assert [len(curve.get_xdata()) for curve in curves] == [4, 5, 6]
    assert list(curves[0].get_xdata()) == pytest.approx([320, 640, 960, 1280])
