"""Exercise 1: the head, the head and its inputs, the learning rate."""

import math

changes = {
    # The last layer's softmax, and the loss's own: the health check sees outputs that sum to 1.
    "double_softmax": {"head": "softmax"},
    # Grey levels of 0 to 255 make the softmax's inputs so different that it is flat there.
    "zero_gradient": {"head": "softmax", "inputs": "raw"},
    # A step so large that the next loss is no number.
    "exploding_loss": {"learning_rate": 10},
}
lowest_loss = math.log(math.e + 10) - 1  # softmax of (1, 0, ..., 0) gives e / (e + 10) to the first
