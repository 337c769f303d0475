"""TSM: 2D convolutions on each frame, some of whose channels are those of the frames beside it.

Lin, Gan and Han, "TSM: Temporal Shift Module for Efficient Video Understanding", ICCV 2019,
arXiv:1811.08383. The shift costs no arithmetic and no weight. The convolutions are VGG9's in a
smaller size; the paper shifts within a ResNet-50.
"""

import math

from ucf11lib.backend import keras
from ucf11lib.models.layers import Builder, fold_time
from ucf11lib.models.vgg9 import POOLS

CHANNELS = (32, 64, 128, 128, 256, 384)  # of the convolutions
SHIFTED = 8  # one channel in so many is the frame's before, one that of the frame after


def tsm(x, make: Builder, classes: int):
    """Six 3x3 convolutions, a shift before each but the first; the mean over frames and places.

    (N, 30, 64, 64, 3) -> (30 N, 64, 64, 3) -> (30 N, 32, 32, 32) -> (30 N, 16, 16, 64)
    -> (30 N, 8, 8, 128) -> (30 N, 4, 4, 384) -> (N, 384) -> (N, classes), at width 1. The mean of
    the frames' class scores, the paper's, is the score of their mean.
    """
    window = x.shape[1]
    x = fold_time(x)
    for number, (channels, pool) in enumerate(zip(CHANNELS, POOLS, strict=True), 1):
        x = shift(x, window) if number > 1 else x
        x = make.conv(x, channels, (3, 3), f"conv{number}", pool)
    x = keras.ops.reshape(x, (-1, window, *x.shape[1:]))
    x = keras.layers.GlobalAveragePooling3D(name="mean")(x)
    return make.head(x, classes)


def shift(x, window: int):
    """(N*T, H, W, C): move C / 8 channels a frame forward, C / 8 back; zeros enter at the ends."""
    channels = x.shape[-1]
    n = max(1, channels // SHIFTED)
    frames = keras.ops.reshape(x, (-1, window, math.prod(x.shape[1:3]), channels))
    before, after, rest = keras.ops.split(frames, [n, 2 * n], axis=-1)
    before = keras.ops.pad(before[:, :-1], [(0, 0), (1, 0), (0, 0), (0, 0)])
    after = keras.ops.pad(after[:, 1:], [(0, 0), (0, 1), (0, 0), (0, 0)])
    frames = keras.ops.concatenate([before, after, rest], axis=-1)
    return keras.ops.reshape(frames, (-1, *x.shape[1:]))
