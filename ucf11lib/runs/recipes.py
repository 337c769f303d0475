"""How to train: recipes (the method) and profiles (the size of network and run).

Recipe `2019` is the report's, with C3D's softmax head whose output the loss softmaxes again;
`repaired` is that with `REPAIRS` and `FIXED_LENGTH`. Those in `PEERS` are for comparison.
"""

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

import pandas as pd
from msgspec import Meta

from ucf11lib.runs.parsing import check_name

REPORTED = ("c3d", "vgg9", "cnn_lstm")  # the report's three models, in its order

Positive = Annotated[float, Meta(gt=0, le=1e6)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=10**9)]


@dataclass(frozen=True)
class Recipe:
    """A training method."""

    name: str
    # Convolution and dense weights: N(0, init_std), or He et al., ICCV 2015 (arXiv:1502.01852).
    init: Literal["normal", "he"] = "normal"
    init_std: Positive = 0.1
    head: Literal["logits", "softmax"] = "logits"  # the loss applies a softmax to either
    # `dataset` subtracts the training part's mean and divides by its standard deviation, a channel;
    # `sequence` subtracts each sequence's own mean frame and divides by the standard deviation of
    # the rest plus 4 grey levels; `unit` is x / 255; `raw` is grey levels 0..255.
    inputs: Literal["dataset", "sequence", "unit", "raw"] = "dataset"
    # After each convolution: `batch` has momentum 0.9, `group` at most 8 groups (Wu and He, ECCV
    # 2018, arXiv:1803.08494).
    norm: Literal["none", "batch", "group"] = "none"
    dropout: Annotated[float, Meta(ge=0, lt=1)] = (
        0.0  # share of the inputs of dense layers with a ReLU, and of the last
    )
    # Share of each target that all classes get alike (Szegedy et al., CVPR 2016, arXiv:1512.00567).
    label_smoothing: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    optimizer: Literal["adam", "rmsprop", "momentum", "sgd"] = "adam"  # `momentum`: SGD with 0.9
    learning_rate: Positive = 1e-3  # at its highest
    schedule: Literal["constant", "cosine"] = "constant"  # `cosine` ends at zero
    warmup: Share = 0.0  # with `cosine`: share of steps over which the rate rises from zero
    batch_size: Annotated[int, Meta(ge=1, le=65536)] = 16  # sequences a step, over all replicas
    flip: bool = False  # mirror half of the training sequences
    shift: Annotated[int, Meta(ge=0, le=64)] = 0  # move each by up to this many pixels
    brightness: Share = 0.0  # scale its grey levels by up to this share, both ways
    # Stop when an epoch's validation accuracy reaches it; the accuracy is then biased upwards.
    target_accuracy: Share | None = 0.75


@dataclass(frozen=True)
class Profile:
    """The size of the network and of the run."""

    name: str
    width: Annotated[float, Meta(gt=0, le=16)]  # factor on channels and units of dense layers
    epochs: Count  # at most
    steps_per_epoch: Count  # batches, whatever the size of the data


# Changes from the 2019 recipe; measured effects: report/results/repairs.json.
OF_ALL_MODELS: dict[str, Any] = {"init": "he", "inputs": "sequence", "flip": True, "shift": 4}
OF_ALL_MODELS |= {"label_smoothing": 0.1}
REPAIRS_DEFAULT = OF_ALL_MODELS | {"learning_rate": 2e-3}
REPAIRS = {
    "c3d": OF_ALL_MODELS | {"head": "logits"},
    "vgg9": REPAIRS_DEFAULT | {"dropout": 0.1},
    # A single frame has no mean frame of its own to subtract.
    "frame_cnn": REPAIRS_DEFAULT | {"inputs": "dataset"},
}
# A run that stops on the accuracy that it reports is biased; a repaired run has a fixed length.
FIXED_LENGTH: dict[str, Any] = {"schedule": "cosine", "warmup": 0.05, "batch_size": 8}
FIXED_LENGTH |= {"target_accuracy": None}

# What two other solutions of the same course published, in their own code. The settings are
# theirs, the networks ours. Left out is what has no effect in a quick run (c3dsmall's decay of 2 %
# every 6000 sequences) or never reached the loss (cnnlstm's L2).
OF_BOTH_PEERS: dict[str, Any] = {"inputs": "unit", "learning_rate": 1e-4, "target_accuracy": None}
PEERS = {
    # https://github.com/MekkaSiekka/C3D-UCF11-Tensorflow, c3d_UCF11.py
    "peer_c3dsmall": OF_BOTH_PEERS | {"init_std": 0.01, "batch_size": 10},
    # https://github.com/nikhilasm/ecse4850, project5/final_project.py; Keras's random_normal has
    # the standard deviation 0.05
    "peer_cnnlstm": OF_BOTH_PEERS | {"init_std": 0.05, "batch_size": 8, "flip": True},
}
RECIPES = ("repaired", "2019", *PEERS)

# Width and epochs of profile quick, of 120 steps each. The three reported models together take
# about 200 seconds of two cores with AMX, the later ones about 65 each.
QUICK = {"c3d": (0.125, 5), "vgg9": (0.125, 11)}
QUICK |= {"r2plus1d": (0.25, 8), "tsm": (0.25, 6), "vivit": (0.25, 4)}
QUICK_DEFAULT = (0.25, 10)


def named_recipe(name: str, model: str) -> Recipe:
    """Return the recipe called `name` for `model`; raises `UserError` on an unknown one."""
    check_name(name, RECIPES, "recipe")
    if name in PEERS:
        return Recipe(name, **PEERS[name])
    original = Recipe(name, head="softmax" if model == "c3d" else "logits")
    if name == "2019":
        return original
    return replace(original, **REPAIRS.get(model, REPAIRS_DEFAULT), **FIXED_LENGTH)


def named_profile(name: str, model: str) -> Profile:
    """Return the profile called `name` for `model`; raises `UserError` on an unknown one."""
    quick = QUICK.get(model, QUICK_DEFAULT)
    sizes = {"smoke": (0.0625, 2, 3), "quick": (*quick, 120), "full": (1.0, 128, 256)}
    check_name(name, sizes, "profile")
    return Profile(name, *sizes[name])


def recipe_changes(original: Recipe, other: Recipe) -> pd.DataFrame:
    """Return the settings in which two recipes differ: setting, and the value in each."""
    rows = [pd.Series(asdict(recipe), dtype=object) for recipe in (original, other)]
    table = pd.concat(rows, axis=1).drop("name").map(str)
    table.columns = [f"recipe {recipe.name}" for recipe in (original, other)]
    table.index = table.index.str.replace("_", " ")
    return table[table.iloc[:, 0] != table.iloc[:, 1]].reset_index(names="setting")
