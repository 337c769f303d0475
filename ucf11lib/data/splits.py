"""Which sequences train and which are held out.

`random` is the 2019 report's: 160 sequences of a shuffle, so windows of one clip fall on both sides and memory passes
for skill. `video` keeps each clip on one side, `group` keeps each group (performer, place, camera) on one side: only
the last says how a model does on people and places that it has not seen.

Leaving one group index out at a time (`folds`, `leave_out`) lets every sequence be held out once; it is UCF-11's own
protocol (Liu, Luo and Shah 2009) and Weizmann's. Whatever is chosen by looking at numbers is chosen on a part cut out
of the training side (`choose`), so that the held-out side is used once.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError
from ucf11lib.recipes import check

SPLITS = ("random", "video", "group")
LOGO = "logo"  # leave one group index out; not among the above, because it needs to be told which
HELD_OUT_2019 = 160
FOLDS = 5  # video and group splits hold out about a fifth
INDEX = re.compile(r"(?:^|[/_])([A-Za-z]?\d+)$")  # 07 of basketball/v_shooting_07, g07 of Biking/g07


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
        train, validation = _by_unit(store, kind, np.arange(len(store)), seed, f"--split {kind}", "use --split random")
    return _checked(store, Split(np.sort(train), np.sort(validation)), kind, np.arange(len(store)))


def folds(store: ClipStore) -> list[str]:
    """Return the names of a store's folds, each a group index of every class, in natural order.

    A group within a class has its index at its end: "07" of "basketball/v_shooting_07", "g07" of "Biking/g07". A group
    that is not a class's own, such as Weizmann's subject "daria", is a fold by itself.

    Raises:
        UserError: the groups are estimated, each clip is its own group, or a group has no index.
    """
    return sorted(set(_fold_of_group(store).values()), key=_natural)


def leave_out(store: ClipStore, fold: str) -> Split:
    """Hold out one fold, the groups of one index in every class, and train on all others.

    Args:
        store: what to divide.
        fold: one of `folds(store)`, or several with "+" between them.

    Raises:
        UserError: an unknown fold, one without which a class has no training sequences, or a store without folds.
    """
    of_group, names = _fold_of_group(store), fold.split("+")
    for name in names:
        check(name, tuple(folds(store)), "fold")
    out = np.array([of_group[group] in names for group in store.groups])
    if bare := [name for label, name in enumerate(store.classes) if out[store.labels == label].all()]:
        raise UserError(f"{store.path}: all groups of {', '.join(bare)} are in fold {fold}, which leaves none to train "
                        "on; use --split group")  # fmt: skip
    return _checked(store, Split(np.flatnonzero(~out), np.flatnonzero(out)), "group", np.arange(len(store)))


def fold_of(group: str) -> str:
    """Return a group's index within its class, "" if it has none; the group itself if it is not a class's own."""
    if "/" not in group:
        return group
    return match[1] if (match := INDEX.search(group)) else ""


def choose(store: ClipStore, found: Split, seed: int = 0) -> Split:
    """Cut a part for choosing (settings, epochs, an early stop) out of the training part, whole groups of each class.

    Args:
        store: what was divided.
        found: how; its validation part is not looked at.
        seed: of the choice.

    Returns:
        The two parts of `found.train`, with about a fifth of each class to choose on.

    Raises:
        UserError: a class has fewer than 2 groups in the training part.
    """
    rows, choosing = _by_unit(store, "group", found.train, seed, "choosing on the training part", "prepare more groups")
    parts = Split(np.sort(found.train[rows]), np.sort(found.train[choosing]))
    return _checked(store, parts, "group", found.train)


def table(store: ClipStore, found: Split) -> pd.DataFrame:
    """Return a row a divided sequence, in store order, with its `index`, `clip`, `group` and `side`."""
    index = np.concatenate([found.train, found.validation])
    side = np.repeat(["train", "held out"], [len(found.train), len(found.validation)])
    columns = {"index": index, "clip": store.clips[index], "group": store.groups[index], "side": side}
    return pd.DataFrame(columns).sort_values("index", ignore_index=True)


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


def _fold_of_group(store: ClipStore) -> dict[str, str]:
    """Return the fold of each group."""
    if store.info.get("origin", {}).get("groups") == "estimated":
        raise UserError(f"{store.path}: its groups are estimated and have no index to leave out; use --split group")
    if np.array_equal(store.clips, store.groups):
        raise UserError(f"{store.path}: each clip is its own group; prepare it again with --group-pattern, or use "
                        "--split group")  # fmt: skip
    found = {group: fold_of(group) for group in sorted(set(store.groups.tolist()))}
    if bare := [group for group, fold in found.items() if not fold]:
        raise UserError(f"{store.path}: {len(bare)} groups have no index at their end, the first: {bare[0]}; prepare "
                        "it again with --group-pattern, or use --split group")  # fmt: skip
    return found


def _natural(name: str) -> list:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _by_unit(
    store: ClipStore, kind: str, indices: np.ndarray, seed: int, what: str, remedy: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the places in `indices` of a part to train on and of a fold, of whole units, that is held out.

    StratifiedGroupKFold gives the largest units first, each to the fold that has least of its class; the seed shuffles
    those of a size. So where every unit is of one class, no class's held-out sequences are further from their share
    than its largest unit has. Where units span classes, as Weizmann's subjects do, nothing so sharp holds, and hardly
    two are of a size: there the seed also says which of the folds it is, so that one after the other is held out.
    """
    labels, units = store.labels[indices], _units(store, kind)[indices]
    per_class = {name: len(set(units[labels == label])) for label, name in enumerate(store.classes)}
    scarce = [name for name, n in per_class.items() if n < 2]
    if scarce:
        raise UserError(f"{store.path}: {what} needs at least 2 {kind}s of each class; too few of "
                        f"{', '.join(scarce)}; {remedy}")  # fmt: skip
    n_folds, fold = min(FOLDS, *per_class.values()), 0
    if sum(per_class.values()) > len(set(units)):
        seed, fold = divmod(seed, n_folds)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(indices)), labels, units))[fold]


def _units(store: ClipStore, kind: str) -> np.ndarray | None:
    return {"video": store.clips, "group": store.groups}.get(kind)


def _checked(store: ClipStore, found: Split, kind: str, whole: np.ndarray) -> Split:
    """Return `found`; raise unless its parts are disjoint, complete in `whole`, non-empty and share no unit."""
    if not np.array_equal(np.sort(np.concatenate([found.train, found.validation])), np.sort(whole)):
        raise AssertionError(f"split {kind}: parts overlap or miss sequences")
    if not len(found.validation) or not len(found.train):
        raise UserError(f"{store.path}: {len(whole)} sequences are too few to hold any out")
    units = _units(store, kind)
    if units is not None and set(units[found.train]) & set(units[found.validation]):
        raise AssertionError(f"split {kind}: a {kind} is on both sides")
    return found
