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
    """Labels, groups with an index, and clips of a store in any order."""
    rows = []
    for label in range(draw(st.integers(2, 4))):
        for g in draw(st.sets(st.integers(1, 12), min_size=2, max_size=8)):
            for c in range(draw(st.integers(1, 3))):
                group = f"class{label}/v_class{label}_{g:02d}"
                rows += [(label, group, f"{group}/{c}")] * draw(st.integers(1, 3))
    return [np.array(column) for column in zip(*draw(st.permutations(rows)), strict=True)]


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
    parts = splits.split(store, RunConfig.of(model="c3d", split="logo", fold="02"))
    assert np.array_equal(parts.validation, splits.leave_out(store, "02").validation)
    names = [f"{c}/g{g}" for c in ("Biking", "Diving") for g in (1, 2, 10)]
    ucf101 = fake_store([0, 0, 0, 1, 1, 1], names, list("abcdef"))
    assert splits.list_folds(ucf101) == ["g1", "g2", "g10"]
    subjects = fake_store([0, 1, 0, 1], ["daria", "daria", "ido", "ido"], WXYZ)
    assert repr(splits.list_folds(subjects)) == "['daria', 'ido']"
    assert splits.leave_out(subjects, "ido").validation.tolist() == [2, 3]


def test_leave_out_refuses_folds_that_are_missing_or_hold_all_of_a_class(store, fake_store):
    with pytest.raises(UserError, match="unknown fold '04'; choose one of 01, 02, 03"):
        splits.leave_out(store, "04")
    lonely = fake_store([0, 0, 1, 1], ["a/v_a_01", "a/v_a_02", "b/v_b_02", "b/v_b_02"], WXYZ)
    assert splits.leave_out(lonely, "01").validation.tolist() == [0]
    with pytest.raises(UserError, match=r"all groups of class1 are in fold 02.*use --split group"):
        splits.leave_out(lonely, "02")


@pytest.mark.parametrize(
    ("groups", "clips", "origin", "message"),
    [
        (
            ["a/indoors", "a/v_a_01", "b/v_b_01", "b/v_b_02"],
            WXYZ,
            "",
            r"1 groups have no index at their end, the first: a/indoors; .*--group-pattern",
        ),
        (["a/w_1", "a/w_2", "b/r_1"], ["a/w_1", "a/w_2", "b/r_1"], "", "clip is its own group"),
        (["g0", "g1", "g2", "g3"], WXYZ, "estimated", "have no index to leave out; use --split gr"),
    ],
)
def test_list_folds_refuses_stores_without_folds(fake_store, groups, clips, origin, message):
    store = fake_store([0, 0, 1, 1][: len(groups)], groups, clips)
    store.info.origin["groups"] = origin
    with pytest.raises(UserError, match=message):
        splits.list_folds(store)


def test_split_table_has_a_row_a_sequence(store):
    table = splits.split_table(store, splits.leave_out(store, "01"))
    assert table["index"].tolist() == list(range(132))
    assert (table["side"] == "held out").sum() == 44
    assert set(table.loc[table["side"] == "train", "group"].str[-2:]) == {"02", "03"}
    assert table["clip"].tolist() == store.clips.tolist()


def test_leak_table_shares(store):
    table = splits.leak_table(store).set_index("split")
    assert table.loc[["random", "video"], "share with group"].min() > 0.5
    assert table.loc["random", "share with clip"] > 0.5
    assert table.loc["video", "share with clip"] == 0
    assert table.loc["group", "share with group"] == 0
