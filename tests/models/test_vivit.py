import numpy as np

from ucf11lib import models
from ucf11lib.backend import keras
from ucf11lib.models import flops
from ucf11lib.runs import named_recipe


def test_vivit_attends_in_space_then_in_time():
    model = models.build("vivit", named_recipe("repaired", "vivit"), width=0.25)
    layers = [one for one in model.layers if isinstance(one, keras.layers.MultiHeadAttention)]
    shapes = {one.name: one.output.shape[1:] for one in layers}
    units = model.get_layer("tokens").filters
    in_space, in_time = (8 * 8, units), (15, units)
    assert list(shapes.values()) == [in_space, in_space, in_time, in_time]
    counts = flops.layer_flops(model)
    # four projections of 64 tokens, then scores and weighted values of 64 x 64 pairs
    assert counts["space1"] == 15 * 2 * (4 * 64 * units**2 + 2 * 64 * 64 * units)


def test_vivit_knows_places_and_moments_before_any_training():
    model = models.build("vivit", named_recipe("repaired", "vivit"), width=0.0625)
    frames = np.zeros((4, 30, 64, 64, 3), np.uint8)
    frames[0, :4, :8, :8] = frames[1, :4, -8:, -8:] = frames[2, -4:, :8, :8] = 250
    logits = np.asarray(model(frames))
    distances = np.abs(logits[:, None] - logits[None]).max(axis=2)
    assert distances[np.triu_indices(4, 1)].min() > 1e-3
