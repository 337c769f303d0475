import numpy as np
import pytest

from ucf11lib import optimizers
from ucf11lib.backend import keras, tf


def test_adam_in_one_operation_is_kerass():
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 3, 4, 8), (8,), (50, 20))]
    found = []
    for make in (keras.optimizers.Adam, optimizers.Adam):
        weights = [keras.Variable(values) for values in start]
        optimizer = make(keras.optimizers.schedules.CosineDecay(1e-2, 20))
        optimizer.build(weights)
        apply, draw = tf.function(optimizer.apply), np.random.default_rng(1)
        for scale in (1e-6, 1e-3, 1, 1e3, 0, 1):
            apply([tf.constant(scale * draw.normal(size=w.shape), tf.float32) for w in weights])
        found.append([np.asarray(variable) for variable in (*weights, *optimizer.variables)])
    assert [values.shape for values in found[0]] == [values.shape for values in found[1]]
    for kerass, ours in zip(*found, strict=True):
        assert ours == pytest.approx(kerass, rel=2e-4, abs=1e-6)
