"""Frame CNN: CNN+LSTM's own CNN on each frame, the frames' class scores averaged; no order."""

from ucf11lib.backend import keras
from ucf11lib.models.cnn_lstm import frame_features
from ucf11lib.models.layers import Builder, fold_time, unfold_time


def frame_cnn(x, make: Builder, classes: int):
    """(N, 30, 64, 64, 3) -> (30 N, 64, 64, 3) -> (30 N, 128) -> (N, 30, 128) -> (N, classes).

    The mean over frames of a linear layer's outputs is that layer's output of the mean, so the
    mean comes first and the head stays last.
    """
    window = x.shape[1]
    x = frame_features(fold_time(x), make)
    x = keras.layers.ReLU(name="features_relu")(x)
    x = keras.layers.GlobalAveragePooling1D(name="mean_over_frames")(unfold_time(x, window))
    return make.head(x, classes)
