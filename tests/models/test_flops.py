"""Layer by layer, against values by hand: a multiply-add is 2."""

from dataclasses import replace

import pytest

from ucf11lib import models
from ucf11lib.models import flops
from ucf11lib.runs import named_recipe

# Of one sequence at a quarter of the width: 2 * positions * kernel * channels in * channels out.
BY_HAND = {
    "c3d": {
        "conv1": 2 * (30 * 64 * 64) * 27 * 3 * 16,
        "conv2": 2 * (30 * 32 * 32) * 27 * 16 * 32,
        "conv3": 2 * (15 * 16 * 16) * 27 * 32 * 64,
        "conv4": 2 * (15 * 16 * 16) * 27 * 64 * 64,
        "conv5": 2 * (7 * 8 * 8) * 27 * 64 * 128,
        "conv6": 2 * (7 * 8 * 8) * 27 * 128 * 128,
        "dense1": 2 * (3 * 4 * 4 * 128) * 256,
        "dense2": 2 * 256 * 256,
        "logits": 2 * 256 * 11,
    },
    "cnn_lstm": {
        "conv1": 30 * 2 * (64 * 64) * 4 * 3 * 8,
        "conv2": 30 * 2 * (32 * 32) * 9 * 8 * 16,
        "conv3": 30 * 2 * (16 * 16) * 25 * 16 * 32,
        "lstm_inputs": 30 * 2 * (8 * 8 * 32) * 128,
        "lstm": 30 * 2 * 4 * (128 * 128 + 128 * 128),
        "logits": 2 * (30 * 128) * 11,
    },
}


@pytest.mark.parametrize("name", BY_HAND)
def test_layer_flops_equal_values_by_hand(name):
    model = models.build(name, replace(named_recipe("repaired", name), norm="batch"), width=0.25)
    assert flops.layer_flops(model) == BY_HAND[name]
