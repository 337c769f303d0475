import numpy as np
import pytest

from ucf11lib.evaluation import intervals

TRIALS = 1000


def planted(accuracy, correlation, seed, groups=25):
    """Right answers and sizes, int (TRIALS, groups), of groups of unlike accuracies."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(10, 41, (TRIALS, groups))
    spread = (1 - correlation) / correlation
    accuracies = rng.beta(accuracy * spread, (1 - accuracy) * spread, sizes.shape)
    return rng.binomial(sizes, accuracies), sizes


def coverage(ends, truth):
    return ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean()


@pytest.mark.parametrize(
    ("accuracy", "correlation", "groups"),
    [(0.6, 0.02, 25), (0.8, 0.1, 25), (0.95, 0.2, 25), (0.95, 0.02, 25), (0.9, 0.1, 5)],
)
def test_bootstrap_t_covers_the_planted_accuracy(accuracy, correlation, groups):
    right, sizes = planted(accuracy, correlation, seed=1, groups=groups)
    covered = coverage(intervals.bootstrap_t(right, sizes, resamples=1000), accuracy)
    assert 0.93 <= covered <= (0.97 if groups == 25 else 1)  # five groups err by being wide


@pytest.mark.parametrize(("only_b", "correlation"), [(0.1, 0.1), (0.02, 0.02)])
def test_bootstrap_t_covers_the_planted_difference(only_b, correlation):
    rng = np.random.default_rng(2)
    sizes = rng.integers(4, 9, (TRIALS, 25))  # clips
    shares = np.array([0.1, only_b, 0.9 - only_b]) * (1 - correlation) / correlation
    counts = rng.multinomial(sizes, rng.dirichlet(shares, sizes.shape))
    differences = counts[..., 0] - counts[..., 1]
    ends = intervals.bootstrap_t(differences, sizes, bounds=(-1.0, 1.0), resamples=1000)
    assert 0.92 <= coverage(ends, 0.1 - only_b) <= 0.97


@pytest.mark.parametrize("value", [0.0, 0.75, 1.0])
def test_group_interval_equal_groups_give_the_rule_of_three(value):
    right = np.tile(np.arange(4) < 4 * value, 25)
    low, high = intervals.group_interval(right, np.repeat(np.arange(25), 4))
    unseen = 1 - 0.025 ** (1 / 25)
    assert (low, high) == pytest.approx((value * (1 - unseen), value + (1 - value) * unseen))


def test_group_interval_only_failing_group_may_be_missing_from_a_resample():
    right = np.repeat(np.arange(25) != 0, 8)
    low, high = intervals.group_interval(right, np.repeat(np.arange(25), 8))
    assert low == pytest.approx(0.96 * 0.025 ** (1 / 25))
    assert 0.96 < high <= 1


def test_group_interval_repeatable_whatever_the_order():
    rng = np.random.default_rng(5)
    right, groups = rng.random(60) < 0.95, rng.integers(0, 6, 60).astype(str)
    ends = intervals.group_interval(right, groups, seed=1)
    assert ends == intervals.group_interval(right, groups, seed=1)
    assert 0 <= ends[0] < right.mean() < ends[1] <= 1
    order = rng.permutation(60)
    assert ends == pytest.approx(intervals.group_interval(right[order], groups[order], seed=1))
    alone = intervals.accuracy_with_interval(right, np.full(60, "a"))
    assert (alone["accuracy"], alone["sequences"], alone["groups"]) == (right.mean(), 60, 1)
    assert np.isnan([alone["low"], alone["high"]]).all()
