"""What can be had without looking at motion: the yardsticks that a video model must beat."""

from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ucf11lib import recipes, training
from ucf11lib.backend import keras, tf
from ucf11lib.data import batches
from ucf11lib.data.splits import Split
from ucf11lib.data.store import ClipStore
from ucf11lib.models.cnn_lstm import frame_features
from ucf11lib.models.layers import Builder, Normalise, fold_time

BINS = 8  # a channel


def colour_histogram(store: ClipStore, indices: np.ndarray) -> np.ndarray:
    """Return the square root of the middle frame's colour histogram: float (n, 512)."""
    middle = store.info["window"] // 2
    rows = []
    for i in indices:
        r, g, b = np.moveaxis(store.frames[i][middle].astype(int) * BINS // 256, -1, 0)
        counts = np.bincount((r * BINS**2 + g * BINS + b).ravel(), minlength=BINS**3)
        rows.append(np.sqrt(counts / counts.sum()))
    return np.asarray(rows)


def histogram_accuracy(store: ClipStore, split: Split) -> float:
    """Return the held-out accuracy of logistic regression on one frame's colour histogram."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    model.fit(colour_histogram(store, split.train), store.labels[split.train])
    return float(model.score(colour_histogram(store, split.validation), store.labels[split.validation]))


@keras.saving.register_keras_serializable("ucf11lib")
class OneFrame(keras.layers.Layer):
    """(N, T, H, W, C) -> (N, H, W, C): any one frame of each sequence while training, the middle one afterwards."""

    def __init__(self, seed: int, **kwargs):
        super().__init__(**kwargs)
        self.seed, self.draws = seed, keras.random.SeedGenerator(seed)

    def call(self, frames, training=False):
        """Choose the frames."""
        window = frames.shape[1]
        if not training:
            return frames[:, window // 2]
        chosen = keras.random.randint((keras.ops.shape(frames)[0],), 0, window, seed=self.draws)
        return tf.gather(frames, chosen, axis=1, batch_dims=1)


def frame_cnn_accuracy(store: ClipStore, split: Split, width: float, *, bag: bool, epochs: int, seed: int = 0) -> float:
    """Return the held-out accuracy of CNN+LSTM's own CNN without the LSTM: no order, no motion.

    Args:
        store, split: the data.
        width: the CNN+LSTM's.
        bag: average the class scores of all frames, instead of looking at one.
        epochs: passes over the training part.
        seed: of weights and order.
    """
    recipe = replace(recipes.recipe("repaired", "cnn_lstm"), inputs="dataset", learning_rate=2e-3 if bag else 1e-3)
    recipe = replace(recipe, batch_size=16 if bag else 64)
    mean, deviation = batches.channel_statistics(store, split.train)
    make, classes = Builder(recipe, width, seed), len(store.classes)
    frames = keras.Input(store.frames.shape[1:], dtype="uint8")
    x = Normalise("dataset", mean, deviation)(frames)
    x = fold_time(x) if bag else OneFrame(seed)(x)
    x = make.head(keras.layers.ReLU()(frame_features(x, make)), classes)
    if bag:
        x = keras.ops.mean(keras.ops.reshape(x, (-1, store.info["window"], classes)), axis=1)
    steps = -(-len(split.train) // recipe.batch_size)
    profile = replace(recipes.profile("quick", "cnn_lstm"), epochs=epochs, steps_per_epoch=steps)
    trainer = training.Trainer(
        keras.Model(frames, x), store, split, recipe, profile, seed, tf.distribute.get_strategy()
    )
    return list(trainer.epochs())[-1].val_accuracy
