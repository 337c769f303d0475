"""How much arithmetic a network is, from its layers.

The convention: a multiply-add is 2; convolutions count each tap, those on the padding too; dense
layers, convolutions, LSTMs and attention count, biases, activations, pools and normalisations do
not.
"""

import math

from ucf11lib.backend import keras


def layer_flops(model: keras.Model) -> dict[str, int]:
    """Return the forward pass's FLOPs of each layer that counts, for one sequence.

    Where the graph folds time into the batch, a layer counts for each frame; no branch of it does
    so by itself.
    """
    counts = {}
    frames = 1  # rows of a layer's batch for one sequence
    for layer in model.operations[1:]:  # after the input
        ends = (keras.tree.flatten(end)[0] for end in (layer.input, layer.output))
        inputs, outputs = (end.shape[1:] for end in ends)
        if type(layer).__name__ == "Reshape":
            frames = frames * math.prod(inputs) // math.prod(outputs)
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            counts[layer.name] = frames * 2 * math.prod(outputs) * math.prod(layer.kernel_size)
        elif isinstance(layer, keras.layers.Conv1D | keras.layers.Conv2D | keras.layers.Conv3D):
            taps = math.prod(layer.kernel_size) * inputs[-1]
            counts[layer.name] = frames * 2 * math.prod(outputs) * taps
        elif isinstance(layer, keras.layers.Dense | keras.layers.EinsumDense):
            counts[layer.name] = frames * 2 * math.prod(inputs) * outputs[-1]
        elif isinstance(layer, keras.layers.MultiHeadAttention):
            tokens, width = inputs  # four projections; scores and what they weight
            counts[layer.name] = frames * 2 * tokens * width * (4 * width + 2 * tokens)
        elif isinstance(layer, keras.layers.LSTM):
            steps, features = inputs
            per_step = 2 * 4 * layer.units * (features + layer.units)
            counts[layer.name] = frames * steps * per_step
    return counts
