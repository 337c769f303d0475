import numpy as np
import pytest

from ucf11lib.errors import UserError
from ucf11lib.evaluation.comparison import compare_pair, pairs_table


def held_out(right, per_clip=2):
    """Sequences of clips of class 0, each right or wrong; four clips a group."""
    clips = np.arange(len(right))
    sides = {
        "y_true": np.zeros(len(right), int),
        "y_prob": np.eye(2)[np.where(right, 0, 1)],
        "clips": np.array([f"clip{i:02d}" for i in clips]),
        "groups": np.array([f"group{i // 4}" for i in clips]),
    }
    return {key: np.repeat(values, per_clip, axis=0) for key, values in sides.items()}


def test_compare_pair_by_hand():
    a = [True] * 8 + [True] * 9 + [False] * 2 + [False] * 1
    b = [True] * 8 + [False] * 9 + [True] * 2 + [False] * 1
    result = compare_pair(held_out(a), held_out(b, per_clip=3))
    counts = [result[key] for key in ("clips", "both_right", "only_a", "only_b", "neither")]
    assert counts == [20, 8, 9, 2, 1]
    # two or fewer heads of 11, either way
    assert result["p_value"] == pytest.approx(2 * (1 + 11 + 55) / 2**11)
    assert result["difference"] == pytest.approx(7 / 20)
    assert result["interval"][0] < 7 / 20 < result["interval"][1]
    swapped = compare_pair(held_out(b), held_out(a))
    assert (swapped["p_value"], swapped["difference"]) == (result["p_value"], -7 / 20)


def test_compare_pair_models_that_never_differ():
    result = compare_pair(held_out([True, False] * 8), held_out([True, False] * 8))
    assert (result["p_value"], result["difference"]) == (1, 0)
    unseen = 1 - 0.025 ** (1 / 4)
    assert result["interval"] == pytest.approx([-unseen, unseen])


def test_compare_pair_order_of_sequences_does_not_matter():
    rng = np.random.default_rng(0)
    a, b = (held_out(rng.random(24) < accuracy) for accuracy in (0.8, 0.5))
    order = rng.permutation(48)
    shuffled = ({key: values[order] for key, values in answers.items()} for answers in (a, b))
    assert compare_pair(*shuffled) == compare_pair(a, b)


def test_compare_pair_other_clips_or_labels():
    with pytest.raises(UserError, match="differ in 2 of their held-out clips; compare runs of one"):
        compare_pair(held_out([True] * 6), held_out([True] * 8))
    other = held_out([True] * 6)
    with pytest.raises(UserError, match="different labels"):
        compare_pair(held_out([True] * 6), other | {"y_true": 1 - other["y_true"]})


def test_pairs_table_every_two():
    answers = {"a": held_out([True] * 8), "b": held_out([False] * 8)}
    answers["c"] = held_out([True] * 4 + [False] * 4)
    table = pairs_table(answers)
    assert table[["a", "b"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert table["difference"].tolist() == [1, 0.5, -0.5]
    assert np.all((table["low"] <= table["difference"]) & (table["difference"] <= table["high"]))
    one_group = {name: held_out([True] * 4) for name in ("a", "b")}
    assert pairs_table(one_group)[["low", "high"]].isna().all(axis=None)
