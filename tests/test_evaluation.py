import numpy as np
import pytest
from sklearn import metrics as reference

from ucf11lib import evaluation
from ucf11lib.errors import UserError


@pytest.mark.parametrize("classes", [3, 11])
@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_scikit_learns(seed, classes):
    rng = np.random.default_rng(seed)
    y_true, y_prob = rng.integers(0, classes, 163), rng.dirichlet(np.ones(classes), 163)
    y_pred = y_prob.argmax(axis=1)
    found = evaluation.metrics(y_true, y_prob)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(y_true, y_pred), abs=1e-12)
    assert found["macro_f1"] == pytest.approx(reference.f1_score(y_true, y_pred, average="macro"), abs=1e-12)
    assert found["confusion"] == reference.confusion_matrix(y_true, y_pred).tolist()
    recall = reference.recall_score(y_true, y_pred, average=None)
    assert found["per_class_accuracy"] == pytest.approx(recall.tolist(), abs=1e-12)
    assert found["top2"] == pytest.approx(reference.top_k_accuracy_score(y_true, y_prob, k=2), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_scikit_learns_where_classes_do_not_occur(seed):
    rng = np.random.default_rng(seed)
    y_true, y_prob = np.repeat([1, 4, 9], 20), rng.dirichlet(np.ones(11), 60)
    y_pred, found = y_prob.argmax(axis=1), evaluation.metrics(y_true, y_prob)
    macro_f1 = reference.f1_score(y_true, y_pred, labels=[1, 4, 9], average="macro")
    assert found["macro_f1"] == pytest.approx(macro_f1, abs=1e-12)
    recall = reference.recall_score(y_true, y_pred, labels=[1, 4, 9], average=None)
    assert [found["per_class_accuracy"][c] for c in (1, 4, 9)] == pytest.approx(recall.tolist(), abs=1e-12)
    top2 = reference.top_k_accuracy_score(y_true, y_prob, k=2, labels=np.arange(11))
    assert found["top2"] == pytest.approx(top2, abs=1e-12)
    assert found["confusion"] == reference.confusion_matrix(y_true, y_pred, labels=np.arange(11)).tolist()


def test_of_two_classes_the_true_one_is_always_among_two():
    found = evaluation.metrics(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.5, 0.5]]))
    assert found["top2"] == 1
    assert found["accuracy"] == pytest.approx(1 / 3)


def test_calibration_by_hand():
    y_prob = np.array([[0.95, 0.05], [0.85, 0.15], [0.45, 0.55], [0.6, 0.4]])
    table = evaluation.reliability(np.array([0, 1, 1, 1]), y_prob, bins=5)
    assert table["count"].tolist() == [0, 0, 2, 0, 2]  # 0.6 is its bin's upper edge
    assert table["low"].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert table["confidence"].tolist() == pytest.approx([np.nan, np.nan, 0.575, np.nan, 0.9], nan_ok=True)
    assert table["accuracy"].tolist() == pytest.approx([np.nan, np.nan, 0.5, np.nan, 0.5], nan_ok=True)
    assert evaluation.expected_calibration_error(table) == pytest.approx((0.075 + 0.4) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_calibration_is_that_of_a_slow_loop(seed):
    rng = np.random.default_rng(seed)
    y_true, y_prob = rng.integers(0, 4, 300), rng.dirichlet(np.full(4, 0.4), 300)
    slow = 0.0
    for m in range(15):
        inside = [i for i in range(300) if m / 15 < y_prob[i].max() <= (m + 1) / 15]
        if inside:
            accuracy = sum(y_prob[i].argmax() == y_true[i] for i in inside) / len(inside)
            slow += len(inside) / 300 * abs(accuracy - sum(y_prob[i].max() for i in inside) / len(inside))
    assert evaluation.metrics(y_true, y_prob)["ece"] == pytest.approx(slow, abs=1e-12)


def test_a_model_that_is_right_as_often_as_it_is_sure_is_calibrated():
    rng = np.random.default_rng(0)
    y_prob = rng.dirichlet(np.ones(5), 40_000)
    y_true = (y_prob.cumsum(axis=1) < rng.random((40_000, 1))).sum(axis=1)
    assert evaluation.metrics(y_true, y_prob)["ece"] < 0.01


def test_probabilities_that_are_not_numbers_have_no_calibration():
    y_prob = np.array([[np.nan] * 3, [0.2, 0.3, 0.5]])
    found = evaluation.measure(np.array([1, 2]), y_prob, np.array(["a", "b"]), np.array(["g", "h"]))
    assert found["ece"] is None
    assert found["accuracy"] == 0.5


def test_a_clip_answers_once_by_its_mean_probability():
    y_prob = np.array([[0.6, 0.4], [0.1, 0.9], [0.8, 0.2], [0.4, 0.6]])
    clips = np.array(["walk", "run", "run", "walk"])
    names, y_true, by_clip = evaluation.by_clip(np.array([0, 1, 1, 0]), y_prob, clips)
    assert names.tolist() == ["run", "walk"]
    assert y_true.tolist() == [1, 0]
    np.testing.assert_allclose(by_clip, [[0.45, 0.55], [0.5, 0.5]])
    found = evaluation.measure(np.array([0, 1, 1, 0]), y_prob, clips, np.array(["g", "h", "h", "g"]))
    assert found["accuracy"] == 0.5
    assert found["accuracy_clip"] == 1
    assert 0 <= found["interval"][0] <= 0.5 <= found["interval"][1] <= 1
    assert evaluation.measure(np.array([0, 1, 1, 0]), y_prob, clips, np.array(["g"] * 4))["interval"] is None


def judged(right, per_clip=2):
    """Held-out sequences of clips of class 0, each right or wrong; four clips a group."""
    y_prob = np.repeat(np.eye(2)[np.where(right, 0, 1)], per_clip, axis=0)
    clips = np.repeat([f"clip{i:02d}" for i in range(len(right))], per_clip)
    groups = np.repeat([f"group{i // 4}" for i in range(len(right))], per_clip)
    return {"y_true": np.zeros(len(y_prob), int), "y_prob": y_prob, "clips": clips, "groups": groups}


def test_mcnemar_by_hand():
    a = [True] * 8 + [True] * 9 + [False] * 2 + [False] * 1
    b = [True] * 8 + [False] * 9 + [True] * 2 + [False] * 1
    found = evaluation.compare(judged(a), judged(b, per_clip=3))
    counts = [found[key] for key in ("clips", "both_right", "only_a", "only_b", "neither")]
    assert counts == [20, 8, 9, 2, 1]
    assert found["p_value"] == pytest.approx(2 * (1 + 11 + 55) / 2**11)  # two or fewer heads of 11, either way
    assert found["difference"] == pytest.approx(7 / 20)
    assert found["interval"][0] < 7 / 20 < found["interval"][1]
    turned = evaluation.compare(judged(b), judged(a))
    assert turned["p_value"] == found["p_value"]
    assert turned["difference"] == -found["difference"]


def test_models_that_never_differ():
    found = evaluation.compare(judged([True, False] * 8), judged([True, False] * 8))
    assert (found["p_value"], found["difference"]) == (1, 0)
    unseen = 1 - 0.025 ** (1 / 4)
    assert found["interval"] == pytest.approx([-unseen, unseen])


def test_the_order_of_sequences_does_not_matter():
    rng = np.random.default_rng(0)
    a, b = judged(rng.random(24) < 0.8), judged(rng.random(24) < 0.5)
    order = rng.permutation(48)
    assert evaluation.compare(a, {key: values[order] for key, values in b.items()}) == evaluation.compare(a, b)
    assert evaluation.compare({key: values[order] for key, values in a.items()}, b) == evaluation.compare(a, b)


def test_models_on_other_clips_are_not_compared():
    with pytest.raises(UserError, match="not on the same held-out clips: 2 are in one alone; compare runs of one"):
        evaluation.compare(judged([True] * 6), judged([True] * 8))
    other = judged([True] * 6)
    with pytest.raises(UserError, match="different labels"):
        evaluation.compare(judged([True] * 6), other | {"y_true": 1 - other["y_true"]})


def test_the_batch_mean_weighs_the_last_batch_like_the_others():
    y_true, y_prob = np.zeros(5, int), np.eye(2)[[0, 0, 1, 1, 0]]
    found = evaluation.metrics(y_true, y_prob, batch_size=4)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["accuracy_batch_mean"] == pytest.approx((1 / 2 + 1) / 2)


def test_a_class_that_does_not_occur_has_no_accuracy():
    found = evaluation.metrics(np.array([0, 0, 2]), np.eye(3)[[0, 1, 2]])
    assert found["per_class_accuracy"] == [0.5, None, 1.0]
    assert np.array(found["confusion"]).shape == (3, 3)


def test_a_softmax_head_is_not_softmaxed_again():
    outputs = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    assert evaluation.probabilities(outputs, "softmax").tolist() == outputs.tolist()
    assert evaluation.probabilities(outputs, "logits")[0, 0] == pytest.approx(np.e / (np.e + 1))


def test_examples_are_the_surest_of_different_classes():
    y_true = np.array([0, 0, 1, 1, 2])
    y_prob = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.4, 0.6, 0], [0.7, 0.3, 0], [0.05, 0.95, 0]])
    predictions = {"index": np.arange(100, 105), "y_true": y_true, "y_prob": y_prob}
    index, titles, right = evaluation.pick_examples(predictions, ["a", "b", "c"], each=2)
    assert index.tolist() == [100, 102, 104, 103]
    assert titles == ["a -> a 90%", "b -> b 60%", "c -> b 95%", "b -> a 70%"]
    assert right == [True, True, False, False]
