import numpy as np

from ucf11lib import cards


def test_the_command_makes_the_same_run():
    config = {"model": "c3d", "recipe": "repaired", "profile": "quick", "source": "synthetic", "data": "",
              "split": "group", "seed": 2, "settings": "epochs=3,flip=false"}  # fmt: skip
    assert cards.command(config) == (
        "python -m ucf11lib train c3d --recipe repaired --profile quick --source synthetic --split group "
        "--set epochs=3 --set flip=false --seed 2"
    )


def test_the_most_frequent_errors_come_first_and_right_answers_are_none():
    confusion = np.array([[5, 2, 0], [1, 4, 0], [0, 3, 9]])
    found = cards.frequent_errors(confusion, ["run", "walk", "jump"], most=2)
    assert found == "jump taken for walk (3 of 12); run taken for walk (2 of 7)"
    assert cards.frequent_errors(np.diag([3, 0, 2]), ["run", "walk", "jump"]) == "none"


def test_classes_that_do_not_occur_are_neither_best_nor_worst():
    assert cards.extremes([None, 0.5, 1.0], ["a", "b", "c"]) == {"best": "c 100.0 %", "worst": "b 50.0 %"}


def test_one_group_has_no_interval():
    assert cards.shown_interval(None) == "one group held out: no interval"
    assert cards.shown_interval([0.5, 0.876]) == "95 % interval over groups 50.0 to 87.6 %"
