"""CNN+LSTM: a small CNN on each frame, an LSTM over the frames (2019 report, section 2.3)."""

from ucf11lib.backend import keras
from ucf11lib.models.layers import Builder, fold_time, unfold_time

CONVOLUTIONS = ((32, 2), (64, 3), (128, 5))  # (channels, kernel), a 2x2 pool after each
LSTM_INPUTS = 128
LSTM_UNITS = 128


def cnn_lstm(x, make: Builder, classes: int):
    """Convolutions of 2x2, 3x3 and 5x5, a linear layer, an LSTM, a linear layer over all outputs.

    (N, 30, 64, 64, 3) -> (30 N, 64, 64, 3) -> (30 N, 32, 32, 32) -> (30 N, 16, 16, 64)
    -> (30 N, 8, 8, 128) -> (30 N, 128) -> (N, 30, 128) -> (N, 3840) -> (N, classes), at width 1.
    The report does not give the channels. The LSTM's own weights are the framework's defaults in
    every recipe, as they were in 2019. Width scales the convolutions alone: they are nearly all of
    the arithmetic, and a narrow LSTM loses the order of the frames.
    """
    window = x.shape[1]
    x = frame_features(fold_time(x), make)
    x = keras.layers.LSTM(
        LSTM_UNITS,
        return_sequences=True,
        kernel_initializer=keras.initializers.GlorotUniform(seed=make.next_seed()),
        recurrent_initializer=keras.initializers.Orthogonal(seed=make.next_seed()),
        name="lstm",
    )(unfold_time(x, window))
    x = keras.layers.Flatten(name="all_frames")(x)
    return make.head(x, classes)


def frame_features(x, make: Builder):
    """The CNN alone: (N, 64, 64, 3) -> (N, LSTM_INPUTS)."""
    for number, (channels, kernel) in enumerate(CONVOLUTIONS, 1):
        x = make.conv(x, channels, (kernel, kernel), f"conv{number}", (2, 2))
    x = keras.layers.Flatten(name="flatten")(x)
    return make.dense(x, LSTM_INPUTS, "lstm_inputs", relu=False, scaled=False)
