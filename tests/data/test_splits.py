"""How sequences are divided: no unit on both sides, the right share held out, repeatable."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ucf11lib.data import splits
from ucf11lib.errors import UserError
from ucf11lib.runs import RunConfig


@st.composite
def index_sets(draw):
    """Labels, groups and clips of a store's sequences, in any order."""
    rows = [
        (label, group := f"class{label}/v_class{label}_{g:02d}", f"{group}/{c}")
        for label in range(draw(st.integers(2, 4)))
        for g in draw(st.sets(st.integers(1, 12), min_size=2, max_size=7))
        for c in range(draw(st.integers(1, 3)))
        for _ in range(draw(st.integers(1, 3)))
    ]
    return [np.array(column) for column in zip(*draw(st.permutations(rows)), strict=True)]


@pytest.mark.parametrize("kind", splits.SPLITS)
@settings(max_examples=200, deadline=None)
@given(columns=index_sets(), seed=st.integers(0, 5))
def test_divide_parts_are_disjoint_complete_and_repeatable(kind, columns, seed, fake_store):
    store = fake_store(*columns)
    if len(store) < splits.FOLDS:
        return
    parts, again = splits.divide(store, kind, seed), splits.divide(store, kind, seed)
    assert sorted([*parts.train, *parts.validation]) == list(range(len(store)))
    assert np.array_equal(parts.train, again.train)
    assert len(parts.validation)
    units = {"video": store.clips, "group": store.groups}.get(kind)
    if units is not None:
        assert not set(units[parts.train]) & set(units[parts.validation])
        assert set(store.labels[parts.train]) == set(range(len(store.classes)))


def test_divide_random_holds_out_the_reports_160(fake_store):
    clips = [f"c{i // 5}" for i in range(1100)]
    store = fake_store(np.repeat(range(11), 100), clips, clips)
    assert len(splits.divide(store, "random").validation) == 160


def test_divide_refuses_what_it_cannot_divide(store, fake_store):
    small = fake_store([0, 0, 1, 1, 1], ["a", "b", "c", "c", "c"], ["1", "2", "3", "4", "5"])
    with pytest.raises(UserError, match="needs at least 2 groups of each class; too few of class1"):
        splits.divide(small, "group")
    with pytest.raises(UserError, match="4 sequences are too few to hold any out"):
        splits.divide(fake_store([0, 0, 1, 1], list("aabb"), list("abcd")), "random")
    with pytest.raises(UserError, match="unknown split 'sorted'; choose one of random, video, gro"):
        splits.divide(store, "sorted")


@pytest.mark.parametrize("kind", ["video", "group"])
@settings(max_examples=200, deadline=None)
@given(columns=index_sets(), seed=st.integers(0, 5))
def test_divide_share_of_each_class_to_within_its_largest_unit(kind, columns, seed, fake_store):
    store = fake_store(*columns)
    parts = splits.divide(store, kind, seed)
    units = {"video": store.clips, "group": store.groups}[kind]
    assert_a_fold_of_each_class(store, units, np.arange(len(store)), parts.validation)


def assert_a_fold_of_each_class(store, units, indices, held_out):
    """A share of `indices` that is nearer to a fold than the class's largest unit is large."""
    labels = store.labels[indices]
    every = range(len(store.classes))
    sizes = [np.unique(units[indices][labels == i], return_counts=True)[1] for i in every]
    folds = min(splits.FOLDS, *map(len, sizes))
    for label in every:
        n = (store.labels[held_out] == label).sum()
        assert abs(n - sizes[label].sum() / folds) <= sizes[label].max()


@settings(max_examples=100, deadline=None)
@given(
    n_classes=st.integers(2, 4),
    draws=st.lists(st.integers(0, 30), min_size=24, max_size=80),
    seed=st.integers(0, 5),
)
def test_divide_groups_that_span_classes_stay_on_one_side(n_classes, draws, seed, fake_store):
    labels = np.array([number % n_classes for number in range(len(draws))])
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


def test_divide_five_seeds_hold_all_people_out_once(fake_store):
    people = np.repeat([f"person{i}" for i in range(9)], np.arange(4, 22, 2))
    store = fake_store(np.arange(len(people)) % 2, people, people)
    parts = [splits.divide(store, "group", seed) for seed in range(splits.FOLDS)]
    sides = [set(people[part.validation]) for part in parts]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 9


@settings(max_examples=250, deadline=None)
@given(columns=index_sets(), kind=st.sampled_from(splits.SPLITS), seed=st.integers(0, 5))
def test_inner_split_uses_only_training_groups(columns, kind, seed, fake_store):
    store = fake_store(*columns)
    if len(store) < splits.FOLDS:
        return
    parts = splits.divide(store, kind, seed)
    labels, groups = store.labels[parts.train], store.groups[parts.train]
    if min(len(set(groups[labels == label])) for label in range(len(store.classes))) < 2:
        with pytest.raises(UserError, match=r"an inner split .* needs at least 2 groups of each"):
            splits.inner_split(store, parts, seed)
        return
    inner, again = (splits.inner_split(store, parts, seed) for _ in range(2))
    assert np.array_equal(np.sort([*inner.train, *inner.validation]), parts.train)
    assert not set(store.groups[inner.train]) & set(store.groups[inner.validation])
    assert set(store.labels[inner.train]) == set(range(len(store.classes)))
    assert np.array_equal(inner.validation, again.validation)
    assert_a_fold_of_each_class(store, store.groups, parts.train, inner.validation)


@pytest.mark.parametrize(
    ("kind", "sums"), [("random", [1858, 1718]), ("video", [1873, 1854]), ("group", [2930, 2850])]
)
def test_divide_splits_of_the_first_version(store, kind, sums):
    parts = [splits.divide(store, kind, seed) for seed in (0, 1)]
    assert [part.validation.sum() for part in parts] == sums


def test_split_inner_is_cut_from_the_training_part(store):
    config = RunConfig.of(model="c3d")
    outer = splits.split(store, config)
    inner = splits.split(store, config.with_(inner=True))
    assert np.array_equal(np.sort([*inner.train, *inner.validation]), outer.train)


@settings(max_examples=200, deadline=None)
@given(columns=index_sets())
def test_leave_out_every_sequence_once(columns, fake_store):
    store = fake_store(*columns)
    held_out = []
    for fold in splits.list_folds(store):
        parts = splits.leave_out(store, fold)
        assert sorted([*parts.train, *parts.validation]) == list(range(len(store)))
        assert {group[-2:] for group in store.groups[parts.validation]} == {fold}
        assert not any(group.endswith(fold) for group in store.groups[parts.train])
        assert set(store.labels[parts.train]) == set(range(len(store.classes)))
        held_out += parts.validation.tolist()
    assert sorted(held_out) == list(range(len(store)))
