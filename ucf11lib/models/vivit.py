"""ViViT: attention among the places of each moment, then among the moments.

Arnab et al., "ViViT: A Video Vision Transformer", ICCV 2021, arXiv:2103.15691, model 2 (factorised
encoder). Small, with means instead of class tokens, ReLU instead of GELU, and two convolutions
before the tokens (Xiao et al., NeurIPS 2021, arXiv:2106.14881): from patches of pixels alone it
learns little in a short training.
"""

from ucf11lib.backend import keras
from ucf11lib.models.layers import Builder

STEM = (32, 64)  # channels of the 3x3x3 convolutions, a 2x2 pool after each
TUBELET = (2, 2, 2)  # frames and places of the stem's output that are one token
UNITS, HEADS = 160, 4  # of a token
SPACE_LAYERS, TIME_LAYERS = 2, 2


def vivit(x, make: Builder, classes: int):
    """Two convolutions, tokens, two layers of attention in space, two in time, their mean.

    (N, 30, 64, 64, 3) -> (N, 30, 16, 16, 64) -> (N, 15, 8, 8, 160) -> (15 N, 64, 160)
    -> (N, 15, 160) -> (N, 160) -> (N, classes), at width 1.
    """
    layers, units = keras.layers, make.units(UNITS)
    for number, channels in enumerate(STEM, 1):
        x = make.conv(x, channels, (3, 3, 3), f"conv{number}", (1, 2, 2))
    options = {"strides": TUBELET, "kernel_initializer": make.initializer()}
    x = layers.Conv3D(units, TUBELET, **options, name="tokens")(x)
    _, moments, height, width, _ = x.shape
    x = _positions(keras.ops.reshape(x, (-1, height * width, units)), make, "place")
    for number in range(1, SPACE_LAYERS + 1):
        x = _encoder(x, make, f"space{number}")
    x = keras.ops.reshape(x, (-1, moments, height, width, units))
    x = layers.ReLU(name="last_map")(x)
    x = _positions(keras.ops.mean(x, axis=(2, 3)), make, "moment")
    for number in range(1, TIME_LAYERS + 1):
        x = _encoder(x, make, f"time{number}")
    x = layers.LayerNormalization(name="time_norm")(x)
    x = layers.GlobalAveragePooling1D(name="mean_over_moments")(x)
    return make.head(x, classes)


def _positions(x, make: Builder, name: str):
    """A linear layer with a bias for each position: the position's embedding, as large as x."""
    options = {"bias_axes": "td", "kernel_initializer": make.initializer(), "name": name}
    options["bias_initializer"] = keras.initializers.RandomNormal(0.0, 1.0, seed=make.next_seed())
    return keras.layers.EinsumDense("ntc,cd->ntd", x.shape[1:], **options)(x)


def _encoder(x, make: Builder, name: str):
    """Attention among tokens, then two dense layers on each, both residual: (N, tokens, units).

    As those of the LSTM, the attention's own weights have the framework's distribution in every
    recipe. Its kernels of queries, keys and values begin as the same draw.
    """
    layers, units = keras.layers, x.shape[-1]
    glorot = keras.initializers.GlorotUniform(seed=make.next_seed())
    attend = layers.MultiHeadAttention(HEADS, units // HEADS, kernel_initializer=glorot, name=name)
    y = layers.LayerNormalization(name=f"{name}_norm1")(x)
    x = layers.Add(name=f"{name}_sum1")([x, attend(y, y)])
    y = layers.LayerNormalization(name=f"{name}_norm2")(x)
    y = make.dense(y, 4 * units, f"{name}_dense1", scaled=False)
    y = make.dense(y, units, f"{name}_dense2", relu=False, scaled=False)
    return layers.Add(name=f"{name}_sum2")([x, y])
