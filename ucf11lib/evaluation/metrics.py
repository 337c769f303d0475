"""From predictions to numbers: of one model, and of two on the same held-out clips."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ucf11lib.errors import UserError
from ucf11lib.evaluation.intervals import effective_number, group_interval, holm, sign_flip_test

HeldOut = Mapping[str, np.ndarray]  # as of `Run.held_out`
BINS = 15  # of confidence, as in Guo et al. (2017), arXiv:1706.04599


def measure_predictions(
    y_true: np.ndarray, y_prob: np.ndarray, clips: np.ndarray, groups: np.ndarray, batch_size=16
) -> dict:
    """Return the measures of predictions, int (n,) and float (n, classes); shares are 0..1.

    They are accuracy, accuracy_batch_mean (the 2019 report's: mean of the batches' accuracies),
    top2 (the true class is among the two likeliest), macro_f1 (over classes that occur),
    per_class_accuracy (recall; None for a class that does not occur), per_class_precision (None for
    a class that is never predicted), confusion (counts, rows are true classes), ece (None for
    probabilities that are not finite), accuracy_clip (see `one_a_clip`) and interval (95 %, of the
    accuracy, over groups; None for a single group). An answer that is not finite is wrong; in the
    confusion it is one of the first class.
    """
    y_pred = y_prob.argmax(axis=1)
    right = answered_right(y_prob, y_true)
    confusion = _pair_counts(y_true, y_pred, y_prob.shape[1])
    hits = np.bincount(y_true[right], minlength=len(confusion))
    recalls = _shares(hits, confusion.sum(axis=1))
    precisions = _shares(hits, confusion.sum(axis=0))
    # scikit-learn's top-k refuses probabilities that are not finite
    two_likeliest = np.argsort(-y_prob, axis=1, kind="stable")[:, :2]
    batch_means = [right[i : i + batch_size].mean() for i in range(0, len(right), batch_size)]
    occurs = confusion.any(axis=1)
    f1 = 2 * hits / np.maximum(1, confusion.sum(axis=0) + confusion.sum(axis=1))
    finite = np.isfinite(y_prob).all(axis=1)
    bins = reliability_table(y_true, y_prob) if finite.all() else None
    held_out = {"y_true": y_true, "y_prob": y_prob, "clips": clips, "groups": groups}
    of_clips = one_a_clip(held_out)
    return {
        "accuracy": float(right.mean()),
        "accuracy_batch_mean": float(np.mean(batch_means)),
        "top2": float(((two_likeliest == y_true[:, None]).any(axis=1) & finite).mean()),
        "macro_f1": float(f1[occurs].mean()),
        "per_class_accuracy": recalls,
        "per_class_precision": precisions,
        "confusion": confusion.tolist(),
        "ece": None if bins is None else expected_calibration_error(bins),
        "accuracy_clip": float(answered_right(of_clips["y_prob"], of_clips["y_true"]).mean()),
        "interval": group_interval(right, groups),
    }


def answered_right(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which rows of outputs (n, classes) have their maximum at the label.

    A row that is not finite has none: numpy would say class 0.
    """
    return (outputs.argmax(axis=1) == labels) & np.isfinite(outputs).all(axis=1)


def _pair_counts(rows: np.ndarray, columns: np.ndarray, n: int) -> np.ndarray:
    """Return how often each pair of two arrays of numbers below n occurs, int (n, n)."""
    counts = np.zeros((n, n), int)
    np.add.at(counts, (rows.astype(int), columns.astype(int)), 1)
    return counts


def _shares(hits: np.ndarray, totals: np.ndarray) -> list[float | None]:
    """Return each of `hits` as a share of its total; None where that is 0."""
    return [float(h / n) if n else None for h, n in zip(hits, totals, strict=True)]


def reliability_table(y_true: np.ndarray, y_prob: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Return the accuracy by confidence, the probability of the likeliest class, which is finite.

    A row a bin, all of one width and each with its upper edge: low, high (its edges), count, and
    the means confidence and accuracy, which are NaN in an empty bin.
    """
    edges = np.linspace(0, 1, bins + 1)
    confidence, right = y_prob.max(axis=1), y_prob.argmax(axis=1) == y_true
    table = pd.DataFrame({"confidence": confidence, "accuracy": right.astype(float)})
    by_bin = table.groupby(np.digitize(confidence, edges[1:-1], right=True))
    counts = by_bin.size().reindex(range(bins), fill_value=0)
    rows = by_bin.mean().reindex(range(bins)).assign(low=edges[:-1], high=edges[1:], count=counts)
    return rows[["low", "high", "count", "confidence", "accuracy"]]


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Return the mean distance of confidence and accuracy, 0..1, of a `reliability_table`.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    filled = table[table["count"] > 0]
    distance = np.abs(filled["confidence"] - filled["accuracy"])
    return float(np.average(distance, weights=filled["count"]))


def one_a_clip(held_out: HeldOut) -> dict[str, np.ndarray]:
    """Return the same with one answer a clip, the mean of its sequences'; clips are sorted."""
    clips, first, row = np.unique(held_out["clips"], return_index=True, return_inverse=True)
    total = np.zeros((len(clips), held_out["y_prob"].shape[1]))
    np.add.at(total, row, held_out["y_prob"])
    of_clips = {key: held_out[key][first] for key in ("y_true", "groups")}
    return of_clips | {"y_prob": total / np.bincount(row)[:, None], "clips": clips}


def chance_loss(classes: Sequence[str]) -> float:
    """Return the cross-entropy of a uniform answer: ln(classes)."""
    return math.log(len(classes))


def pick_examples(
    predictions: Mapping[str, np.ndarray], classes: Sequence[str], each: int = 2
) -> tuple[np.ndarray, list[str], list[bool]]:
    """Return the most confident answers, `each` right and wrong, of different classes if possible.

    They are store indices, titles ("walking -> biking 63%"), and whether each answer was right;
    `predictions` are a run's, `classes` the display names.
    """
    y_true, y_prob = predictions["y_true"], predictions["y_prob"]
    y_pred = y_prob.argmax(axis=1)
    by_confidence = np.argsort(-y_prob.max(axis=1), kind="stable")
    picked = []
    for right in (True, False):
        rows = [i for i in by_confidence if (y_pred[i] == y_true[i]) == right]
        first_of_class = set({y_true[i]: i for i in reversed(rows)}.values())
        picked += sorted(rows, key=lambda i: i not in first_of_class)[:each]
    titles = [f"{classes[y_true[i]]} -> {classes[y_pred[i]]} {y_prob[i].max():.0%}" for i in picked]
    return predictions["index"][picked], titles, [bool(y_pred[i] == y_true[i]) for i in picked]


def compare_pair(a: HeldOut, b: HeldOut) -> dict:
    """Compare two models, one answer a clip; a `UserError` if clips or their labels differ.

    Returns clips, both_right, only_a, only_b, neither (counts of clips), p_value (see
    `sign_flip_test`), effective_clips (see `effective_number`), difference (accuracy of a minus
    that of b) and interval (95 %, of the difference, over groups; None for a single group).
    """
    a, b = one_a_clip(a), one_a_clip(b)
    remedy = "compare runs of one store, split and seed"
    if not np.array_equal(a["clips"], b["clips"]):
        count = len(np.setxor1d(a["clips"], b["clips"]))
        raise UserError(f"the two models differ in {count} of their held-out clips; {remedy}")
    if not np.array_equal(a["y_true"], b["y_true"]):
        raise UserError(f"the two models' clips have different labels; {remedy}")
    right_a, right_b = (answered_right(one["y_prob"], one["y_true"]) for one in (a, b))
    # rows are whether a is right, columns whether b is
    (neither, only_b), (only_a, both) = _pair_counts(right_a, right_b, 2).tolist()
    difference = right_a.astype(int) - right_b
    return {
        "clips": len(a["clips"]),
        "both_right": both,
        "only_a": only_a,
        "only_b": only_b,
        "neither": neither,
        "p_value": sign_flip_test(difference, a["groups"]),
        "effective_clips": effective_number(difference, a["groups"]),
        "difference": float(difference.mean()),
        "interval": group_interval(difference, a["groups"], bounds=(-1.0, 1.0)),
    }


def pairs_table(held_out: Mapping[str, HeldOut]) -> pd.DataFrame:
    """Compare every two models, given as name -> `Run.held_out`.

    Returns a row a pair: its names `a` and `b` and the keys of `compare_pair`, the p values
    corrected for all pairs by `holm`; the interval's ends are `low` and `high`, NaN without one.
    Raises a `UserError` for fewer than two models.
    """
    if len(held_out) < 2:
        raise UserError("nothing to compare; give two models or more")
    rows = []
    for a, b in itertools.combinations(held_out, 2):
        row = {"a": a, "b": b} | compare_pair(held_out[a], held_out[b])
        low, high = row.pop("interval") or (math.nan, math.nan)
        rows.append(row | {"low": low, "high": high})
    table = pd.DataFrame(rows)
    return table.assign(p_value=holm(table["p_value"].to_numpy()))
