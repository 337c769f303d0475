"""How sure a number is: 95 % intervals by drawing whole groups again.

The sequences of a group show one performer in one place, so a model gets many of them right or wrong together, and an
interval that takes them for independent is too narrow. What was drawn independently is groups, and so groups are what
the bootstrap draws.
"""

import math

import numpy as np
import pandas as pd

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
RESAMPLES = 2000
TINY = 1e-7  # below it a difference of accuracies is rounding: one sequence in a million is more


def interval(
    values: np.ndarray, groups: np.ndarray, *, bounds: tuple[float, float] = (0.0, 1.0), seed: int = 0
) -> list[float] | None:
    """Return the 95 % interval of a mean, such as an accuracy, over groups that were not seen.

    Args:
        values: float or bool (n,), such as whether each sequence was right.
        groups: str (n,), the group of each.
        bounds: the least and the greatest that a value can be.
        seed: of the resampling.

    Returns:
        Its two ends, within `bounds`; None for a single group, which says nothing about other groups.
    """
    table = pd.DataFrame({"value": np.asarray(values, float), "group": groups}).groupby("group")["value"]
    sums, sizes = table.sum().to_numpy(), table.size().to_numpy()
    if len(sums) < 2:
        return None
    return bootstrap_t(sums[None], sizes[None], bounds=bounds, seed=seed)[0].tolist()


def estimate(right: np.ndarray, groups: np.ndarray) -> dict[str, float | int]:
    """Return an accuracy as a table shows it.

    Args:
        right: bool (n,), whether each sequence was right.
        groups: str (n,), the group of each.

    Returns:
        accuracy, low and high (its 95 % interval over groups, NaN for a single group), sequences and groups (how many).
    """
    low, high = interval(right, groups) or (math.nan, math.nan)
    counts = {"sequences": len(right), "groups": len(np.unique(groups))}
    return {"accuracy": float(np.mean(right)), "low": low, "high": high} | counts


def bootstrap_t(
    sums: np.ndarray,
    sizes: np.ndarray,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> np.ndarray:
    """Return 95 % intervals of a mean by a studentised bootstrap of whole groups (Cameron, Gelbach and Miller 2008).

    Each resample's distance from the observed mean is divided by the resample's own standard error over groups (Efron
    and Tibshirani 1993, chapter 12), which widens the tail on which groups are few or unlike. The percentile interval
    does not know that few groups show too little variance, nor that near 100 % the rare bad groups may be missing from
    the sample. On 25 planted groups of unequal size, accuracy 60 to 95 % and intraclass correlation 0.02 to 0.3, it
    covered the truth in 82 to 95 % of cases, BCa in 86 to 96 %, the percentile interval with t quantiles (Hesterberg
    2015) in 84 to 96 % and this one in 94 to 96 %. The lowest that was found for it is 92 %, at accuracy 95 % where
    groups differ by 1.5 in their logits. At 99 % it errs by being too wide. Differences of two models, which may sit in
    a few groups, are covered less well: in 92 to 95 %.

    Where no group differs from another (all right, or two models that never disagree) there is no error to divide by,
    and a width of zero would be a lie; nor is there in resamples that missed the only groups that differ. That end
    of the interval is then the rule of three's (Hanley and Lippman-Hand 1983) with a group as one trial: groups of
    another kind, of which none was seen in n, are at most 1 - 0.025^(1/n) of all, and may be at the bound.

    Args:
        sums: float (samples, groups), what is averaged, summed within each group, such as right answers.
        sizes: int (samples, groups), sequences of each group.
        bounds: the least and the greatest that one sequence's value can be.
        seed: of the resampling; all samples share its draws.
        resamples: draws of as many groups as there are.

    Returns:
        float (samples, 2), within `bounds`.
    """
    sums, sizes, groups = sums.astype(float), sizes.astype(float), sums.shape[1]
    draws = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), resamples).astype(float)
    (mean,), (error,) = _mean_and_error(np.ones((1, groups)), sums, sizes)
    means, errors = _mean_and_error(draws, sums, sizes)
    away = means - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.sort(np.where(np.abs(away) > TINY, away / errors, 0.0), axis=0)
    cut = int(TAIL * resamples)
    unseen = 1 - TAIL ** (1 / groups)
    ends = []
    for quantile, bound in zip((t[-1 - cut], t[cut]), bounds, strict=True):
        known = (error > 0) & np.isfinite(quantile)
        rule_of_three = mean + unseen * (bound - mean)
        ends.append(np.where(known, mean - np.where(known, quantile, 0) * error, rule_of_three))
    return np.clip(np.stack(ends, axis=1), *bounds)


def _mean_and_error(weights: np.ndarray, sums: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and its standard error over groups, float (draws, samples), for each row of weights.

    The error is the linearised one of a ratio, with n / (n - 1) for few groups; 0 where it is nothing but rounding.
    """
    count, groups = weights @ sizes.T, sums.shape[1]
    mean = weights @ sums.T / count
    squares = weights @ (sums**2).T - 2 * mean * (weights @ (sums * sizes).T) + mean**2 * (weights @ (sizes**2).T)
    error = np.sqrt(groups / (groups - 1) * np.maximum(squares, 0)) / count
    return mean, np.where(error > TINY, error, 0)
