"""Folds that leave one group index out, and the tables of what a split shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ucf11lib.data import splits
from ucf11lib.errors import UserError
from ucf11lib.runs import RunConfig

WXYZ = ["w", "x", "y", "z"]


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
    return [np.array(column)[order] for column in (labels, groups, clips)]


@settings(max_examples=200, deadline=None)
@given(columns=indexed_sets())
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


def test_list_folds_by_index_in_natural_order(store, fake_store):
    assert splits.list_folds(store) == ["01", "02", "03"]
    assert np.bincount(store.labels[splits.leave_out(store, "02").validation]).tolist() == [4] * 11
    config = RunConfig.of(model="c3d", split="logo", fold="02")
    assert np.array_equal(
        splits.split(store, config).validation, splits.leave_out(store, "02").validation
    )
    ucf101 = fake_store(
        [0, 0, 0, 1, 1, 1],
        [f"{c}/g{g}" for c in ("Biking", "Diving") for g in (1, 2, 10)],
        list("abcdef"),
    )
    assert splits.list_folds(ucf101) == ["g1", "g2", "g10"]
    subjects = fake_store([0, 1, 0, 1], ["daria", "daria", "ido", "ido"], list("abcd"))
    assert repr(splits.list_folds(subjects)) == "['daria', 'ido']"
    assert splits.leave_out(subjects, "ido").validation.tolist() == [2, 3]


def test_leave_out_fold_with_all_of_a_class(fake_store):
    lonely = fake_store([0, 0, 1, 1], ["a/v_a_01", "a/v_a_02", "b/v_b_02", "b/v_b_02"], WXYZ)
    assert splits.leave_out(lonely, "01").validation.tolist() == [0]
    with pytest.raises(UserError, match=r"all groups of class1 are in fold 02.*use --split group"):
        splits.leave_out(lonely, "02")


def test_list_folds_refuses_stores_without_folds(store, fake_store):
    with pytest.raises(UserError, match="unknown fold '04'; choose one of 01, 02, 03"):
        splits.leave_out(store, "04")
    unnamed = fake_store([0, 0, 1, 1], ["a/indoors", "a/v_a_01", "b/v_b_01", "b/v_b_02"], WXYZ)
    with pytest.raises(
        UserError,
        match=r"1 groups have no index at their end, the first: a/indoors; .*--group-pattern",
    ):
        splits.list_folds(unnamed)
    names = ["a/walk_1", "a/walk_2", "b/run_1", "b/run_2"]
    with pytest.raises(UserError, match="each clip is its own group"):
        splits.list_folds(fake_store([0, 0, 1, 1], names, names))
    course = fake_store([0, 0, 1, 1], ["group000", "group001", "group002", "group003"], WXYZ)
    course.info.origin["groups"] = "estimated"
    with pytest.raises(
        UserError,
        match="its groups are estimated and have no index to leave out; use --split group",
    ):
        splits.list_folds(course)


def test_split_table_has_a_row_a_sequence(store):
    table = splits.split_table(store, splits.leave_out(store, "01"))
    assert table["index"].tolist() == list(range(132))
    assert (table["side"] == "held out").sum() == 44
    assert set(table.loc[table["side"] == "train", "group"].str[-2:]) == {"02", "03"}
    assert table["clip"].tolist() == store.clips.tolist()


def test_leak_table_shares(store):
    table = splits.leak_table(store).set_index("split")
    assert table.loc["random", "share with clip"] > 0.5
    assert table.loc["video", "share with clip"] == 0
    assert table.loc["video", "share with group"] > 0.5
    assert table.loc["group", "share with group"] == 0
