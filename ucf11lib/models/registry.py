"""The networks by name. To add one: a file with a builder function, and a line in `NETWORKS`."""

import warnings
from collections.abc import Sequence

from ucf11lib.backend import keras
from ucf11lib.errors import UserError
from ucf11lib.models.c3d import c3d
from ucf11lib.models.cnn_lstm import cnn_lstm
from ucf11lib.models.frame_cnn import frame_cnn
from ucf11lib.models.layers import Builder, Normalise
from ucf11lib.models.r2plus1d import r2plus1d
from ucf11lib.models.tsm import tsm
from ucf11lib.models.vgg9 import vgg9, vgg9_log_mean, vgg9_mean
from ucf11lib.models.vivit import vivit
from ucf11lib.runs.folder import Run
from ucf11lib.runs.parsing import check_name, check_stored, damage_in_one_line
from ucf11lib.runs.recipes import Recipe

NETWORKS = {"c3d": c3d, "vgg9": vgg9, "cnn_lstm": cnn_lstm, "frame_cnn": frame_cnn}
NETWORKS |= {"r2plus1d": r2plus1d, "tsm": tsm, "vivit": vivit}
NETWORKS |= {"vgg9_mean": vgg9_mean, "vgg9_log_mean": vgg9_log_mean}


def check_model(name: str) -> None:
    """Raise a `UserError` that lists the networks unless `name` is one of them."""
    check_name(name, NETWORKS, "model")


def build(
    name: str, recipe: Recipe, *,
    classes: int = 11, window: int = 30, size: int = 64, width: float = 1.0, seed: int = 0,
    mean: Sequence[float] = (0.0, 0.0, 0.0), std: Sequence[float] = (1.0, 1.0, 1.0),
) -> keras.Model:  # fmt: skip
    """Build a network from uint8 (N, window, size, size, 3) to logits, float32 (N, classes).

    `width` is a factor on the convolutions' channels and the dense layers' units, `seed` of the
    weights and dropout masks, `mean` and `std` the training part's a channel, grey levels, for
    `inputs="dataset"`. Raises a `UserError` for an unknown name, a head that the network
    cannot have, and sequences too short or too small.
    """
    check_model(name)
    if name == "vgg9_log_mean" and recipe.head == "softmax":
        raise UserError(f"{name} takes the logarithm itself; choose head=logits")
    frames = keras.Input((window, size, size, 3), dtype="uint8", name="frames")
    x = Normalise(recipe.inputs, mean, std, name="normalise")(frames)
    try:
        logits = NETWORKS[name](x, Builder(recipe, width, seed), classes)
    except ValueError as error:
        if "negative" not in str(error) and "zero" not in str(error):
            raise
        small = f"sequences of {window} frames of {size}x{size} are smaller than its pools"
        raise UserError(f"{name}: {small}; give a larger --window or --size") from None
    return keras.Model(frames, logits, name=name)


def load(run: Run) -> keras.Model:
    """Load the network of a finished run.

    Raises `UserError` if Keras cannot load it, or it does not fit its configuration.
    """
    path = run.path / "model.keras"
    with damage_in_one_line(path, "train again"), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # Keras warns of weights that it did not find
        check_stored(path)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        actual = [shape[1:] for shape in (model.input_shape, model.output_shape)]
    expected = [(run.data.window, run.data.size, run.data.size, 3), (len(run.data.classes),)]
    if actual != expected:
        maps = [f"{of} to {to}" for of, to in (actual, expected)]
        raise UserError(f"{path}: maps {maps[0]}, its configuration {maps[1]}; train again")
    return model
