import numpy as np
import pytest
from sklearn import metrics as reference

from ucf11lib import evaluation


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    y_true, y_prob = rng.integers(0, 11, 163), rng.dirichlet(np.ones(11), 163)
    y_pred = y_prob.argmax(axis=1)
    found = evaluation.metrics(y_true, y_prob)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(y_true, y_pred), abs=1e-12)
    assert found["macro_f1"] == pytest.approx(reference.f1_score(y_true, y_pred, average="macro"), abs=1e-12)
    assert found["confusion"] == reference.confusion_matrix(y_true, y_pred).tolist()
    recall = reference.recall_score(y_true, y_pred, average=None)
    assert found["per_class_accuracy"] == pytest.approx(recall.tolist(), abs=1e-12)


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
