"""What the networks are made of: a builder that knows the recipe, and the input normalisation."""

import math
from dataclasses import dataclass, field

from ucf11lib.backend import keras
from ucf11lib.runs.recipes import Recipe

Window = tuple[int, ...]
NOISE_FLOOR = 4.0  # grey levels: a still sequence is noise, and is not scaled to full contrast


@keras.saving.register_keras_serializable("ucf11lib")
class Normalise(keras.layers.Layer):
    """uint8 (N, T, H, W, 3) in 0..255 -> float (N, T, H, W, 3), so that a saved model is complete.

    `kind` is `raw`, `unit` (x / 255), `dataset` (minus `mean`, over `std`, three grey levels each),
    or `sequence` (minus the sequence's mean frame, over the standard deviation of the rest plus
    `NOISE_FLOOR`: no static background, no light of its own).
    """

    def __init__(self, kind: str, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), **kwargs):
        super().__init__(**kwargs)
        self.kind = kind
        self.mean = [float(value) for value in mean]
        self.std = [float(value) for value in std]

    def call(self, frames):
        """Normalise any uint8 array."""
        x = keras.ops.cast(frames, "float32")
        if self.kind == "unit":
            x = x / 255.0
        elif self.kind == "dataset":
            x = (x - keras.ops.array(self.mean)) / keras.ops.array(self.std)
        elif self.kind == "sequence":
            x = x - keras.ops.mean(x, axis=1, keepdims=True)
            variance = keras.ops.mean(keras.ops.square(x), axis=(1, 2, 3, 4), keepdims=True)
            x = x / (keras.ops.sqrt(variance) + NOISE_FLOOR)
        return keras.ops.cast(x, self.compute_dtype)

    def get_config(self):
        """Return the arguments of `__init__`."""
        return super().get_config() | {"kind": self.kind, "mean": self.mean, "std": self.std}


@dataclass
class Builder:
    """Makes layers by a recipe, each with weights and dropout masks from a seed of its own.

    `width` is a factor on the units of every layer made with `scaled=True`.
    """

    recipe: Recipe
    width: float
    seed: int
    _count: int = field(default=0, init=False)

    def units(self, n: int) -> int:
        """Return `n` at this width, at least 4 and a multiple of 4."""
        return max(4, 4 * round(n * self.width / 4))

    def conv(
        self, x, channels: int, kernel: Window, name: str, pool: Window | None, relu: bool = True
    ):
        """Convolution of stride 1, normalisation, max-pool, ReLU: (..., C) -> (..., channels).

        The pool comes before the ReLU, which gives the same numbers from a part of the pixels.
        """
        layers = keras.layers
        layer, max_pool = layers.Conv2D, layers.MaxPooling2D
        if len(kernel) == 3:
            layer, max_pool = layers.Conv3D, layers.MaxPooling3D
        options = {"padding": "same", "kernel_initializer": self.initializer(), "name": name}
        x = layer(self.units(channels), kernel, **options)(x)
        if self.recipe.norm == "batch":
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        elif self.recipe.norm == "group":
            groups = min(math.gcd(8, x.shape[-1]), x.shape[-1] // 4)
            x = layers.GroupNormalization(groups, name=f"{name}_norm")(x)
        if pool:
            x = max_pool(pool, name=f"{name}_pool")(x)
        return layers.ReLU(name=f"{name}_relu")(x) if relu else x

    def dense(self, x, n: int, name: str, *, relu: bool = True, scaled: bool = True):
        """Dense layer of `n` units; if asked, after the recipe's dropout and with ReLU."""
        x = self._dropout(x, name) if relu else x
        units = self.units(n) if scaled else n
        x = keras.layers.Dense(units, kernel_initializer=self.initializer(), name=name)(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x

    def head(self, x, classes: int):
        """The last linear layer, always float32; a softmax only if the recipe has that fault."""
        x = self._dropout(x, "logits")
        options = {"kernel_initializer": self.initializer(), "dtype": "float32", "name": "logits"}
        x = keras.layers.Dense(classes, **options)(x)
        softmax = keras.layers.Softmax(dtype="float32", name="softmax")
        return x if self.recipe.head == "logits" else softmax(x)

    def _dropout(self, x, name: str):
        if not self.recipe.dropout:
            return x
        seed = self.next_seed()
        return keras.layers.Dropout(self.recipe.dropout, seed=seed, name=f"{name}_dropout")(x)

    def initializer(self) -> keras.initializers.Initializer:
        """Return a new initialiser of the recipe's kind."""
        if self.recipe.init == "normal":
            return keras.initializers.RandomNormal(0.0, self.recipe.init_std, seed=self.next_seed())
        return keras.initializers.HeNormal(seed=self.next_seed())

    def next_seed(self) -> int:
        """Return the next seed of this builder's sequence, 0..2**31 - 1."""
        self._count += 1
        return (self.seed * 1000 + self._count) % 2**31


def fold_time(x):
    """(N, T, H, W, C) -> (N*T, H, W, C): a per-frame network sees frames as a batch."""
    return keras.ops.reshape(x, (-1, *x.shape[2:]))


def unfold_time(x, window: int):
    """(N*T, F) -> (N, T, F)."""
    return keras.ops.reshape(x, (-1, window, x.shape[-1]))
