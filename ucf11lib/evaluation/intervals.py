"""95 % intervals by a cluster bootstrap over groups.

The sequences of a group show one performer in one place, so a model gets many of them right or
wrong together; an interval that assumes independent sequences is too narrow.
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
    by_group = pd.Series(np.asarray(values, float)).groupby(np.asarray(groups))
    sums, sizes = by_group.sum().to_numpy(), by_group.size().to_numpy()
    if len(sums) < 2:
        return None
    return bootstrap_t(sums[None], sizes[None], bounds=bounds, seed=seed)[0].tolist()


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
    better than the percentile interval. Where no group differs from another, the standard error is
    0; that end is then the rule of three's (Hanley and Lippman-Hand 1983,
    doi:10.1001/jama.1983.03330370053031) with a group as one trial. `sums` and `sizes`, both
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


def _mean_and_error(weights: np.ndarray, sums: np.ndarray, sizes: np.ndarray) -> tuple:
    """Return a ratio's mean and its linearised standard error, both (draws, samples)."""
    count, groups = weights @ sizes.T, sums.shape[1]
    mean = weights @ sums.T / count
    cross = 2 * mean * (weights @ (sums * sizes).T)
    squares = weights @ (sums**2).T - cross + mean**2 * (weights @ (sizes**2).T)
    error = np.sqrt(groups / (groups - 1) * np.maximum(squares, 0)) / count  # for few groups
    return mean, np.where(error > ROUNDING, error, 0)
