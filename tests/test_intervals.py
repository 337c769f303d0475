import numpy as np
import pytest

from ucf11lib import intervals

TRIALS, GROUPS = 1000, 25


def plant(accuracy, correlation, seed, groups=GROUPS):
    """Right answers and sizes of groups whose accuracies vary around the one planted: int (TRIALS, groups) each."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(10, 41, (TRIALS, groups))
    spread = (1 - correlation) / correlation
    return rng.binomial(sizes, rng.beta(accuracy * spread, (1 - accuracy) * spread, sizes.shape)), sizes


def coverage(found, truth):
    return ((found[:, 0] <= truth) & (truth <= found[:, 1])).mean()


@pytest.mark.parametrize("correlation", [0.02, 0.1, 0.2])
@pytest.mark.parametrize("accuracy", [0.6, 0.8, 0.9, 0.95])
def test_the_interval_covers_what_was_planted(accuracy, correlation):
    found = intervals.bootstrap_t(*plant(accuracy, correlation, seed=1), resamples=1000)
    assert 0.93 <= coverage(found, accuracy) <= 0.97


@pytest.mark.parametrize("correlation", [0.02, 0.1])
@pytest.mark.parametrize("only_b", [0.1, 0.02])
def test_the_interval_of_a_difference_covers_what_was_planted(only_b, correlation):
    only_a, rng = 0.1, np.random.default_rng(2)
    sizes = rng.integers(4, 9, (TRIALS, GROUPS))  # clips
    spread = (1 - correlation) / correlation
    shares = rng.dirichlet(np.array([only_a, only_b, 1 - only_a - only_b]) * spread, sizes.shape)
    counts = rng.multinomial(sizes, shares)
    found = intervals.bootstrap_t(counts[..., 0] - counts[..., 1], sizes, bounds=(-1.0, 1.0), resamples=1000)
    assert 0.92 <= coverage(found, only_a - only_b) <= 0.97


def test_the_plain_percentile_interval_would_not_do():
    right, sizes = plant(0.95, 0.2, seed=1)
    draws = np.random.default_rng(0).multinomial(GROUPS, np.full(GROUPS, 1 / GROUPS), 1000)
    plain = np.percentile((draws @ right.T) / (draws @ sizes.T), [2.5, 97.5], axis=0).T
    assert coverage(plain, 0.95) < 0.91


@pytest.mark.parametrize("accuracy", [0.9, 0.99])
def test_five_groups_err_by_being_wide(accuracy):
    found = intervals.bootstrap_t(*plant(accuracy, 0.1, seed=3, groups=5), resamples=1000)
    assert coverage(found, accuracy) >= 0.93


def test_it_is_wider_than_that_of_independent_sequences():
    right, sizes = plant(0.8, 0.2, seed=4)
    found = intervals.bootstrap_t(right, sizes)
    independent = 2 * 1.96 * np.sqrt(0.8 * 0.2 / sizes.sum(axis=1))
    assert np.median(np.ptp(found, axis=1) / independent) > 2


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_without_any_difference_it_is_the_rule_of_threes(value):
    groups = np.repeat([f"g{i}" for i in range(25)], 8)
    found = intervals.interval(np.full(200, value), groups)
    unseen = 1 - 0.025 ** (1 / 25)
    assert found == pytest.approx([max(0, value - unseen), min(1, value + unseen)])
    assert 0.13 < unseen < 0.14


def test_groups_that_are_all_alike_leave_room_on_both_sides():
    low, high = intervals.interval(np.tile([1, 1, 1, 0], 10), np.repeat(np.arange(10), 4))
    unseen = 1 - 0.025 ** (1 / 10)
    assert (low, high) == pytest.approx((0.75 * (1 - unseen), 0.75 + 0.25 * unseen))
    assert intervals.interval(np.zeros(10), np.arange(10), bounds=(-1, 1)) == pytest.approx([-unseen, unseen])


def test_one_group_that_fails_may_be_missing_from_a_resample():
    right = np.repeat(np.arange(25) != 0, 8)
    low, high = intervals.interval(right, np.repeat(np.arange(25), 8))
    assert low == pytest.approx(0.96 * 0.025 ** (1 / 25))
    assert 0.96 < high <= 1


def test_one_group_says_nothing_about_others():
    assert intervals.interval(np.array([1, 0, 1]), np.array(["g"] * 3)) is None


def test_the_interval_is_repeatable_and_within_bounds():
    rng = np.random.default_rng(5)
    right, groups = rng.random(60) < 0.95, rng.integers(0, 6, 60).astype(str)
    found = intervals.interval(right, groups, seed=1)
    assert found == intervals.interval(right, groups, seed=1)
    assert 0 <= found[0] < right.mean() < found[1] <= 1
    order = rng.permutation(60)
    assert found == pytest.approx(intervals.interval(right[order], groups[order], seed=1))


def test_an_estimate_says_how_many_it_is_of():
    found = intervals.estimate(np.tile([1, 1, 1, 0], 10) == 1, np.repeat(np.arange(10), 4))
    assert (found["accuracy"], found["sequences"], found["groups"]) == (0.75, 40, 10)
    assert found["low"] <= 0.75 <= found["high"]
    alone = intervals.estimate(np.array([True, False]), np.array(["a", "a"]))
    assert np.isnan([alone["low"], alone["high"]]).all()
