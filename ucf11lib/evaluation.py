"""From predictions to numbers."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import softmax
from sklearn.metrics import confusion_matrix, f1_score


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
        accuracy, accuracy_batch_mean, macro_f1 (over classes that occur), per_class_accuracy (None for a class that
        does not occur) and confusion (counts, rows are true classes).
    """
    classes = y_prob.shape[1]
    y_pred = y_prob.argmax(axis=1)
    right = y_pred == y_true
    confusion = confusion_matrix(y_true, y_pred, labels=np.arange(classes))
    per_row = confusion.sum(axis=1)
    batch_means = [right[i : i + batch_size].mean() for i in range(0, len(right), batch_size)]
    return {
        "accuracy": float(right.mean()),
        "accuracy_batch_mean": float(np.mean(batch_means)),
        "macro_f1": float(f1_score(y_true, y_pred, labels=np.unique(y_true), average="macro", zero_division=0)),
        "per_class_accuracy": [float(confusion[c, c] / per_row[c]) if per_row[c] else None for c in range(classes)],
        "confusion": confusion.tolist(),
    }


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
