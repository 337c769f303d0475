"""VGG9: nine weight layers on each frame, then one linear layer over all frames, or their mean.

2019 report, section 2.2; Simonyan and Zisserman, ICLR 2015, arXiv:1409.1556. The report gives 64
channels, doubled at each pool, two dense layers of 2048 and 500 outputs; six convolutions as
1, 1, 2, 2 are the front of VGG-11. Section 3.2: "I tried to average the classification results in
a sequence and it failed to converge"; there the ninth layer gives the classes.
"""

from ucf11lib.backend import keras
from ucf11lib.models.layers import Builder, fold_time, unfold_time

CHANNELS = (64, 128, 256, 256, 512, 512)  # of the convolutions
POOLS = ((2, 2), (2, 2), None, (2, 2), None, (2, 2))


def vgg9(x, make: Builder, classes: int):
    """Classify each frame into 500, then all of them together.

    (N, 30, 64, 64, 3) -> (30 N, 64, 64, 3) -> (30 N, 32, 32, 64) -> (30 N, 16, 16, 128)
    -> (30 N, 8, 8, 256) -> (30 N, 4, 4, 512) -> (30 N, 2048) -> (30 N, 2048) -> (30 N, 500)
    -> (N, 15000) -> (N, classes), at width 1.
    """
    window = x.shape[1]
    x = make.dense(frame_features(fold_time(x), make), 500, "dense3", relu=False)
    x = keras.layers.Flatten(name="all_frames")(unfold_time(x, window))
    return make.head(x, classes)


def vgg9_mean(x, make: Builder, classes: int):
    """Classify each frame, then average: the head's outputs, (30 N, classes) -> (N, classes).

    With recipe `head="softmax"` it is the mean of softmaxes. The mean of log-softmaxes is the mean
    of logits less a number that all classes share, so its loss is that of the mean of logits.
    """
    return keras.ops.mean(_frame_scores(x, make, classes), axis=1)


def vgg9_log_mean(x, make: Builder, classes: int):
    """The logarithm of the frames' mean softmax, but for a constant: logits that lose nothing."""
    scores = keras.ops.log_softmax(_frame_scores(x, make, classes), axis=-1)
    return keras.ops.logsumexp(scores, axis=1)


def frame_features(x, make: Builder):
    """The layers of each frame but for the last: (N, 64, 64, 3) -> (N, 2048)."""
    for number, (channels, pool) in enumerate(zip(CHANNELS, POOLS, strict=True), 1):
        x = make.conv(x, channels, (3, 3), f"conv{number}", pool)
    x = keras.layers.Flatten(name="flatten")(x)
    return make.dense(make.dense(x, 2048, "dense1"), 2048, "dense2")


def _frame_scores(x, make: Builder, classes: int):
    """(N, T, H, W, 3) -> the head's outputs of each frame, (N, T, classes)."""
    scores = make.head(frame_features(fold_time(x), make), classes)
    return unfold_time(scores, x.shape[1])
