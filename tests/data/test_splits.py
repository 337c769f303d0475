"""How sequences are divided: no unit on both sides, the right share held out, repeatable."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import model_selection

from ucf11lib.data import splits
from ucf11lib.errors import UserError
from ucf11lib.runs import RunConfig


@st.composite
def index_sets(draw):
    """Labels, groups and clips of a store whose groups belong to one class each."""
    labels, groups, clips = [], [], []
    for label in range(draw(st.integers(2, 4))):
        for g in range(draw(st.integers(2, 7))):
            for c in range(draw(st.integers(1, 3))):
                n = draw(st.integers(1, 3))
                labels += [label] * n
                groups += [f"{label}/{g}"] * n
                clips += [f"{label}/{g}/{c}"] * n
    return labels, groups, clips


def check_shares(store, indices, held_out, units):
    """Each class is held out to about the share of a fold, within its largest unit."""
    table = pd.DataFrame({"label": store.labels[indices], "unit": units[indices]})
    units_of_class = table.groupby("label")["unit"]
    n_folds = min(splits.FOLDS, units_of_class.nunique().min())
    for label, units in units_of_class:
        count = (store.labels[held_out] == label).sum()
        assert abs(count - len(units) / n_folds) <= units.value_counts().max()


@pytest.mark.parametrize("kind", splits.SPLITS)
@settings(max_examples=100, deadline=None)
@given(columns=index_sets(), seed=st.integers(0, 5))
def test_divide_and_inner_split_are_disjoint_complete_and_repeatable(
    kind, columns, seed, fake_store
):
    store = fake_store(*columns)
    if len(store) < splits.FOLDS:
        return
    everything = np.arange(len(store))
    every_class = set(range(len(store.classes)))
    parts = splits.divide(store, kind, seed)
    assert np.array_equal(np.sort([*parts.train, *parts.validation]), everything)
    assert np.array_equal(parts.train, splits.divide(store, kind, seed).train)
    assert len(parts.validation)
    if kind != "random":
        units = {"video": store.clips, "group": store.groups}[kind]
        assert not set(units[parts.train]) & set(units[parts.validation])
        assert set(store.labels[parts.train]) == every_class
        check_shares(store, everything, parts.validation, units)
    in_training = set(zip(store.labels[parts.train], store.groups[parts.train], strict=True))
    if min(sum(label == c for label, _ in in_training) for c in every_class) < 2:
        message = "an inner split of the training part needs at least 2 groups of each class"
        with pytest.raises(UserError, match=message):
            splits.inner_split(store, parts, seed)
        return
    inner = splits.inner_split(store, parts, seed)
    assert np.array_equal(np.sort([*inner.train, *inner.validation]), parts.train)
    assert np.array_equal(inner.train, splits.inner_split(store, parts, seed).train)
    assert not set(store.groups[inner.train]) & set(store.groups[inner.validation])
    assert set(store.labels[inner.train]) == every_class
    check_shares(store, parts.train, inner.validation, store.groups)


@pytest.mark.parametrize("seed", range(6))
def test_divide_by_groups_that_span_some_classes_trains_on_all(fake_store, seed):
    """As in a folder of videos of people of whom not all do everything."""
    people = {0: "bde", 1: "ad", 2: "bc", 3: "bd"}
    cells = [(label, person) for label, some in people.items() for person in some]
    labels, groups = zip(*cells, strict=True)
    store = fake_store(labels, groups, [f"{label}/{person}" for label, person in cells])
    parts = splits.divide(store, "group", seed)
    assert set(store.labels[parts.train]) == set(people)
    assert not set(store.groups[parts.train]) & set(store.groups[parts.validation])


@pytest.mark.filterwarnings("ignore:The least populated class")
@settings(max_examples=300, deadline=None)
@given(
    draws=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=8, max_size=80),
    span=st.booleans(),
    n_folds=st.integers(2, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_even_folds_are_those_of_scikit_learn(draws, span, n_folds, seed):
    labels = np.array([label for label, _ in draws])
    units = np.array([f"{'' if span else label}/{unit}" for label, unit in draws])
    if n_folds > min(len(set(units)), np.bincount(labels).max()):  # as scikit-learn refuses
        return
    folds = splits.even_folds(labels, units, n_folds, np.random.RandomState(seed))
    reference = model_selection.StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    for i, (_, held_out) in enumerate(reference.split(labels, labels, units)):
        assert np.array_equal(np.flatnonzero(folds == i), held_out)


def test_divide_that_leaves_a_class_without_training_is_refused(fake_store, monkeypatch):
    unlucky = np.array([0, 0, 1, 1])
    monkeypatch.setattr(splits, "even_folds", lambda *of: unlucky)
    store = fake_store([0, 0, 1, 1], list("abcd"), list("abcd"))
    with pytest.raises(UserError, match="group leaves a class without training sequences; prep"):
        splits.divide(store, "group")


@settings(max_examples=100, deadline=None)
@given(
    n_classes=st.integers(2, 4),
    draws=st.lists(st.integers(0, 30), min_size=24, max_size=80),
    seed=st.integers(0, 5),
)
def test_divide_groups_that_span_classes_stay_on_one_side(n_classes, draws, seed, fake_store):
    labels = np.arange(len(draws)) % n_classes
    groups = [f"person{draw % 7}" for draw in draws]
    store = fake_store(labels, groups, [f"{group}/{i // 2}" for i, group in enumerate(groups)])
    if any(len(set(store.groups[labels == label])) < 2 for label in range(n_classes)):
        return
    every = set(labels)
    folds = [f for f in splits.list_folds(store) if set(labels[store.groups != f]) == every]
    left_out = [splits.leave_out(store, fold) for fold in folds]
    for parts in (splits.divide(store, "group", seed), *left_out):
        assert sorted([*parts.train, *parts.validation]) == list(range(len(store)))
        assert not set(store.groups[parts.train]) & set(store.groups[parts.validation])


def test_divide_holds_out_the_reports_160_or_a_fifth_of_each_class(fake_store):
    numbers = np.arange(1100)
    groups, clips = ([f"{n}" for n in numbers // size] for size in (4, 2))
    store = fake_store(numbers // 100, groups, clips)
    assert len(splits.divide(store, "random").validation) == 160
    held_out = splits.divide(store, "group").validation
    assert np.bincount(store.labels[held_out]).tolist() == [20] * 11


def test_divide_five_seeds_hold_all_people_out_once(fake_store):
    people = np.repeat([f"person{i}" for i in range(9)], np.arange(4, 22, 2))
    store = fake_store(np.arange(len(people)) % 2, people, people)
    held_out = [splits.divide(store, "group", seed).validation for seed in range(splits.FOLDS)]
    sides = [set(people[indices]) for indices in held_out]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 9


def test_divide_refuses_what_cannot_be_divided(store, fake_store):
    small = fake_store([0, 0, 1, 1, 1], ["a", "b", "c", "c", "c"], list("12345"))
    message = r"needs at least 2 groups of each class; too few of class1"
    with pytest.raises(UserError, match=message):
        splits.divide(small, "group")
    with pytest.raises(UserError, match="unknown split 'sorted'; choose one of random, video, gr"):
        splits.divide(store, "sorted")


def test_divide_splits_of_the_first_version(store):
    """Other splits would make all published numbers incomparable; seeds differ."""
    sums = {
        kind: [splits.divide(store, kind, seed).validation.sum() for seed in (0, 1)]
        for kind in splits.SPLITS
    }
    assert sums == {"random": [1858, 1718], "video": [1873, 1854], "group": [2930, 2850]}


def test_split_inner_is_cut_from_the_training_part(store):
    config = RunConfig.of(model="c3d")
    outer = splits.split(store, config)
    inner = splits.split(store, config.with_(inner=True))
    assert np.array_equal(np.sort([*inner.train, *inner.validation]), outer.train)
