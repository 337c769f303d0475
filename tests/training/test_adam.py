import numpy as np
import pytest

from ucf11lib.backend import keras, tf
from ucf11lib.training.adam import Adam


def test_adam_updates_weights_and_state_as_keras_does():
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 3, 4, 8), (8,), (50, 20))]
    scales = (1e-6, 1e-3, 1.0, 1e3, 0.0, 1.0)
    gradients = [[rng.normal(0, scale, one.shape) for one in start] for scale in scales]
    found = []
    for make in (keras.optimizers.Adam, Adam):
        weights = [keras.Variable(values, name=f"w{i}") for i, values in enumerate(start)]
        optimizer = make(keras.optimizers.schedules.CosineDecay(1e-2, 20), name="adam")
        optimizer.build(weights)
        apply = tf.function(optimizer.apply)
        for one in gradients:
            apply([tf.constant(gradient, tf.float32) for gradient in one])
        found.append({variable.path: np.asarray(variable) for variable in optimizer.variables})
        found[-1] |= {weight.path: np.asarray(weight) for weight in weights}
    of_keras, ours = found
    assert [*of_keras] == [*ours]
    for path, values in of_keras.items():
        assert ours[path] == pytest.approx(values, rel=2e-4, abs=1e-6), path
