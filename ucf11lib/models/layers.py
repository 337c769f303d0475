"""What the three networks are made of: one builder that knows the recipe, and the input normalisation."""

from dataclasses import dataclass, field

from ucf11lib.backend import keras
from ucf11lib.models.convolutions import Conv2D, Conv3D
from ucf11lib.recipes import Recipe

GREY_FLOOR = 4.0  # grey levels: a still sequence is noise, and is not blown up to full contrast


@keras.saving.register_keras_serializable("ucf11lib")
class Normalise(keras.layers.Layer):
    """uint8 (N, T, H, W, 3) in 0..255 -> float (N, T, H, W, 3), inside the model so that a saved model is complete.

    Args:
        kind: `raw` (as they are), `unit` (x / 255), `dataset` (minus `mean`, over `deviation`), or `sequence` (minus
            the sequence's mean frame, over the deviation of what is left: no static background, no light of its own).
        mean, deviation: three numbers, grey levels; only `dataset` reads them.
    """

    def __init__(self, kind: str, mean=(0.0, 0.0, 0.0), deviation=(1.0, 1.0, 1.0), **kwargs):
        super().__init__(**kwargs)
        self.kind, self.mean, self.deviation = kind, [float(v) for v in mean], [float(v) for v in deviation]

    def call(self, frames):
        """Normalise; raises nothing, every uint8 array is valid."""
        x = keras.ops.cast(frames, "float32")
        if self.kind == "unit":
            x = x / 255.0
        elif self.kind == "dataset":
            x = (x - keras.ops.array(self.mean)) / keras.ops.array(self.deviation)
        elif self.kind == "sequence":
            x = x - keras.ops.mean(x, axis=1, keepdims=True)
            variance = keras.ops.mean(keras.ops.square(x), axis=(1, 2, 3, 4), keepdims=True)
            x = x / (keras.ops.sqrt(variance) + GREY_FLOOR)
        return keras.ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Same shape as the input."""
        return input_shape

    def get_config(self):
        """Return what `__init__` needs to make the same layer again."""
        return super().get_config() | {"kind": self.kind, "mean": self.mean, "deviation": self.deviation}


@dataclass
class Builder:
    """Makes layers as a recipe wants them; each draws its weights from a seed of its own.

    Args:
        recipe: initialisation, normalisation, dropout.
        width: factor on the units of every layer made with `scaled=True`.
        seed: of all weights and dropout masks.
    """

    recipe: Recipe
    width: float
    seed: int
    _made: int = field(default=0, init=False)

    def units(self, n: int) -> int:
        """Return `n` at this width, at least 4 and a multiple of 4."""
        return max(4, 4 * round(n * self.width / 4))

    def conv(
        self, x, channels: int, kernel: tuple[int, ...], name: str, pool: tuple[str, tuple[int, ...]] | None = None
    ):
        """Convolution of stride 1, normalisation if the recipe has one, ReLU; (..., C) -> (..., channels * width).

        `pool` is the name and the window of a max-pool. It stands before the ReLU, which changes no number, since the
        larger of two is larger still after a ReLU; but so the ReLU and its gradient see a part of the pixels only.
        """
        layer = Conv3D if len(kernel) == 3 else Conv2D
        x = layer(self.units(channels), kernel, padding="same", kernel_initializer=self.initializer(), name=name)(x)
        if self.recipe.norm == "batch":
            x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        elif self.recipe.norm == "group":
            groups = min(8, x.shape[-1] // 4)
            x = keras.layers.GroupNormalization(groups, name=f"{name}_norm")(x)
        if pool:
            pool_layer = keras.layers.MaxPooling3D if len(kernel) == 3 else keras.layers.MaxPooling2D
            x = pool_layer(pool[1], name=pool[0])(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    def dense(self, x, n: int, name: str, *, relu: bool = True, scaled: bool = True):
        """Dropout if the recipe has it, a dense layer of `n` units, ReLU if asked."""
        if self.recipe.dropout and relu:
            x = keras.layers.Dropout(self.recipe.dropout, seed=self.next_seed(), name=f"{name}_dropout")(x)
        n = self.units(n) if scaled else n
        x = keras.layers.Dense(n, kernel_initializer=self.initializer(), name=name)(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x

    def head(self, x, classes: int):
        """The last linear layer, always float32; a softmax after it only if the recipe has that fault."""
        if self.recipe.dropout:
            x = keras.layers.Dropout(self.recipe.dropout, seed=self.next_seed(), name="logits_dropout")(x)
        x = keras.layers.Dense(classes, kernel_initializer=self.initializer(), dtype="float32", name="logits")(x)
        return x if self.recipe.head == "logits" else keras.layers.Softmax(dtype="float32", name="softmax")(x)

    def initializer(self) -> keras.initializers.Initializer:
        """Return a fresh initialiser of the recipe's kind."""
        if self.recipe.init == "normal":
            return keras.initializers.RandomNormal(0.0, self.recipe.init_deviation, seed=self.next_seed())
        return keras.initializers.HeNormal(seed=self.next_seed())

    def next_seed(self) -> int:
        """Return the next seed of this builder's sequence."""
        self._made += 1
        return self.seed * 1000 + self._made


def fold_time(x):
    """(N, T, H, W, C) -> (N*T, H, W, C): a per-frame network sees frames as a batch."""
    return keras.ops.reshape(x, (-1, *x.shape[2:]))


def unfold_time(x, window: int):
    """(N*T, F) -> (N, T, F)."""
    return keras.ops.reshape(x, (-1, window, x.shape[-1]))
