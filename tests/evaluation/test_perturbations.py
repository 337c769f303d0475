from dataclasses import replace

import numpy as np
import pytest

from ucf11lib import models
from ucf11lib.evaluation import perturbations
from ucf11lib.evaluation.predict import make_predict
from ucf11lib.models.layers import Normalise
from ucf11lib.runs import named_recipe

NAMES = tuple(perturbations.PERTURBATIONS)
STILL = ["one frame repeated"]


@pytest.mark.parametrize("name", NAMES[1:])
def test_perturbations_change_no_input_and_do_not_depend_on_the_batch(name, store):
    function = perturbations.PERTURBATIONS[name]
    index = np.array([5, 0, 17, 3, 80])
    frames = store.take(index)
    together = function(frames, index)
    assert (together.shape, together.dtype) == (frames.shape, np.uint8)
    assert np.array_equal(frames, store.take(index))
    parts = [function(store.take(part), part) for part in (index[:2], index[2:])]
    assert np.array_equal(np.concatenate(parts), together)
    if name in STILL:
        assert np.abs(np.asarray(Normalise("sequence")(together))).max() < 1e-4


def test_shuffled_has_every_frame_in_the_published_order():
    numbers = np.arange(10, dtype=np.uint8).reshape(1, 10, 1, 1, 1)
    order = perturbations.shuffled(numbers, np.array([3])).ravel()
    assert order.tolist() == np.random.default_rng([7, 3]).permutation(10).tolist()


@pytest.mark.parametrize(
    ("name", "left", "right"),
    [
        ("time reversed", [200, 100, 50], [[10, 20, 30], [10, 20, 30], [250] * 3]),
        ("one frame repeated", [200, 100, 50], [[10, 20, 30]] * 3),
        ("grey", [124] * 3, [[250] * 3, [18] * 3, [18] * 3]),
    ],
)
def test_perturbations_by_hand(name, left, right):
    still, bright, dark = (200, 100, 50), (250, 250, 250), (10, 20, 30)
    frames = np.array([[[[still, pixel]] for pixel in (bright, dark, dark)]], np.uint8)
    result = perturbations.PERTURBATIONS[name](frames, np.array([0]))
    assert result[0, :, 0].tolist() == [[left, pixel] for pixel in right]


@pytest.mark.slow
def test_conditions_table_every_condition_with_its_interval(store):
    recipe = replace(named_recipe("repaired", "cnn_lstm"), norm="group")
    model = models.build("cnn_lstm", recipe, width=0.0625, seed=3)
    index = np.arange(0, 132, 2)
    table = perturbations.conditions_table(model, store, index)
    assert tuple(table.index) == NAMES
    assert (set(table["sequences"]), set(table["groups"])) == ({66}, {33})
    assert np.all((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"]))
    right = make_predict(model)(store, index).argmax(axis=1) == store.labels[index]
    assert table.loc["unchanged", "accuracy"] == pytest.approx(right.mean())
    assert set(table.loc[STILL, "answers"]) == {1}
    assert table.loc[STILL, "accuracy"].to_numpy() == pytest.approx(1 / 11)
