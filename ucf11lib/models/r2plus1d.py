"""R(2+1)D: each 3D convolution is one over space, then one over time; residual blocks.

Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018,
arXiv:1711.11248. Small: three blocks instead of eight, max-pools instead of strides.
"""

from ucf11lib.backend import keras
from ucf11lib.models.layers import Builder

CHANNELS = (40, 80, 160)  # of the blocks
STEM = 40
POOLS = ((1, 2, 2), (2, 2, 2), (2, 2, 2))  # before each block


def r2plus1d(x, make: Builder, classes: int):
    """A stem, three residual blocks of two (2+1)D convolutions, the mean over time and space.

    (N, 30, 64, 64, 3) -> (N, 30, 32, 32, 40) -> (N, 30, 16, 16, 40) -> (N, 15, 8, 8, 80)
    -> (N, 7, 4, 4, 160) -> (N, 160) -> (N, classes), at width 1.
    """
    x, before = _factorised(x, make, (3, STEM), "stem", pool=(1, 2, 2)), STEM
    for number, (channels, pool) in enumerate(zip(CHANNELS, POOLS, strict=True), 1):
        name = f"block{number}"
        x = keras.layers.MaxPooling3D(pool, name=f"{name}_pool")(x)
        y = _factorised(x, make, (before, channels), f"{name}_first")
        y = _factorised(y, make, (channels, channels), f"{name}_second", relu=False)
        if channels != before:
            x = make.conv(x, channels, (1, 1, 1), f"{name}_shortcut", None, relu=False)
        x = keras.layers.Add(name=f"{name}_sum")([x, y])
        last = number == len(CHANNELS)
        x = keras.layers.ReLU(name="last_map" if last else f"{name}_relu")(x)
        before = channels
    x = keras.layers.GlobalAveragePooling3D(name="mean")(x)
    return make.head(x, classes)


def _factorised(x, make: Builder, channels: tuple[int, int], name: str, pool=None, relu=True):
    """Convolve over space, then over time: (N, T, H, W, C) -> (N, T, H, W, units).

    `channels` are those before and after, at width 1. Between the two are as many as give the
    weights of a 3x3x3 convolution (the paper's section 3.5).
    """
    before, after = channels
    between = 27 * before * after // (9 * before + 3 * after)
    x = make.conv(x, between, (1, 3, 3), f"{name}_space", pool)
    return make.conv(x, after, (3, 1, 1), f"{name}_time", None, relu=relu)
