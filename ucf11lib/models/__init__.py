"""The three networks; `build` is the door."""

from collections.abc import Sequence

from ucf11lib import recipes
from ucf11lib.backend import keras
from ucf11lib.models.c3d import c3d
from ucf11lib.models.cnn_lstm import cnn_lstm
from ucf11lib.models.layers import Builder, Normalise
from ucf11lib.models.vgg9 import vgg9

NETWORKS = {"c3d": c3d, "vgg9": vgg9, "cnn_lstm": cnn_lstm}


def build(
    name: str,
    recipe: recipes.Recipe,
    *,
    classes: int = 11,
    window: int = 30,
    size: int = 64,
    width: float = 1.0,
    seed: int = 0,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    deviation: Sequence[float] = (1.0, 1.0, 1.0),
) -> keras.Model:
    """Build a network that maps uint8 frames to logits.

    Args:
        name: `c3d`, `vgg9` or `cnn_lstm`.
        recipe: initialisation, head, input normalisation, normalisation layers, dropout.
        classes: number of outputs.
        window: frames a sequence.
        size: pixels a side.
        width: factor on the convolutions' channels and the dense layers' units.
        seed: of the weights and the dropout masks.
        mean, deviation: of the training part a channel, in grey levels, for `inputs="dataset"`.

    Returns:
        A model from uint8 (N, window, size, size, 3) to float32 (N, classes).

    Raises:
        UserError: an unknown name.
    """
    recipes.check(name, recipes.MODELS, "model")
    frames = keras.Input((window, size, size, 3), dtype="uint8", name="frames")
    x = Normalise(recipe.inputs, mean, deviation, name="normalise")(frames)
    logits = NETWORKS[name](x, Builder(recipe, width, seed), classes)
    return keras.Model(frames, logits, name=name)
