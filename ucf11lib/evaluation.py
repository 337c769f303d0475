"""From predictions to numbers."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, f1_score

from ucf11lib.errors import UserError
from ucf11lib.intervals import interval

BINS = 15  # of confidence, as Guo et al. have them


def probabilities(outputs: np.ndarray, head: str) -> np.ndarray:
    """Turn what a model's last layer gives, float (n, classes), into probabilities of the same shape.

    A head that ends in a softmax gives them already, whatever the loss then did with them.
    """
    outputs = outputs.astype(np.float64)
    return softmax(outputs, axis=1) if head == "logits" else outputs


def metrics(y_true: np.ndarray, y_prob: np.ndarray, batch_size: int = 16) -> dict:
    """Measure predictions.

    Args:
        y_true: int (n,).
        y_prob: float (n, classes).
        batch_size: for `accuracy_batch_mean`, the 2019 report's mean of the batches' accuracies, which weighs a
            smaller last batch like the others.

    Returns:
        accuracy, accuracy_batch_mean, top2 (the true class is among the two likeliest; 1 for two classes), macro_f1
        (over classes that occur), per_class_accuracy (None for a class that does not occur), confusion (counts, rows
        are true classes) and ece (see `expected_calibration_error`; None for probabilities that are not numbers).
    """
    classes = y_prob.shape[1]
    y_pred = y_prob.argmax(axis=1)
    right = y_pred == y_true
    confusion = confusion_matrix(y_true, y_pred, labels=np.arange(classes))
    per_row = confusion.sum(axis=1)
    two_likeliest = np.argsort(-y_prob, axis=1, kind="stable")[:, :2]  # scikit-learn's refuses what is not a number
    batch_means = [right[i : i + batch_size].mean() for i in range(0, len(right), batch_size)]
    return {
        "accuracy": float(right.mean()),
        "accuracy_batch_mean": float(np.mean(batch_means)),
        "top2": float((two_likeliest == y_true[:, None]).any(axis=1).mean()),
        "macro_f1": float(f1_score(y_true, y_pred, labels=np.unique(y_true), average="macro", zero_division=0)),
        "per_class_accuracy": [float(confusion[c, c] / per_row[c]) if per_row[c] else None for c in range(classes)],
        "confusion": confusion.tolist(),
        "ece": expected_calibration_error(reliability(y_true, y_prob)) if np.isfinite(y_prob).all() else None,
    }


def reliability(y_true: np.ndarray, y_prob: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Return how often the likeliest class is right, by how sure the model was.

    Args:
        y_true: int (n,).
        y_prob: float (n, classes), numbers.
        bins: of equal width over 0..1; each holds its upper edge, as in Guo et al. (2017), arXiv:1706.04599.

    Returns:
        A row a bin, with `low` and `high` (its edges), `count`, `confidence` (the mean probability of the likeliest
        class) and `accuracy`; the last two are NaN in an empty bin.
    """
    edges = np.linspace(0, 1, bins + 1)
    sureness = y_prob.max(axis=1)
    table = pd.DataFrame({"confidence": sureness, "accuracy": (y_prob.argmax(axis=1) == y_true).astype(float)})
    by_bin = table.groupby(np.digitize(sureness, edges[1:-1], right=True))
    rows = by_bin.mean().reindex(range(bins))
    counts = by_bin.size().reindex(range(bins), fill_value=0)
    return rows.assign(low=edges[:-1], high=edges[1:], count=counts)[["low", "high", "count", "confidence", "accuracy"]]


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Return the mean distance of confidence and accuracy, 0..1, over the sequences of a `reliability` table.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    filled = table[table["count"] > 0]
    return float(np.average(np.abs(filled["confidence"] - filled["accuracy"]), weights=filled["count"]))


def by_clip(y_true: np.ndarray, y_prob: np.ndarray, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Answer once for each clip: by the mean of its sequences' probabilities.

    Args:
        y_true: int (n,), the same for all sequences of a clip.
        y_prob: float (n, classes).
        clips: str (n,), the clip of each sequence.

    Returns:
        Names (clips,), sorted, their labels (clips,) and probabilities (clips, classes): the latter two as `metrics`
        takes them.
    """
    names, first, row = np.unique(clips, return_index=True, return_inverse=True)
    total = np.zeros((len(names), y_prob.shape[1]))
    np.add.at(total, row, y_prob)
    return names, y_true[first], total / np.bincount(row)[:, None]


def measure(
    y_true: np.ndarray, y_prob: np.ndarray, clips: np.ndarray, groups: np.ndarray, batch_size: int = 16
) -> dict:
    """Return `metrics` and what needs to know the clips and groups.

    Args:
        y_true: int (n,).
        y_prob: float (n, classes).
        clips: str (n,), the clip of each sequence.
        groups: str (n,), the group of each sequence.
        batch_size: as for `metrics`.

    Returns:
        The keys of `metrics`, accuracy_clip (one answer a clip, see `by_clip`) and interval (95 %, of the accuracy by
        sequence, over groups; None for a single group).
    """
    _, clip_true, clip_prob = by_clip(y_true, y_prob, clips)
    return metrics(y_true, y_prob, batch_size) | {
        "accuracy_clip": float((clip_prob.argmax(axis=1) == clip_true).mean()),
        "interval": interval(y_prob.argmax(axis=1) == y_true, groups),
    }


def compare(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray], seed: int = 0) -> dict:
    """Compare two models on the same held-out clips, one answer a clip.

    McNemar's test looks at the clips on which exactly one is right, and asks whether they fall to either side like
    a coin; it takes clips for independent, so that where groups are alike the interval over groups is the one to trust.

    Args:
        a: `y_true` (n,), `y_prob` (n, classes), `clips` (n,) and `groups` (n,) of one model's held-out sequences.
        b: the same of the other; in any order, and with as many sequences a clip as it likes.
        seed: of the interval's resampling.

    Returns:
        clips, both_right, only_a, only_b, neither (counts of clips), p_value (McNemar's exact test, two-sided; 1 where
        the two never differ), difference (accuracy of a minus that of b, by clip) and interval (95 %, of the
        difference, over groups; None for a single group).

    Raises:
        UserError: the two are not on the same clips, or the clips' labels differ.
    """
    (names, labels, prob_a), (names_b, labels_b, prob_b) = (
        by_clip(side["y_true"], side["y_prob"], side["clips"]) for side in (a, b)
    )
    if not np.array_equal(names, names_b):
        raise UserError(f"the two models are not on the same held-out clips: {len(np.setxor1d(names, names_b))} are in "
                        "one alone; compare runs of one store, split and seed")  # fmt: skip
    if not np.array_equal(labels, labels_b):
        raise UserError("the two models' clips have different labels; compare runs of one store, split and seed")
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
        "interval": interval(difference, groups, bounds=(-1.0, 1.0), seed=seed),
    }


def pairs(held_out: Mapping[str, Mapping[str, np.ndarray]]) -> pd.DataFrame:
    """Compare every two models on the same held-out clips.

    Args:
        held_out: for each name what `compare` takes.

    Returns:
        A row a pair, with its names `a` and `b` and the keys of `compare`; the interval's ends are `low` and `high`,
        NaN where there is none.
    """
    rows = []
    for a, b in itertools.combinations(held_out, 2):
        found = compare(held_out[a], held_out[b])
        low, high = found.pop("interval") or (math.nan, math.nan)
        rows.append({"a": a, "b": b} | found | {"low": low, "high": high})
    return pd.DataFrame(rows)


def chance_loss(classes: Sequence[str]) -> float:
    """Return the loss of a model that knows nothing: ln(classes)."""
    return math.log(len(classes))


def pick_examples(
    predictions: Mapping[str, np.ndarray], classes: Sequence[str], each: int = 2
) -> tuple[np.ndarray, list[str], list[bool]]:
    """Choose the surest right and the surest wrong answers, of different classes as far as there are.

    Args:
        predictions: `index`, `y_true` (n,) and `y_prob` (n, classes) of a run.
        classes: display names.
        each: how many of either.

    Returns:
        Store indices, a title each ("walking -> biking 63 %"), and whether the answer was right.
    """
    y_true, y_prob = predictions["y_true"], predictions["y_prob"]
    y_pred = y_prob.argmax(axis=1)
    by_sureness = np.argsort(-y_prob.max(axis=1), kind="stable")
    chosen = []
    for wanted in (True, False):
        rows = [i for i in by_sureness if (y_pred[i] == y_true[i]) == wanted]
        first_of_class = [i for k, i in enumerate(rows) if y_true[i] not in y_true[rows[:k]]]
        rest = [i for i in rows if i not in first_of_class]
        chosen += (first_of_class + rest)[:each]
    titles = [f"{classes[y_true[i]]} -> {classes[y_pred[i]]} {y_prob[i].max():.0%}" for i in chosen]
    return predictions["index"][chosen], titles, [bool(y_pred[i] == y_true[i]) for i in chosen]
