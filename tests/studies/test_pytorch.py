import numpy as np
import pytest

from ucf11lib.data import split
from ucf11lib.runs import REPORTED, RunConfig
from ucf11lib.studies import pytorch
from ucf11lib.training import Trainer


@pytest.mark.parametrize("model", REPORTED)
def test_training_step_is_of_the_same_network_and_learns(model, store):
    pytest.importorskip("torch", reason="PyTorch is no dependency; see ucf11lib/studies/pytorch.py")
    config = RunConfig.of(model=model, profile="smoke", precision="float32")
    ours = Trainer.of(config, store, split(store, config)).model
    step = pytorch.training_step(config, ours, store.take(np.arange(8)), store.labels[:8])
    losses = [step() for _ in range(10)]
    assert losses[0] > 2
    assert losses[-1] < losses[0] - 0.1
