import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@settings(max_examples=150, deadline=None)
@given(index_sets(), st.sampled_from(splits.SPLITS), st.integers(0, 5))
def test_parts_are_disjoint_complete_and_repeatable(store, kind, seed):
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


def test_leak_table_shows_the_leak(store):
    table = splits.leak_table(store).set_index("split")
    assert table.loc["random", "share with clip"] > 0.5
    assert table.loc["video", "share with clip"] == 0
    assert table.loc["video", "share with group"] > 0.5
    assert table.loc["group", "share with group"] == 0
