import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ucf11lib.config import RunConfig
from ucf11lib.data import splits
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError


def fake(labels, groups, clips):
    """A store's index without its frames: splits look at nothing else."""
    index = pd.DataFrame({"label": labels, "group": groups, "clip": clips})
    names = [f"class{i}" for i in range(max(labels) + 1)]
    return ClipStore("fake", np.empty((len(labels), 0)), index, {"classes": names, "source": "videos"})


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
    return fake(labels, groups, clips)


@pytest.mark.parametrize("kind", splits.SPLITS)
@settings(max_examples=1000, deadline=None)
@given(store=index_sets(), seed=st.integers(0, 5))
def test_parts_are_disjoint_complete_and_repeatable(kind, store, seed):
    if len(store) < splits.FOLDS:
        return
    found, again = splits.split(store, kind, seed), splits.split(store, kind, seed)
    assert sorted([*found.train, *found.validation]) == list(range(len(store)))
    assert np.array_equal(found.train, again.train)
    assert len(found.validation)
    units = {"video": store.clips, "group": store.groups}.get(kind)
    if units is not None:
        assert not set(units[found.train]) & set(units[found.validation])
        assert set(store.labels[found.train]) == set(range(len(store.classes)))


def test_random_holds_out_the_reports_160():
    labels = np.repeat(range(11), 100)
    store = fake(labels, [f"g{i // 25}" for i in range(1100)], [f"c{i // 5}" for i in range(1100)])
    assert len(splits.split(store, "random").validation) == 160


def test_group_split_holds_out_a_fifth_of_each_class(store):
    labels = np.repeat(range(11), 100)
    many = fake(labels, [f"g{i // 4}" for i in range(1100)], [f"c{i // 2}" for i in range(1100)])
    found = splits.split(many, "group")
    assert np.bincount(many.labels[found.validation]).tolist() == [20] * 11


def test_another_seed_is_another_split(store):
    a, b = (splits.split(store, "group", seed).validation for seed in (0, 1))
    assert not np.array_equal(a, b)


def test_a_class_of_one_group_is_named(store):
    small = fake([0, 0, 1, 1, 1], ["a", "b", "c", "c", "c"], ["1", "2", "3", "4", "5"])
    with pytest.raises(UserError, match=r"needs at least 2 groups of each class; too few of class1"):
        splits.split(small, "group")


def test_unknown_split(store):
    with pytest.raises(UserError, match="unknown split 'sorted'; choose one of random, video, group"):
        splits.split(store, "sorted")


@pytest.mark.parametrize("kind", ["video", "group"])
@settings(max_examples=1000, deadline=None)
@given(store=index_sets(), seed=st.integers(0, 5))
def test_each_class_holds_out_its_share_to_within_its_largest_unit(kind, store, seed):
    found = splits.split(store, kind, seed)
    units = {"video": store.clips, "group": store.groups}[kind]
    k = min(splits.FOLDS, *(len(set(units[store.labels == label])) for label in range(len(store.classes))))
    for label in range(len(store.classes)):
        _, sizes = np.unique(units[store.labels == label], return_counts=True)
        held_out = (store.labels[found.validation] == label).sum()
        assert abs(held_out - sizes.sum() / k) <= sizes.max()


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 4), st.lists(st.integers(0, 30), min_size=24, max_size=80), st.integers(0, 5))
def test_groups_that_span_classes_stay_on_one_side(n_classes, draws, seed):
    labels = np.array([number % n_classes for number in range(len(draws))])
    groups = [f"person{draw % 7}" for draw in draws]
    store = fake(labels, groups, [f"{group}/{i // 2}" for i, group in enumerate(groups)])
    if any(len(set(store.groups[labels == label])) < 2 for label in range(n_classes)):
        return
    for found in (splits.split(store, "group", seed), *(splits.leave_out(store, f) for f in possible(store))):
        assert sorted([*found.train, *found.validation]) == list(range(len(store)))
        assert not set(store.groups[found.train]) & set(store.groups[found.validation])


def test_five_seeds_hold_all_people_out_once():
    people = np.repeat([f"person{i}" for i in range(9)], np.arange(4, 22, 2))
    store = fake(np.arange(len(people)) % 2, people, people)
    parts = [set(people[splits.split(store, "group", seed).validation]) for seed in range(splits.FOLDS)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 9


def possible(store):
    """Folds that leave every class something to train on."""
    for fold in splits.folds(store):
        if set(store.labels[store.groups != fold]) == set(store.labels):
            yield fold


@st.composite
def indexed_sets(draw):
    n_classes, labels, groups, clips = draw(st.integers(2, 4)), [], [], []
    for label in range(n_classes):
        for g in draw(st.sets(st.integers(1, 12), min_size=2, max_size=8)):
            for c in range(draw(st.integers(1, 3))):
                for _ in range(draw(st.integers(1, 3))):
                    labels.append(label)
                    groups.append(f"class{label}/v_class{label}_{g:02d}")
                    clips.append(f"{groups[-1]}/{c}")
    order = draw(st.permutations(range(len(labels))))
    return fake(*(np.array(column)[order] for column in (labels, groups, clips)))


@settings(max_examples=1000, deadline=None)
@given(indexed_sets())
def test_every_sequence_is_left_out_once(store):
    held_out = []
    for fold in splits.folds(store):
        found = splits.leave_out(store, fold)
        assert sorted([*found.train, *found.validation]) == list(range(len(store)))
        assert {group[-2:] for group in store.groups[found.validation]} == {fold}
        assert not any(group.endswith(fold) for group in store.groups[found.train])
        assert set(store.labels[found.train]) == set(range(len(store.classes)))
        held_out += found.validation.tolist()
    assert sorted(held_out) == list(range(len(store)))


@settings(max_examples=250, deadline=None)
@given(index_sets(), st.sampled_from(splits.SPLITS), st.integers(0, 5))
def test_choosing_looks_at_training_groups_only(store, kind, seed):
    if len(store) < splits.FOLDS:
        return
    found = splits.split(store, kind, seed)
    in_training = [set(store.groups[found.train][store.labels[found.train] == c]) for c in range(len(store.classes))]
    if min(map(len, in_training)) < 2:
        with pytest.raises(UserError, match="choosing on the training part needs at least 2 groups of each class"):
            splits.choose(store, found, seed)
        return
    parts, again = splits.choose(store, found, seed), splits.choose(store, found, seed)
    assert np.array_equal(np.sort([*parts.train, *parts.validation]), found.train)
    assert not set(store.groups[parts.train]) & set(store.groups[parts.validation])
    assert set(store.labels[parts.train]) == set(range(len(store.classes)))
    assert np.array_equal(parts.validation, again.validation)
    k = min(splits.FOLDS, *map(len, in_training))
    for label in range(len(store.classes)):
        _, sizes = np.unique(store.groups[found.train][store.labels[found.train] == label], return_counts=True)
        chosen_on = (store.labels[parts.validation] == label).sum()
        assert abs(chosen_on - sizes.sum() / k) <= sizes.max()


def test_existing_splits_stay_what_they_were(store):
    sums = {kind: [int(splits.split(store, kind, seed).validation.sum()) for seed in (0, 1)] for kind in splits.SPLITS}
    assert sums == {"random": [1858, 1718], "video": [1873, 1854], "group": [2930, 2850]}  # of the first version


def test_folds_are_named_by_the_index_in_natural_order(store):
    assert splits.folds(store) == ["01", "02", "03"]
    assert np.bincount(store.labels[splits.leave_out(store, "02").validation]).tolist() == [4] * 11
    config = RunConfig("c3d", split="logo", fold="02")
    assert np.array_equal(config.parts(store).validation, splits.leave_out(store, "02").validation)
    ucf101 = fake([0, 0, 0, 1, 1, 1], [f"{c}/g{g}" for c in ("Biking", "Diving") for g in (1, 2, 10)], list("abcdef"))
    assert splits.folds(ucf101) == ["g1", "g2", "g10"]
    subjects = fake([0, 1, 0, 1], ["daria", "daria", "ido", "ido"], list("abcd"))
    assert repr(splits.folds(subjects)) == "['daria', 'ido']"
    assert splits.leave_out(subjects, "ido").validation.tolist() == [2, 3]


def test_a_fold_without_which_a_class_cannot_be_learnt(store):
    lonely = fake([0, 0, 1, 1], ["a/v_a_01", "a/v_a_02", "b/v_b_02", "b/v_b_02"], list("wxyz"))
    assert splits.leave_out(lonely, "01").validation.tolist() == [0]
    with pytest.raises(UserError, match=r"all groups of class1 are in fold 02.*use --split group"):
        splits.leave_out(lonely, "02")


def test_stores_without_folds_are_refused(store):
    with pytest.raises(UserError, match="unknown fold '04'; choose one of 01, 02, 03"):
        splits.leave_out(store, "04")
    unnamed = fake([0, 0, 1, 1], ["a/indoors", "a/v_a_01", "b/v_b_01", "b/v_b_02"], list("wxyz"))
    with pytest.raises(
        UserError, match=r"1 groups have no index at their end, the first: a/indoors; .*--group-pattern"
    ):
        splits.folds(unnamed)
    names = ["a/walk_1", "a/walk_2", "b/run_1", "b/run_2"]
    with pytest.raises(UserError, match="each clip is its own group"):
        splits.folds(fake([0, 0, 1, 1], names, names))
    course = fake([0, 0, 1, 1], ["group000", "group001", "group002", "group003"], list("wxyz"))
    course.info["origin"] = {"groups": "estimated"}
    with pytest.raises(UserError, match="its groups are estimated and have no index to leave out; use --split group"):
        splits.folds(course)


def test_parts_that_overlap_or_miss_sequences_are_found(store):
    for wrong in (splits.Split(np.arange(100), np.arange(99, 132)), splits.Split(np.arange(100), np.arange(101, 132))):
        with pytest.raises(AssertionError, match="parts overlap or miss sequences"):
            splits._checked(store, wrong, "random", np.arange(132))
    with pytest.raises(AssertionError, match="a group is on both sides"):
        splits._checked(store, splits.Split(np.arange(1, 132), np.arange(1)), "group", np.arange(132))


def test_the_table_has_a_row_a_sequence(store):
    table = splits.table(store, splits.leave_out(store, "01"))
    assert table["index"].tolist() == list(range(132))
    assert (table["side"] == "held out").sum() == 44
    assert set(table.loc[table["side"] == "train", "group"].str[-2:]) == {"02", "03"}
    assert table["clip"].tolist() == store.clips.tolist()


def test_leak_table_shows_the_leak(store):
    table = splits.leak_table(store).set_index("split")
    assert table.loc["random", "share with clip"] > 0.5
    assert table.loc["video", "share with clip"] == 0
    assert table.loc["video", "share with group"] > 0.5
    assert table.loc["group", "share with group"] == 0
