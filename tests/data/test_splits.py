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
    n_classes, labels, groups, clips = draw(st.integers(2, 4)), [], [], []
    for label in range(n_classes):
        for g in range(draw(st.integers(2, 7))):
            for c in range(draw(st.integers(1, 3))):
                for _ in range(draw(st.integers(1, 3))):
                    labels.append(label)
                    groups.append(f"{label}/{g}")
                    clips.append(f"{label}/{g}/{c}")
    return labels, groups, clips


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
    labels = np.repeat(range(11), 100)
    store = fake_store(
        labels, [f"g{i // 25}" for i in range(1100)], [f"c{i // 5}" for i in range(1100)]
    )
    assert len(splits.divide(store, "random").validation) == 160


def test_divide_group_holds_out_a_fifth_of_each_class(fake_store):
    labels = np.repeat(range(11), 100)
    many = fake_store(
        labels, [f"g{i // 4}" for i in range(1100)], [f"c{i // 2}" for i in range(1100)]
    )
    parts = splits.divide(many, "group")
    assert np.bincount(many.labels[parts.validation]).tolist() == [20] * 11


def test_divide_another_seed_another_split(store):
    a, b = (splits.divide(store, "group", seed).validation for seed in (0, 1))
    assert not np.array_equal(a, b)


def test_divide_class_of_one_group_is_named(fake_store):
    small = fake_store([0, 0, 1, 1, 1], ["a", "b", "c", "c", "c"], ["1", "2", "3", "4", "5"])
    with pytest.raises(
        UserError, match=r"needs at least 2 groups of each class; too few of class1"
    ):
        splits.divide(small, "group")


def test_divide_unknown_kind(store):
    with pytest.raises(
        UserError, match="unknown split 'sorted'; choose one of random, video, group"
    ):
        splits.divide(store, "sorted")


@pytest.mark.parametrize("kind", ["video", "group"])
@settings(max_examples=200, deadline=None)
@given(columns=index_sets(), seed=st.integers(0, 5))
def test_divide_share_of_each_class_to_within_its_largest_unit(kind, columns, seed, fake_store):
    store = fake_store(*columns)
    parts = splits.divide(store, kind, seed)
    units = {"video": store.clips, "group": store.groups}[kind]
    k = min(
        splits.FOLDS,
        *(len(set(units[store.labels == label])) for label in range(len(store.classes))),
    )
    for label in range(len(store.classes)):
        _, sizes = np.unique(units[store.labels == label], return_counts=True)
        held_out = (store.labels[parts.validation] == label).sum()
        assert abs(held_out - sizes.sum() / k) <= sizes.max()


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
    sides = [
        set(people[splits.divide(store, "group", seed).validation]) for seed in range(splits.FOLDS)
    ]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 9


@settings(max_examples=250, deadline=None)
@given(columns=index_sets(), kind=st.sampled_from(splits.SPLITS), seed=st.integers(0, 5))
def test_inner_split_uses_only_training_groups(columns, kind, seed, fake_store):
    store = fake_store(*columns)
    if len(store) < splits.FOLDS:
        return
    parts = splits.divide(store, kind, seed)
    in_training = [
        set(store.groups[parts.train][store.labels[parts.train] == c])
        for c in range(len(store.classes))
    ]
    if min(map(len, in_training)) < 2:
        with pytest.raises(
            UserError,
            match="an inner split of the training part needs at least 2 groups of each class",
        ):
            splits.inner_split(store, parts, seed)
        return
    inner, again = (splits.inner_split(store, parts, seed) for _ in range(2))
    assert np.array_equal(np.sort([*inner.train, *inner.validation]), parts.train)
    assert not set(store.groups[inner.train]) & set(store.groups[inner.validation])
    assert set(store.labels[inner.train]) == set(range(len(store.classes)))
    assert np.array_equal(inner.validation, again.validation)
    k = min(splits.FOLDS, *map(len, in_training))
    for label in range(len(store.classes)):
        _, sizes = np.unique(
            store.groups[parts.train][store.labels[parts.train] == label], return_counts=True
        )
        held = (store.labels[inner.validation] == label).sum()
        assert abs(held - sizes.sum() / k) <= sizes.max()


def test_divide_splits_of_the_first_version(store):
    sums = {
        kind: [int(splits.divide(store, kind, seed).validation.sum()) for seed in (0, 1)]
        for kind in splits.SPLITS
    }
    assert sums == {
        "random": [1858, 1718],
        "video": [1873, 1854],
        "group": [2930, 2850],
    }  # of the first version


def test_split_inner_is_cut_from_the_training_part(store):
    config = RunConfig.of(model="c3d")
    outer = splits.split(store, config)
    inner = splits.split(store, config.with_(inner=True))
    assert np.array_equal(np.sort([*inner.train, *inner.validation]), outer.train)
