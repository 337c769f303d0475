"""Where and when a model looks: Grad-CAM over space and time, the gradient's norm by frame.

Both use the gradient of the likeliest class's logit: a saturated softmax has none.
"""

import math
import re
from collections.abc import Callable, Iterator

import numpy as np

from ucf11lib.backend import keras, tf
from ucf11lib.errors import UserError

LAST_MAP = r"conv\d+(_norm)?|last_map"
SALIENCY_BATCH = 4  # sequences: the tape stores every layer's outputs


def grad_cam(model: keras.Model, frames: np.ndarray) -> np.ndarray:
    """Return where the last feature map responds to the model's answer, for uint8 (n, T, H, W, 3).

    Selvaraju et al., "Grad-CAM", ICCV 2017, arXiv:1610.02391. The layer is `last_map`, or else the
    last convolution (`conv` and a number). Its channels after ReLU are weighted by the logit's mean
    gradient over positions and summed, negative sums set to 0. The mean hides channels that dense
    layers weight by place (arXiv:2011.08891). float32 (n, T, H, W), 0..1: each sequence's maximum
    is 1, or all is 0. Raises a `UserError` for a model without such a layer.
    """
    names = [one.name for one in model.layers if re.fullmatch(LAST_MAP, one.name)]
    if not names:
        remedy = "name the layer to show last_map"
        raise UserError(f"{model.name}: Grad-CAM needs a convolution named conv1; {remedy}")
    layer = "last_map" if "last_map" in names else names[-1]
    shape = frames.shape[1:4]
    maps = []
    for outputs, gradient in _gradients(model, frames, layer):
        positions = tuple(range(1, outputs.ndim - 1))
        weights = gradient.mean(axis=positions, keepdims=True)
        coarse = np.maximum((weights * np.maximum(outputs, 0)).sum(axis=-1), 0)
        if outputs.ndim == 4:  # a network by frame, with weights for each
            coarse = coarse.reshape(-1, shape[0], *coarse.shape[1:])
        for axis, length in enumerate(shape, 1):
            coarse = stretched(coarse, axis, length)
        maps.append(coarse)
    return _normalised(np.concatenate(maps), np.max)


def gradient_norms(model: keras.Model, frames: np.ndarray) -> np.ndarray:
    """Return how much each frame of uint8 (n, T, H, W, 3) moves the answer's logit.

    float32 (n, T): the norm, by frame, of the gradient with respect to the normalised input; each
    sequence's sum is 1, or all is 0.
    """
    gradients = [gradient for _, gradient in _gradients(model, frames, "normalise")]
    norms = [np.sqrt(np.square(gradient).sum(axis=(2, 3, 4))) for gradient in gradients]
    return _normalised(np.concatenate(norms), np.sum)


def explain(model: keras.Model, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return what `figures.saliency` draws of the model's own answers.

    `maps` of `grad_cam`, (n, T, H, W), `norms` of `gradient_norms`, (n, T), and `reference`, (T,):
    the mean norms of the same network with shuffled weights. A plausible map proves nothing
    (Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018, arXiv:1810.03292): C3D's pools
    over time favour the middle frames whatever it has learnt.
    """
    reference = gradient_norms(shuffled_weights(model), frames).mean(axis=0)
    maps = grad_cam(model, frames)
    return {"maps": maps, "norms": gradient_norms(model, frames), "reference": reference}


def shuffled_weights(model: keras.Model) -> keras.Model:
    """Return a copy in which the weights of each layer are shuffled among themselves."""
    copy = keras.models.clone_model(model)
    rng = np.random.default_rng(0)
    for layer in reversed(model.layers):
        weights = [rng.permutation(w.ravel()).reshape(w.shape) for w in layer.get_weights()]
        copy.get_layer(layer.name).set_weights(weights)
    return copy


def stretched(maps: np.ndarray, axis: int, length: int) -> np.ndarray:
    """Interpolate linearly along `axis` to `length`, each cell over what was pooled into it."""
    count = maps.shape[axis]
    cell = 2 ** int(math.log2(length / count))  # pools halve, and drop an odd rest
    place = np.clip((np.arange(length) + 0.5) / cell - 0.5, 0, count - 1)
    below = place.astype(int)
    above = np.minimum(below + 1, count - 1)
    share = (place - below).reshape(-1, *[1] * (maps.ndim - axis - 1))
    return maps.take(below, axis) * (1 - share) + maps.take(above, axis) * share


def _gradients(model: keras.Model, frames: np.ndarray, layer: str) -> Iterator:
    """Yield, a batch at a time, a layer's outputs and the gradient of each one's logit in them."""
    middle = model.get_layer(layer).output
    front = keras.Model(model.input, middle)
    last = model.layers[-1]  # but for operations, as a mean over frames
    ends_in_softmax = last.name == "softmax" and last.output is model.output
    back = keras.Model(middle, last.input if ends_in_softmax else model.output)
    for start in range(0, len(frames), SALIENCY_BATCH):
        outputs = front(frames[start : start + SALIENCY_BATCH], training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(outputs)
            total = tf.reduce_sum(tf.reduce_max(back(outputs, training=False), axis=1))
        gradient = tape.gradient(total, outputs)
        yield np.asarray(outputs, np.float32), np.asarray(gradient, np.float32)


def _normalised(values: np.ndarray, reduce: Callable) -> np.ndarray:
    """Divide each sequence's values by their maximum or sum, unless that is 0."""
    total = reduce(values, axis=tuple(range(1, values.ndim)), keepdims=True)
    zeros = np.zeros(values.shape, np.float32)
    return np.divide(values, total, out=zeros, where=total > 0, casting="same_kind")
