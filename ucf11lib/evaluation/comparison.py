"""Two models on the same held-out clips."""

import itertools
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ucf11lib.errors import UserError
from ucf11lib.evaluation.intervals import group_interval
from ucf11lib.evaluation.metrics import by_clip

HeldOut = Mapping[str, np.ndarray]  # as of `Run.held_out`


def compare_pair(a: HeldOut, b: HeldOut) -> dict:
    """Compare two models, one answer a clip; a `UserError` if clips or their labels differ.

    Returns clips, both_right, only_a, only_b, neither (counts of clips), p_value (McNemar's exact
    test, two-sided, for independent clips; 1 where the two never differ), difference (accuracy of a
    minus that of b) and interval (95 %, of the difference, over groups; None for a single group).
    """
    names, labels, prob_a = by_clip(a["y_true"], a["y_prob"], a["clips"])
    names_b, labels_b, prob_b = by_clip(b["y_true"], b["y_prob"], b["clips"])
    remedy = "compare runs of one store, split and seed"
    if not np.array_equal(names, names_b):
        count = len(np.setxor1d(names, names_b))
        raise UserError(f"the two models differ in {count} of their held-out clips; {remedy}")
    if not np.array_equal(labels, labels_b):
        raise UserError(f"the two models' clips have different labels; {remedy}")
    right_a, right_b = (prob.argmax(axis=1) == labels for prob in (prob_a, prob_b))
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    difference = right_a.astype(float) - right_b
    groups = a["groups"][np.unique(a["clips"], return_index=True)[1]]
    return {
        "clips": len(names),
        "both_right": int((right_a & right_b).sum()),
        "only_a": only_a,
        "only_b": only_b,
        "neither": int((~right_a & ~right_b).sum()),
        "p_value": float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0,
        "difference": float(difference.mean()),
        "interval": group_interval(difference, groups, bounds=(-1.0, 1.0)),
    }


def pairs_table(held_out: Mapping[str, HeldOut]) -> pd.DataFrame:
    """Compare every two models, given as name -> `Run.held_out`.

    Returns a row a pair: its names `a` and `b` and the keys of `compare_pair`; the interval's ends
    are `low` and `high`, NaN where it has none.
    """
    rows = []
    for a, b in itertools.combinations(held_out, 2):
        row = {"a": a, "b": b} | compare_pair(held_out[a], held_out[b])
        low, high = row.pop("interval") or (math.nan, math.nan)
        rows.append(row | {"low": low, "high": high})
    return pd.DataFrame(rows)
