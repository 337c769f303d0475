"""How much arithmetic a network is, from its layers.

The convention: a multiply-add is 2; convolutions count each tap, those on the padding too; dense
layers, convolutions and LSTMs count, biases, activations, pools and normalisations do not. A
training step is three times the forward pass: the layer, the gradient of its weights, the gradient
of its input.
"""

import math

from ucf11lib.backend import keras


def layer_flops(model: keras.Model) -> dict[str, int]:
    """Return the forward pass's FLOPs of each layer that counts, for one sequence.

    `model` is a sequential graph; where it folds time into the batch, a layer counts for each
    frame.
    """
    counts = {}
    frames = 1  # rows of a layer's batch for one sequence
    for operation in model.operations:
        if type(operation).__name__ == "Reshape":
            before = math.prod(operation.input.shape[1:])
            frames = frames * before // math.prod(operation.output.shape[1:])
        counts[operation.name] = frames * _forward(operation)
    return {name: count for name, count in counts.items() if count}


def step_flops(model: keras.Model, batch_size: int) -> int:
    """Return the FLOPs of one training step, three times the forward pass."""
    return 3 * batch_size * sum(layer_flops(model).values())


def _forward(operation) -> int:
    """Return a layer's FLOPs for one row of its batch."""
    if isinstance(operation, keras.layers.Conv2D | keras.layers.Conv3D):
        *positions, channels = operation.output.shape[1:]
        taps = math.prod(operation.kernel_size) * operation.input.shape[-1]
        return 2 * math.prod(positions) * taps * channels
    if isinstance(operation, keras.layers.Dense):
        return 2 * math.prod(operation.input.shape[1:]) * operation.units
    if isinstance(operation, keras.layers.LSTM):
        steps, inputs = operation.input.shape[1:]
        return steps * 2 * 4 * operation.units * (inputs + operation.units)
    return 0
