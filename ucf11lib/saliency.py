"""Where and when a model looks: Grad-CAM over space and time, and the gradient's energy frame by frame.

Both follow the logit of one class back through the network, from before the softmax where a recipe has one: behind it
a saturated network has no gradient. Neither shows what a model would need, only what its answer moves with, and a map
that looks sensible proves nothing: `sanity` compares it with that of a network that has learnt less (Adebayo et al.,
"Sanity Checks for Saliency Maps", NeurIPS 2018, arXiv:1810.03292).
"""

import math
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from tqdm import tqdm

from ucf11lib.backend import keras, tf

CHUNK = 4  # sequences at a time: the tape keeps every layer's outputs


def grad_cam(model: keras.Model, frames: np.ndarray, classes: np.ndarray | None = None) -> np.ndarray:
    """Return where the last convolution sees what speaks for a class.

    Selvaraju et al., "Grad-CAM", ICCV 2017, arXiv:1610.02391: the convolution's channels (after ReLU), each with the
    mean of the logit's gradient over its positions as weight, summed; what is negative is left out. C3D's positions are
    in space and time; the other two see frames one by one, and each frame has weights of its own, so that a frame which
    does not count is dark. The mean over positions is what makes it coarse: a network that treats the same channel
    differently in different places, as dense layers can, is shown as if it did not (Draelos and Carin 2020,
    arXiv:2011.08891).

    Args:
        model: built by `models.build`, or loaded from a run.
        frames: uint8 (n, T, H, W, 3).
        classes: int (n,), what to explain; the model's own answers by default.

    Returns:
        float32 (n, T, H, W) in 0..1: each sequence's maximum is 1, or all of it 0 if nothing speaks for the class.
    """
    name = [layer.name for layer in model.layers if re.fullmatch(r"conv\d+(_norm)?", layer.name)][-1]
    shape, maps = frames.shape[1:4], []
    for seen, gradient in _gradients(model, frames, name, classes):
        positions = tuple(range(1, seen.ndim - 1))
        weights = gradient.mean(axis=positions, keepdims=True)
        coarse = np.maximum((weights * np.maximum(seen, 0)).sum(axis=-1), 0)
        if seen.ndim == 4:
            coarse = coarse.reshape(-1, shape[0], *coarse.shape[1:])
        for axis, length in enumerate(shape, 1):
            coarse = _stretched(coarse, axis, length)
        maps.append(coarse)
    return _shares(np.concatenate(maps), np.max)


def energy(model: keras.Model, frames: np.ndarray, classes: np.ndarray | None = None) -> np.ndarray:
    """Return how much of a class's logit each frame could move.

    The root of the summed squared gradient with respect to the normalised input, a frame. Recipe `repaired` has taken
    the sequence's mean frame off that input already; the gradient does not go through that, which would mix frames.

    Of C3D it says little. Its convolutions and pools over time reach the middle frames by more ways than the first and
    last, and that is nearly all there is to see: one trained for an epoch of profile `quick` fails `sanity` with rank
    correlations of 0.95 and more all the way down, where a CNN+LSTM has 0.28 once its last layer is shuffled.

    Args:
        model: built by `models.build`, or loaded from a run.
        frames: uint8 (n, T, H, W, 3).
        classes: int (n,), what to explain; the model's own answers by default.

    Returns:
        float32 (n, T): each sequence's sum is 1, or all of it 0 if the logit does not move at all.
    """
    found = [gradient for _, gradient in _gradients(model, frames, "normalise", classes)]
    norms = [np.sqrt(np.square(gradient).sum(axis=(2, 3, 4))) for gradient in found]
    return _shares(np.concatenate(norms), np.sum)


def explained(model: keras.Model, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return what `figures_explain.saliency` draws of the model's own answers.

    Args:
        model: as for `grad_cam`.
        frames: uint8 (n, T, H, W, 3).

    Returns:
        `maps`, (n, T, H, W), of `grad_cam`; `energies`, (n, T), of `energy`; and `reference`, (T,), the mean energies
        of the same network with its weights shuffled: what the architecture alone makes of the frames.
    """
    reference = energy(shuffled(model), frames).mean(axis=0)
    return {"maps": grad_cam(model, frames), "energies": energy(model, frames), "reference": reference}


def shuffled(model: keras.Model, layers: int | None = None, seed: int = 0) -> keras.Model:
    """Return a copy of a network in which the weights of the last `layers` layers, or of all, are in random order."""
    copy, rng = keras.models.clone_model(model), np.random.default_rng(seed)
    copy.set_weights(model.get_weights())
    for layer in _weighted(copy)[:layers]:
        layer.set_weights([rng.permutation(np.ravel(w)).reshape(w.shape) for w in layer.get_weights()])
    return copy


def sanity(model: keras.Model, frames: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """Shuffle a network's weights, layer after layer from the last to the first, and see whether its maps notice.

    A method whose maps stay alike shows what the network is built of and not what it has learnt.

    Args:
        model: as for `grad_cam`; it is not changed.
        frames: uint8 (n, T, H, W, 3); what is explained is the answer of the network as it was.
        seed: of the order.

    Returns:
        A row a layer, named by the index, in which the weights of it and of those above are in random order; columns
        `grad_cam` and `energy`: rank correlation with the network's own, mean of the sequences (NaN if no map is left).
    """
    classes = np.concatenate([np.asarray(model(frames[i : i + CHUNK])) for i in range(0, len(frames), CHUNK)]).argmax(1)
    methods, rows = {"grad_cam": grad_cam, "energy": energy}, {}
    own = {name: method(model, frames, classes) for name, method in methods.items()}
    for count, layer in enumerate(tqdm(_weighted(model), leave=False, disable=None, desc="sanity", unit="layer"), 1):
        other = shuffled(model, count, seed)
        rows[layer.name] = {name: _alike(own[name], methods[name](other, frames, classes)) for name in methods}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("shuffled down to")


def _weighted(model: keras.Model) -> list[keras.Layer]:
    """The layers that have weights, from the last to the first."""
    return [layer for layer in reversed(model.layers) if layer.weights]


def _alike(a: np.ndarray, b: np.ndarray) -> float:
    """Mean rank correlation of the sequences' maps, leaving out those of which one is flat."""
    pairs = [(x.ravel(), y.ravel()) for x, y in zip(a, b, strict=True) if np.ptp(x) and np.ptp(y)]
    return float(np.mean([spearmanr(x, y).statistic for x, y in pairs])) if pairs else math.nan


def _gradients(
    model: keras.Model, frames: np.ndarray, layer: str, classes: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the outputs of `layer` for a few sequences at a time, and the gradient of each one's logit in them."""
    seen, logits = model.get_layer(layer).output, model.get_layer("logits").output
    front, back = keras.Model(model.input, seen), keras.Model(seen, logits)
    for start in range(0, len(frames), CHUNK):
        outputs = front(frames[start : start + CHUNK], training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(outputs)
            scores = back(outputs, training=False)
            chosen = tf.argmax(scores, axis=1) if classes is None else classes[start : start + CHUNK]
            score = tf.reduce_sum(tf.gather(scores, chosen, axis=1, batch_dims=1))
        gradient = tape.gradient(score, outputs)
        yield np.asarray(outputs, np.float32), np.asarray(gradient, np.float32)


def _stretched(maps: np.ndarray, axis: int, length: int) -> np.ndarray:
    """Interpolate linearly along `axis` to `length`, with each cell over what was pooled into it.

    Pools halve, and drop what is odd, so a cell is a power of two wide, and the last one may end before the frames do.
    """
    count = maps.shape[axis]
    cell = 2 ** int(math.log2(length / count))
    place = np.clip((np.arange(length) + 0.5) / cell - 0.5, 0, count - 1)
    below = place.astype(int)
    above = np.minimum(below + 1, count - 1)
    share = (place - below).reshape(-1, *[1] * (maps.ndim - axis - 1))
    return maps.take(below, axis) * (1 - share) + maps.take(above, axis) * share


def _shares(values: np.ndarray, whole) -> np.ndarray:
    """Divide each sequence's values by their maximum or sum; leave zeros as they are."""
    total = whole(values, axis=tuple(range(1, values.ndim)), keepdims=True)
    return np.divide(values, total, out=np.zeros(values.shape, np.float32), where=total > 0, casting="same_kind")
