"""Which sequences train and which are held out.

`random` is the 2019 report's: sequences of one clip are on both sides, so a model that memorises
does well. `video` keeps each clip on one side, `group` each group (performer, place, camera).
`logo` leaves one group index out at a time, UCF-11's own protocol (Liu, Luo and Shah 2009) and
Weizmann's. Settings are selected on a part cut out of the training side (`inner_split`).
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError
from ucf11lib.runs.config import RunConfig
from ucf11lib.runs.parsing import check_name
from ucf11lib.runs.specs import LOGO, SPLITS
from ucf11lib.text import natural_key

HELD_OUT_2019 = 160
FOLDS = 5  # video and group splits hold out about a fifth
MORE = "prepare more, or use --split random, which holds out near copies of trained sequences"
INDEX = re.compile(r"(?:^|[/_])([A-Za-z]?\d+)$")  # 07 of swing/v_swing_07, g07 of Biking/g07


@dataclass(frozen=True)
class Split:
    """Disjoint, sorted store indices: int64 (n_train,) and (n_val,)."""

    train: np.ndarray
    validation: np.ndarray


def split(store: ClipStore, config: RunConfig) -> Split:
    """Divide a store's sequences as a run's `split` and `seed` ask.

    Raises `UserError` for a store that cannot be divided so, that does not have the fold, or that
    has a single class.
    """
    if len(store.classes) < 2:
        only = f"only class {store.classes[0]!r}"
        raise UserError(f"{store.path}: {only}; a classifier needs at least 2 class folders")
    spec = config.split
    logo = spec.kind == LOGO
    parts = leave_out(store, spec.fold) if logo else divide(store, spec.kind, config.seed)
    return inner_split(store, parts, config.seed) if spec.inner else parts


def divide(store: ClipStore, kind: str, seed: int = 0) -> Split:
    """Divide a store's sequences at random, by clip (`video`) or by group.

    Raises `UserError` on an unknown kind, or too few clips or groups to hold any out of each class.
    """
    check_name(kind, SPLITS, "split")
    if kind != "random":
        return _by_unit(store, kind, np.arange(len(store)), seed, f"--split {kind}")
    order = np.random.default_rng([seed, 0]).permutation(len(store))
    n = min(HELD_OUT_2019, len(store) // FOLDS)
    if not n:
        raise UserError(f"{store.path}: {len(store)} sequences are too few to hold any out")
    return Split(np.sort(order[n:]), np.sort(order[:n]))


def list_folds(store: ClipStore) -> list[str]:
    """Return the names of a store's folds, each a group index of every class, in natural order.

    A group that spans classes, such as Weizmann's subject "daria", is a fold by itself. Raises
    `UserError` if groups are estimated, each clip is its own group, or a group has no index.
    """
    return sorted(set(_fold_of_each_group(store).values()), key=natural_key)


def leave_out(store: ClipStore, fold: str) -> Split:
    """Hold out the groups of one index in every class, and train on all others.

    Raises `UserError` for no such fold, or one without which a class has nothing to train on.
    """
    of_group = _fold_of_each_group(store)
    check_name(fold, list_folds(store), "fold")
    out = np.array([of_group[group] == fold for group in store.groups])
    bare = [name for label, name in enumerate(store.classes) if out[store.labels == label].all()]
    if bare:
        problem = f"all groups of {', '.join(bare)} are in fold {fold}, none is left to train on"
        raise UserError(f"{store.path}: {problem}; use --split group")
    return Split(np.flatnonzero(~out), np.flatnonzero(out))


def inner_split(store: ClipStore, outer: Split, seed: int = 0) -> Split:
    """Divide `outer.train` again, by group: about a fifth of each class to select settings on.

    Raises `UserError` if a class has fewer than 2 groups in the training part.
    """
    return _by_unit(store, "group", outer.train, seed, "an inner split of the training part")


def even_folds(
    labels: np.ndarray, units: np.ndarray, n_folds: int, random: np.random.RandomState
) -> np.ndarray:
    """Return each sequence's fold: units stay whole, and each class is spread over the folds.

    The units whose classes are the least even are placed first, each where the spread is then the
    most even; at a tie, in the smaller fold. These are the folds of scikit-learn's
    `StratifiedGroupKFold`: its package takes a second or more to load.
    """
    label, unit = (np.unique(of, return_inverse=True)[1] for of in (labels, units))
    counts = np.zeros((unit.max() + 1, label.max() + 1))
    np.add.at(counts, (unit, label), 1)
    order = random.permutation(len(counts))
    order = order[np.argsort(-counts[order].std(axis=1), kind="stable")]
    in_fold = np.zeros((n_folds, counts.shape[1]))
    fold_of_unit = np.zeros(len(counts), int)
    for i in order:
        # Axes: the fold that this unit would join, all folds, classes.
        proposed = in_fold + np.eye(n_folds)[:, :, None] * counts[i]
        uneven = (proposed / counts.sum(axis=0)).std(axis=1).mean(axis=1)
        best = 0
        for fold in range(1, n_folds):
            tie = np.isclose(uneven[fold], uneven[best])
            smaller = in_fold[fold].sum() < in_fold[best].sum()
            if uneven[fold] < uneven[best] or (tie and smaller):
                best = fold
        fold_of_unit[i] = best
        in_fold[best] += counts[i]
    return fold_of_unit[unit]


def split_table(store: ClipStore, parts: Split) -> pd.DataFrame:
    """Return a row a divided sequence, in store order: `index`, `clip`, `group` and `side`."""
    rows = np.sort(np.concatenate([parts.train, parts.validation]))
    side = np.where(np.isin(rows, parts.train), "train", "held out")
    columns = {"clip": store.clips[rows], "group": store.groups[rows], "side": side}
    return pd.DataFrame({"index": rows} | columns)


def first_of_each_class(store: ClipStore, indices: np.ndarray, count: int) -> np.ndarray:
    """Return `count` of `indices`, sorted: the first of each class, then the second, and so on."""
    table = pd.DataFrame({"index": indices, "label": store.labels[indices]})
    table["turn"] = table.groupby("label").cumcount()
    return np.sort(table.sort_values(["turn", "label"])["index"].to_numpy()[:count])


def leak_table(store: ClipStore, seed: int = 0) -> pd.DataFrame:
    """Return, a split a row, sizes and the shares of held-out sequences with relatives in training.

    Relatives are other sequences of the same clip, or of the same group.
    """
    rows = []
    for kind in SPLITS:
        parts = divide(store, kind, seed)
        row = [kind, len(parts.train), len(parts.validation)]
        for units in (store.clips, store.groups):
            row.append(np.isin(units[parts.validation], units[parts.train]).mean())
        rows.append(row)
    columns = ["split", "training", "held out", "share with clip", "share with group"]
    return pd.DataFrame(rows, columns=columns)


def _fold_of_each_group(store: ClipStore) -> dict[str, str]:
    """Return each group's index in its class; itself if it spans classes."""
    prepare_again = "prepare it again with --group-pattern, or use --split group"
    if store.info.origin.get("groups") == "estimated":
        problem = "its groups are estimated and have no index to leave out"
        raise UserError(f"{store.path}: {problem}; use --split group")
    if np.array_equal(store.clips, store.groups):
        raise UserError(f"{store.path}: each clip is its own group; {prepare_again}")
    groups = sorted(set(store.groups.tolist()))
    matches = {group: INDEX.search(group) for group in groups}
    if bare := [group for group in groups if "/" in group and not matches[group]]:
        problem = f"{len(bare)} groups have no index at their end, the first: {bare[0]}"
        raise UserError(f"{store.path}: {problem}; {prepare_again}")
    return {group: one[1] if one and "/" in group else group for group, one in matches.items()}


def _by_unit(store: ClipStore, kind: str, indices: np.ndarray, seed: int, what: str) -> Split:
    """Divide `indices` into a part to train on and a fold, of complete clips or groups."""
    labels = store.labels[indices]
    units = (store.clips if kind == "video" else store.groups)[indices]
    per_class = {name: len(set(units[labels == i])) for i, name in enumerate(store.classes)}
    if scarce := ", ".join(name for name, n in per_class.items() if n < 2):
        problem = f"needs at least 2 {kind}s of each class; too few of {scarce}"
        raise UserError(f"{store.path}: {what} {problem}; {MORE}")
    n_folds = min(FOLDS, *per_class.values())
    fold = 0
    # The seed shuffles units of a size. Of units that span classes, as Weizmann's subjects do,
    # hardly two are of a size: there it also selects the fold.
    if sum(per_class.values()) > len(set(units)):
        seed, fold = divmod(seed, n_folds)
    fold_of = even_folds(labels, units, n_folds, np.random.RandomState(seed))
    folds = [(np.flatnonzero(fold_of != i), np.flatnonzero(fold_of == i)) for i in range(n_folds)]
    folds = folds[fold:] + folds[:fold]

    def has_all_classes(part: np.ndarray) -> bool:
        return len(np.unique(labels[part])) == len(per_class)

    # Groups that span some classes may hold out all that a class has.
    usable = [one for one in folds if has_all_classes(one[0]) and len(one[1])]
    if not usable:
        problem = f"{what} leaves a class without training sequences"
        raise UserError(f"{store.path}: {problem}; {MORE}")
    train, validation = max(usable, key=lambda one: has_all_classes(one[1]))
    return Split(np.sort(indices[train]), np.sort(indices[validation]))
