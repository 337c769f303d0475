"""Exercise 5: weights are mean gradients; then the questions."""

import numpy as np

from ucf11lib.backend import keras, tf


def grad_cam(model, frames):
    """Return the map of uint8 (1, 30, 64, 64, 3): float (time, height, width), 0..1."""
    layers = [model.get_layer(name).output for name in ("conv6", "logits")]
    with tf.GradientTape() as tape:
        outputs, logits = keras.Model(model.input, layers)(frames)
        score = tf.reduce_max(logits, axis=1)
    gradient = tape.gradient(score, outputs)
    weights = tf.reduce_mean(tf.cast(gradient, tf.float32), axis=(1, 2, 3), keepdims=True)
    channels = tf.nn.relu(tf.cast(outputs, tf.float32))  # a bfloat16 network's, too
    heat = np.maximum(tf.reduce_sum(weights * channels, axis=-1)[0], 0)
    return heat / heat.max()


# %%
answers = {
    "time_cells": 7,  # 30 frames, halved twice: 15, then 7
    "frames_in_a_cell": 4,  # the first pool keeps time, the second and third halve it
    # Gradients of this network, averaged over all places, weight its channels. Whether that is the
    # class, it cannot know; where dense layers follow, one place may count otherwise than the mean.
    "a_map_shows": "b",
}
