"""Which sequences train and which are held out.

`random` is the 2019 report's: 160 sequences of a shuffle, so windows of one clip fall on both sides and memory passes
for skill. `video` keeps each clip on one side, `group` keeps each group (performer, place, camera) on one side: only
the last says how a model does on people and places that it has not seen.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError
from ucf11lib.recipes import check

SPLITS = ("random", "video", "group")
HELD_OUT_2019 = 160
FOLDS = 5  # video and group splits hold out about a fifth


@dataclass(frozen=True)
class Split:
    """Disjoint, sorted store indices.

    Attributes:
        train: int64 (n_train,).
        validation: int64 (n_val,).
    """

    train: np.ndarray
    validation: np.ndarray


def split(store: ClipStore, kind: str, seed: int = 0) -> Split:
    """Divide a store's sequences.

    Args:
        store: what to divide.
        kind: `random`, `video` or `group`.
        seed: of the choice.

    Raises:
        UserError: an unknown kind, or too few clips or groups to hold any out of each class.
    """
    check(kind, SPLITS, "split")
    if kind == "random":
        order = np.random.default_rng([seed, 0]).permutation(len(store))
        n = min(HELD_OUT_2019, len(store) // FOLDS)
        train, validation = order[n:], order[:n]
    else:
        units = store.clips if kind == "video" else store.groups
        train, validation = _by_unit(store, kind, units, seed)
    found = Split(np.sort(train), np.sort(validation))
    _check(store, found, kind)
    return found


def one_a_class(store: ClipStore, indices: np.ndarray, count: int) -> np.ndarray:
    """Return `count` of `indices`, sorted: the first of each class, then the second of each, and so on."""
    table = pd.DataFrame({"index": indices, "label": store.labels[indices]})
    table["turn"] = table.groupby("label").cumcount()
    return np.sort(table.sort_values(["turn", "label"])["index"].to_numpy()[:count])


def leak_table(store: ClipStore, seed: int = 0) -> pd.DataFrame:
    """Return, a split a row, sizes and the shares of held-out sequences whose clip or group trains too."""
    rows = []
    for kind in SPLITS:
        found = split(store, kind, seed)
        shared = [
            float(np.isin(units[found.validation], units[found.train]).mean()) for units in (store.clips, store.groups)
        ]
        rows.append((kind, len(found.train), len(found.validation), *shared))
    return pd.DataFrame(rows, columns=["split", "training", "held out", "share with clip", "share with group"])


def _by_unit(store: ClipStore, kind: str, units: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    per_class = {name: len(set(units[store.labels == label])) for label, name in enumerate(store.classes)}
    scarce = [name for name, n in per_class.items() if n < 2]
    if scarce:
        raise UserError(f"{store.path}: --split {kind} needs at least 2 {kind}s of each class; too few of "
                        f"{', '.join(scarce)}; use --split random")  # fmt: skip
    folds = StratifiedGroupKFold(min(FOLDS, *per_class.values()), shuffle=True, random_state=seed)
    return next(folds.split(np.zeros(len(store)), store.labels, units))


def _check(store: ClipStore, found: Split, kind: str) -> None:
    """Raise unless the parts are disjoint, complete, non-empty and share no unit."""
    both = np.concatenate([found.train, found.validation])
    if len(both) != len(store) or len(np.unique(both)) != len(store):
        raise AssertionError(f"split {kind}: parts overlap or miss sequences")
    if not len(found.validation) or not len(found.train):
        raise UserError(f"{store.path}: {len(store)} sequences are too few to hold any out")
    units = {"video": store.clips, "group": store.groups}.get(kind)
    if units is not None and set(units[found.train]) & set(units[found.validation]):
        raise AssertionError(f"split {kind}: a {kind} is on both sides")
