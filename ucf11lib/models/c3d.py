"""C3D: convolution over time and space.

2019 report, section 2.1; Tran et al., ICCV 2015, arXiv:1412.0767.
"""

from ucf11lib.backend import keras
from ucf11lib.models.layers import Builder

CHANNELS = (64, 128, 256, 256, 512, 512)  # of the convolutions
POOLS = ((1, 2, 2), (2, 2, 2), None, (2, 2, 2), None, (2, 2, 2))  # the first keeps all frames


def c3d(x, make: Builder, classes: int):
    """Six 3x3x3 convolutions, four max-pools, two dense layers.

    (N, 30, 64, 64, 3) -> (N, 30, 32, 32, 64) -> (N, 15, 16, 16, 128) -> (N, 7, 8, 8, 256)
    -> (N, 3, 4, 4, 512) -> (N, 1024) -> (N, 1024) -> (N, classes), at width 1. The channels are
    C3D's own; the report does not give them.
    """
    for number, (channels, pool) in enumerate(zip(CHANNELS, POOLS, strict=True), 1):
        x = make.conv(x, channels, (3, 3, 3), f"conv{number}", pool)
    x = keras.layers.Flatten(name="flatten")(x)
    x = make.dense(x, 1024, "dense1")
    x = make.dense(x, 1024, "dense2")
    return make.head(x, classes)
