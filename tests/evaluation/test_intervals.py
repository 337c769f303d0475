import itertools

import numpy as np
import pytest
from scipy.stats import binom

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


def test_sign_flip_test_equals_all_flips_by_hand():
    rng = np.random.default_rng(3)
    for groups in (1, 2, 7):
        sums = rng.integers(-6, 7, groups)
        values = np.concatenate([np.sign(d) * np.ones(abs(d), int) for d in [*sums, 0]])
        names = np.repeat(np.arange(groups), np.abs(sums))
        totals = [np.dot(signs, sums) for signs in itertools.product((-1, 1), repeat=groups)]
        expected = np.mean(np.abs(totals) >= abs(sums.sum()))
        assert intervals.sign_flip_test(values, names) == pytest.approx(expected)
    assert intervals.sign_flip_test(np.zeros(5, int), np.arange(5)) == 1


@pytest.mark.slow
def test_sign_flip_test_keeps_its_level_where_mcnemars_does_not():
    """Two models alike in truth, each with accuracies of its own in each of 55 groups."""
    rng = np.random.default_rng(4)
    accuracies = rng.beta(2, 1, (TRIALS, 2, 55, 1))
    right = (rng.random((TRIALS, 2, 55, 10)) < accuracies).reshape(TRIALS, 2, 550).astype(int)
    differences = right[:, 0] - right[:, 1]
    groups = np.repeat(np.arange(55), 10)
    p_values = np.array([intervals.sign_flip_test(one, groups) for one in differences])
    only_a, only_b = ((differences == sign).sum(axis=1) for sign in (1, -1))
    mcnemar = 2 * binom.cdf(np.minimum(only_a, only_b), only_a + only_b, 0.5)
    assert 0.03 <= (p_values <= 0.05).mean() <= 0.07
    assert (mcnemar <= 0.05).mean() > 0.2
    effective = [intervals.effective_number(one, groups) for one in differences[:100]]
    assert 100 < np.mean(effective) < 300  # of 550


def test_sign_flip_test_finds_a_planted_difference():
    rng = np.random.default_rng(5)
    differences = (rng.random(550) < 0.25).astype(int) - (rng.random(550) < 0.1)
    assert intervals.sign_flip_test(differences, np.repeat(np.arange(55), 10)) < 1e-4


def test_holm_by_hand():
    assert intervals.holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])
    assert intervals.holm(np.array([0.5, 0.9])) == pytest.approx([1, 1])


def test_effective_number_of_copies_is_that_of_the_originals():
    values = np.random.default_rng(6).random(40)
    assert intervals.effective_number(values, np.arange(40)) == pytest.approx(40)
    copies, groups = np.repeat(values, 5), np.repeat(np.arange(40), 5)
    assert intervals.effective_number(copies, groups) == pytest.approx(40, rel=0.03)
    for alike in (np.ones(4), values[:4]):
        assert np.isnan(intervals.effective_number(alike, np.full(4, "g")))


@pytest.mark.slow
def test_seeds_interval_covers_the_planted_mean():
    """The accuracies of five seeds differ by 3 points, those of a seed's 55 groups by 11."""
    rng, ends = np.random.default_rng(0), []
    sizes = np.full((5, 55), 10)
    for _ in range(200):
        of_seed = 0.85 + 0.03 * rng.uniform(-1.7, 1.7, (5, 1))
        right = rng.binomial(sizes, rng.beta(9 * of_seed, 9 * (1 - of_seed), sizes.shape))
        ends.append(intervals.seeds_interval(right, sizes))
    assert 0.9 < coverage(np.array(ends), 0.85) < 0.99
