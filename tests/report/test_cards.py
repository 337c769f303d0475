import shlex

import numpy as np
import pytest

from ucf11lib import training
from ucf11lib.__main__ import parser
from ucf11lib.report import cards
from ucf11lib.runs import RunConfig


@pytest.mark.parametrize(
    ("flat", "words"),
    [
        ({}, ""),
        ({"epochs": 9, "flip": False}, "--set flip=False --set epochs=9"),
        ({"split": "logo", "fold": "07", "precision": "bfloat16"}, "--precision bfloat16"),
        ({"health": False, "deterministic": True}, "--no-health --deterministic"),
        ({"source": "videos", "data": "/my videos"}, "--data '/my videos'"),
        ({"split": "random", "recipe": "2019", "profile": "full"}, "--split random"),
    ],
)
def test_train_command_builds_the_same_configuration(flat, words, monkeypatch):
    config = RunConfig.of(model="c3d", seed=2, **flat)
    command = cards.train_command(config)
    assert words in command
    asked = []
    monkeypatch.setattr(training, "train", lambda config, *_, **__: asked.append(config) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        (args := parser().parse_args(shlex.split(command)[3:])).call(args)
    assert asked == [config]


def test_frequent_errors_come_first_and_right_answers_are_none():
    confusion = np.array([[5, 2, 0], [1, 4, 0], [0, 3, 9]])
    names = ["run", "walk", "jump"]
    errors = cards.frequent_errors(confusion, names, most=2)
    assert errors == "jump predicted as walk (3 of 12); run predicted as walk (2 of 7)"
    assert cards.frequent_errors(np.diag([3, 0, 2]), names) == "none"


def test_extremes_ignores_classes_that_do_not_occur():
    extremes = cards.extremes([None, 0.5, 1.0], ["a", "b", "c"])
    assert extremes == {"best": "c 100.0 %", "worst": "b 50.0 %"}
