"""95 % intervals by a cluster bootstrap over groups, and a permutation test over groups.

The sequences of a group show one performer in one place, so a model gets many of them right or
wrong together. An interval that assumes independent sequences is too narrow, a p value too small.
"""

import math

import numpy as np
import pandas as pd

TAIL = 0.05 / 2
RESAMPLES = 2000
ROUNDING = 1e-7  # a smaller difference of accuracies is rounding: one sequence in ten million
Bounds = tuple[float, float]  # the least and the greatest possible value of one sequence


def group_interval(
    values: np.ndarray, groups: np.ndarray, *, bounds: Bounds = (0.0, 1.0), seed: int = 0
) -> list[float] | None:
    """Return the 95 % interval of a mean over groups: its ends; None for a single group.

    `values`, float or bool (n,), are such as whether each sequence was right, `groups`, str (n,),
    the group of each; `bounds` are those of a value, and of the interval.
    """
    sums, sizes = _by_group(values, groups)
    if len(sums) < 2:
        return None
    return bootstrap_t(sums[None], sizes[None], bounds=bounds, seed=seed)[0].tolist()


def sign_flip_test(differences: np.ndarray, groups: np.ndarray) -> float:
    """Return the two-sided p value of "two models are alike", by a permutation test over groups.

    `differences`, int (n,), are of the models' right answers, -1, 0 or 1. Models that are alike may
    change places in any group, which flips the sign of its sum. The p value is exact: all flips are
    counted, by adding one group after the other to the distribution of the sum.
    """
    sums = _by_group(differences, groups)[0].astype(int)
    chance = np.ones(1)  # of each sum of the positive groups, 0, 1, 2, ...
    for size in np.abs(sums):
        chance = (np.pad(chance, (0, size)) + np.pad(chance, (size, 0))) / 2
    totals = 2 * np.arange(len(chance)) - np.abs(sums).sum()
    return min(1.0, float(chance[np.abs(totals) >= abs(sums.sum())].sum()))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p values, (n,), corrected for n tests.

    Holm 1979, https://www.jstor.org/stable/4615733.
    """
    order, n = np.argsort(p_values), len(p_values)
    corrected = np.empty(n)
    corrected[order] = np.maximum.accumulate(np.sort(p_values) * np.arange(n, 0, -1))
    return np.minimum(corrected, 1.0)


def effective_number(values: np.ndarray, groups: np.ndarray) -> float:
    """Return how many independent values, with these' variance, tell their mean as exactly.

    It is n over the design effect (Kish 1965); NaN for a single group, for values that are all
    alike, and for groups whose means are.
    """
    sums, sizes = _by_group(values, groups)
    if len(sums) < 2 or np.ptp(values) == 0:
        return math.nan
    _, (error,) = _mean_and_error(np.ones((1, len(sums))), sums[None], sizes[None])
    return float(np.var(values, ddof=1) / np.square(error[0])) if error[0] else math.nan


def accuracy_with_interval(right: np.ndarray, groups: np.ndarray) -> dict[str, float | int]:
    """Return an accuracy of `right`, bool (n,), as the columns of a table.

    They are accuracy, low and high (its interval, NaN for a single group), sequences and groups.
    """
    low, high = group_interval(right, groups) or (math.nan, math.nan)
    counts = {"sequences": len(right), "groups": len(np.unique(groups))}
    return {"accuracy": float(np.mean(right)), "low": low, "high": high} | counts


def bootstrap_t(
    sums: np.ndarray, sizes: np.ndarray, *, bounds: Bounds = (0.0, 1.0), seed=0, resamples=RESAMPLES
) -> np.ndarray:
    """Return 95 % intervals of a mean, float (samples, 2), by the studentised cluster bootstrap.

    Cameron, Gelbach and Miller 2008, doi:10.1162/rest.90.3.414: with few groups it covers the truth
    better than the percentile interval. Where so few groups differ that the standard error is 0, in
    the sample or in more than 2.5 % of the resamples, an end is the exact bound for an event that
    was not seen, as in the rule of three (Hanley and Lippman-Hand 1983,
    doi:10.1001/jama.1983.03330370053031), with a group as one trial. `sums` and `sizes`, both
    (samples, groups), are of a group's values, such as right answers, and its sequences; `bounds`
    are those of a value, and of the interval. All samples share the draws.
    """
    sums, sizes, groups = sums.astype(float), sizes.astype(float), sums.shape[1]
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(groups, np.full(groups, 1 / groups), resamples).astype(float)
    (mean,), (error,) = _mean_and_error(np.ones((1, groups)), sums, sizes)
    means, errors = _mean_and_error(draws, sums, sizes)
    distance = means - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.sort(np.where(np.abs(distance) > ROUNDING, distance / errors, 0.0), axis=0)
    cut = int(TAIL * resamples)
    unseen = 1 - TAIL ** (1 / groups)
    ends = []
    for quantile, bound in zip((t[-1 - cut], t[cut]), bounds, strict=True):
        known = (error > 0) & np.isfinite(quantile)
        rule_of_three = mean + unseen * (bound - mean)
        ends.append(np.where(known, mean - np.where(known, quantile, 0) * error, rule_of_three))
    return np.clip(np.stack(ends, axis=1), *bounds)


def seeds_interval(sums: np.ndarray, sizes: np.ndarray) -> list[float]:
    """Return the 95 % interval of a mean of accuracies over seeds, each with groups of its own.

    `sums` and `sizes`, both int (seeds, groups), are of a group's right answers and its sequences.
    The bootstrap draws seeds, then groups of each seed drawn, with replacement (Saravanan et al.
    2020, arXiv:2007.07797): the spread of the seeds and that within each are both in it. With five
    seeds whose means differ by one and a half standard errors of one it covers the truth in 90 to
    99 % of simulations (so a test); the fewer, the more the seeds differ.
    """
    seeds, groups = sums.shape
    rng = np.random.default_rng(0)
    chosen = rng.integers(seeds, size=(RESAMPLES, seeds))
    draws = rng.multinomial(groups, np.full(groups, 1 / groups), chosen.shape)
    right, all_ = (draws * sums[chosen]).sum(axis=-1), (draws * sizes[chosen]).sum(axis=-1)
    return np.quantile((right / all_).mean(axis=1), [TAIL, 1 - TAIL]).tolist()


def _by_group(values: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each group's sum and number of values, both (groups,)."""
    by_group = pd.Series(np.asarray(values, float)).groupby(np.asarray(groups))
    return by_group.sum().to_numpy(), by_group.size().to_numpy()


def _mean_and_error(weights: np.ndarray, sums: np.ndarray, sizes: np.ndarray) -> tuple:
    """Return a ratio's mean and its linearised standard error, both (draws, samples)."""
    count, groups = weights @ sizes.T, sums.shape[1]
    mean = weights @ sums.T / count
    cross = 2 * mean * (weights @ (sums * sizes).T)
    squares = weights @ (sums**2).T - cross + mean**2 * (weights @ (sizes**2).T)
    error = np.sqrt(groups / (groups - 1) * np.maximum(squares, 0)) / count  # for few groups
    return mean, np.where(error > ROUNDING, error, 0)
