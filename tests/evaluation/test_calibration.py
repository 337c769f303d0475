import numpy as np
import pytest
from scipy.special import softmax

from ucf11lib.evaluation.calibration import rescaled, temperature
from ucf11lib.evaluation.metrics import expected_calibration_error, reliability_table


@pytest.fixture
def overconfident():
    """Labels drawn from probabilities, and these with their logits times three."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (5000, 5))
    labels = np.array([rng.choice(5, p=row) for row in softmax(logits, axis=1)])
    return labels, softmax(3 * logits, axis=1)


def error(labels, y_prob):
    return expected_calibration_error(reliability_table(labels, y_prob))


def test_temperature_undoes_what_made_it_overconfident(overconfident):
    labels, y_prob = overconfident
    fitted = temperature(labels[:2500], y_prob[:2500])
    assert fitted == pytest.approx(3, rel=0.1)
    better = rescaled(y_prob[2500:], fitted)
    assert error(labels[2500:], better) < 0.03 < 0.15 < error(labels[2500:], y_prob[2500:])
    np.testing.assert_array_equal(better.argmax(axis=1), y_prob[2500:].argmax(axis=1))


@pytest.mark.parametrize("n", [2, 40])
def test_temperature_of_few_right_answers_leaves_a_doubt(n):
    labels, y_prob = np.arange(n) % 2, np.eye(2)[np.arange(n) % 2]
    shares = rescaled(y_prob, temperature(labels, y_prob))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares[0, 0] == pytest.approx(1 - 1 / (n + 2) / 2, rel=0.01)


def test_temperature_of_wrong_answers_is_the_highest():
    assert temperature(np.array([1, 0]), np.eye(2)) == pytest.approx(20, rel=0.01)
