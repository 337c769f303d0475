"""How much arithmetic a network is, from its layers.

The convention: a multiply-add is 2; convolutions count each tap, those on the padding too; dense layers, convolutions
and LSTMs count, biases, activations, pools and normalisations do not. A training step is three times the forward pass:
the layer itself, the gradient of its weights, the gradient of its input. The first layer's input needs no gradient,
which `training_step` counts all the same, as is usual; `first_input` says how much that is.
"""

import math

from ucf11lib.backend import keras


def layers(model: keras.Model) -> dict[str, int]:
    """Return the forward pass's FLOPs of each layer that counts, for one sequence.

    Args:
        model: a sequential graph, such as `models.build` makes; where it folds time into the batch, a layer counts for
            each frame.
    """
    counts = {operation.name: _forward(operation) for operation in model.operations}
    return {name: number * counts[name] for name, number in rows(model).items() if counts[name]}


def rows(model: keras.Model) -> dict[str, int]:
    """Return how many rows of its batch each layer has for one sequence: 1, or the frames where time is folded in."""
    found, number = {}, 1
    for operation in model.operations:
        if type(operation).__name__ == "Reshape":
            number = number * math.prod(operation.input.shape[1:]) // math.prod(operation.output.shape[1:])
        found[operation.name] = number
    return found


def _forward(operation) -> int:
    """Return a layer's FLOPs for one row of its batch."""
    if isinstance(operation, keras.layers.Conv2D | keras.layers.Conv3D):
        *positions, channels = operation.output.shape[1:]
        return 2 * math.prod(positions) * math.prod(operation.kernel_size) * operation.input.shape[-1] * channels
    if isinstance(operation, keras.layers.Dense):
        return 2 * math.prod(operation.input.shape[1:]) * operation.units
    if isinstance(operation, keras.layers.LSTM):
        steps, inputs = operation.input.shape[1:]
        return steps * 2 * 4 * operation.units * (inputs + operation.units)
    return 0


def training_step(model: keras.Model, batch_size: int) -> int:
    """Return the FLOPs of one training step, three times the forward pass."""
    return 3 * batch_size * sum(layers(model).values())


def first_input(model: keras.Model, batch_size: int) -> int:
    """Return how much of `training_step` is the gradient of the first layer's input, which is not computed."""
    return batch_size * next(iter(layers(model).values()))
