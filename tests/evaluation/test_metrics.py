import numpy as np
import pytest
from sklearn import metrics as reference

from ucf11lib.errors import UserError
from ucf11lib.evaluation import metrics


def measured(y_true, y_prob, clips=None, groups=None, **options):
    """Measure sequences, by default each a clip of one group."""
    clips = np.arange(len(y_true)).astype(str) if clips is None else np.array(clips)
    groups = np.full(len(y_true), "g") if groups is None else np.array(groups)
    return metrics.measure_predictions(np.array(y_true), y_prob, clips, groups, **options)


@pytest.mark.parametrize("occurring", [[0, 1, 2], list(range(11)), [1, 4, 9]])
def test_measure_predictions_equals_scikit_learn(occurring):
    rng = np.random.default_rng(0)
    classes = max(occurring) + 1
    y_true = rng.choice(occurring, 163)
    y_prob = rng.dirichlet(np.ones(classes), 163)
    y_pred = y_prob.argmax(axis=1)
    result = measured(y_true, y_prob)
    every = np.arange(classes)
    expected = {
        "accuracy": reference.accuracy_score(y_true, y_pred),
        "macro_f1": reference.f1_score(y_true, y_pred, labels=occurring, average="macro"),
        "top2": reference.top_k_accuracy_score(y_true, y_prob, k=2, labels=every),
    }
    assert {key: result[key] for key in expected} == pytest.approx(expected, abs=1e-12)
    recall = reference.recall_score(y_true, y_pred, labels=occurring, average=None)
    assert [result["per_class_accuracy"][c] for c in occurring] == pytest.approx(recall, abs=1e-12)
    answered = np.unique(y_pred)
    precision = reference.precision_score(y_true, y_pred, labels=answered, average=None)
    shares = [result["per_class_precision"][c] for c in answered]
    assert shares == pytest.approx(precision, abs=1e-12)
    assert result["per_class_precision"].count(None) == classes - len(answered)
    assert result["per_class_accuracy"].count(None) == classes - len(occurring)
    assert result["confusion"] == reference.confusion_matrix(y_true, y_pred, labels=every).tolist()


def test_measure_predictions_batch_mean_and_not_finite():
    result = measured([0] * 5, np.eye(2)[[0, 0, 1, 1, 0]], batch_size=4)
    assert result["accuracy"] == pytest.approx(3 / 5)
    assert result["accuracy_batch_mean"] == pytest.approx((1 / 2 + 1) / 2)
    for first in (0, 1):  # no answer is no class, also not class 0
        result = measured([first, 2], np.array([[np.nan] * 3, [0.2, 0.3, 0.5]]))
        assert (result["ece"], result["accuracy"], result["accuracy_clip"]) == (None, 0.5, 0.5)
        assert (result["top2"], result["macro_f1"]) == (0.5, 0.5)
        assert result["per_class_accuracy"][first] == 0


def test_measure_predictions_by_clip_and_group():
    y_true = np.array([0, 1, 1, 0])
    y_prob = np.array([[0.6, 0.4], [0.1, 0.9], [0.8, 0.2], [0.4, 0.6]])
    clips = np.array(["walk", "run", "run", "walk"])
    groups = np.array(["g", "h", "h", "g"])
    held_out = {"y_true": y_true, "y_prob": y_prob, "clips": clips, "groups": groups}
    of_clips = metrics.one_a_clip(held_out)
    assert of_clips["clips"].tolist() == ["run", "walk"]
    assert (of_clips["y_true"].tolist(), of_clips["groups"].tolist()) == ([1, 0], ["h", "g"])
    np.testing.assert_allclose(of_clips["y_prob"], [[0.45, 0.55], [0.5, 0.5]])
    result = measured(y_true, y_prob, clips, groups)
    assert (result["accuracy"], result["accuracy_clip"]) == (0.5, 1)
    assert 0 <= result["interval"][0] <= 0.5 <= result["interval"][1] <= 1
    assert measured(y_true, y_prob, clips)["interval"] is None


def test_reliability_table_by_hand():
    y_prob = np.array([[0.95, 0.05], [0.85, 0.15], [0.45, 0.55], [0.6, 0.4]])
    table = metrics.reliability_table(np.array([0, 1, 1, 1]), y_prob, bins=5)
    assert table["count"].tolist() == [0, 0, 2, 0, 2]  # 0.6 is its bin's upper edge
    assert table["low"].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    nan = np.nan
    np.testing.assert_allclose(table["confidence"], [nan, nan, 0.575, nan, 0.9])
    np.testing.assert_allclose(table["accuracy"], [nan, nan, 0.5, nan, 0.5])
    assert metrics.expected_calibration_error(table) == pytest.approx((0.075 + 0.4) / 2)


def test_pick_examples_most_confident_of_different_classes():
    y_true = np.array([0, 0, 1, 1, 2])
    y_prob = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.4, 0.6, 0], [0.7, 0.3, 0], [0.05, 0.95, 0]])
    predictions = {"index": np.arange(100, 105), "y_true": y_true, "y_prob": y_prob}
    index, titles, right = metrics.pick_examples(predictions, ["a", "b", "c"], each=2)
    assert index.tolist() == [100, 102, 104, 103]
    assert titles == ["a -> a 90%", "b -> b 60%", "c -> b 95%", "b -> a 70%"]
    assert right == [True, True, False, False]


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
    one, other = held_out(a), held_out(b, per_clip=3)
    result = metrics.compare_pair(one, other)
    counts = [result[key] for key in ("clips", "both_right", "only_a", "only_b", "neither")]
    assert counts == [20, 8, 9, 2, 1]
    # groups 2 to 4 have 4, 4 and -1, of whose sums with any signs two are at least 7 from 0
    assert result["p_value"] == 4 / 8
    assert 1 < result["effective_clips"] < 20
    assert result["difference"] == pytest.approx(7 / 20)
    assert result["interval"][0] < 7 / 20 < result["interval"][1]
    order = np.random.default_rng(0).permutation(40)
    assert metrics.compare_pair({key: one[key][order] for key in one}, other) == result
    swapped = metrics.compare_pair(other, one)
    assert (swapped["p_value"], swapped["difference"]) == (result["p_value"], -7 / 20)


def test_compare_pair_other_clips_or_labels():
    with pytest.raises(UserError, match="differ in 2 of their held-out clips; compare runs of one"):
        metrics.compare_pair(held_out([True] * 6), held_out([True] * 8))
    other = held_out([True] * 6)
    with pytest.raises(UserError, match="different labels"):
        metrics.compare_pair(held_out([True] * 6), other | {"y_true": 1 - other["y_true"]})


def test_pairs_table_every_two():
    rights = {"a": [True] * 8, "b": [False] * 8, "c": [True] * 4 + [False] * 4, "d": [False] * 8}
    table = metrics.pairs_table({name: held_out(right) for name, right in rights.items()})
    assert (table["a"] + table["b"]).tolist() == ["ab", "ac", "ad", "bc", "bd", "cd"]
    assert table["difference"].tolist() == [1, 0.5, 1, -0.5, 0, 0.5]
    assert np.all((table["low"] <= table["difference"]) & (table["difference"] <= table["high"]))
    unseen = 1 - 0.025 ** (1 / 2)  # of two that never differ, over two groups
    assert table.loc[4, ["p_value", "low", "high"]].tolist() == pytest.approx([1, -unseen, unseen])
    assert table["p_value"].tolist() == [1] * 6  # two groups flip in four ways: 0.5 at least
    assert table["effective_clips"].isna().tolist() == [True, False, True, False, True, False]
    one_group = {name: held_out([True] * 4) for name in ("a", "b")}
    assert metrics.pairs_table(one_group)[["low", "high"]].isna().all(axis=None)
    with pytest.raises(UserError, match="give two models or more"):
        metrics.pairs_table({"a": held_out([True] * 4)})
