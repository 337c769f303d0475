"""Heads on the features of a frozen ImageNet network, and what is averaged with what.

A head is a classifier of one stream, `frames` or `differences`, whose features are cached
(`evaluation.features`). It is trained on both mirror images and answers with their mean. Two
streams are fused by the mean of their probabilities.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ucf11lib.backend import keras
from ucf11lib.data import ClipStore
from ucf11lib.data.splits import Split, inner_split
from ucf11lib.evaluation.calibration import rescaled, temperature
from ucf11lib.evaluation.features import FRAMES, STREAMS, features, pictures
from ucf11lib.evaluation.predict import probabilities
from ucf11lib.models import lite0
from ucf11lib.models.flops import layer_flops

SIZE = 96  # pixels a side that frames are resized to
C = 0.1  # the inverse strength of the logistic regression's L2 penalty
UNITS = 64  # of the networks' heads
EPOCHS = 10
Method = tuple[str, tuple[str, ...]]  # a head and its streams
Answer = Callable[[np.ndarray], np.ndarray]  # features (n, 8, F) -> probabilities (n, classes)


@dataclass(frozen=True)
class Head:
    """A trained head, and what it costs."""

    answer: Answer
    weights: int
    flops: int  # of one sequence
    seconds: float = 0.0  # of its training


def linear(train: np.ndarray, labels: np.ndarray) -> Head:
    """Fit logistic regression to mean and standard deviation over time of `train`, (n, 8, F)."""

    def summary(x: np.ndarray) -> np.ndarray:
        return np.concatenate([x.mean(axis=1), x.std(axis=1)], axis=1)

    # All components: no other answers, but fewer unknowns than features where there are many.
    regression = LogisticRegression(C=C, max_iter=200)
    model = make_pipeline(StandardScaler(), PCA(), regression).fit(summary(train), labels)
    products = len(regression.classes_) * 2 * train.shape[-1]
    weights = products + len(regression.classes_)
    return Head(lambda x: model.predict_proba(summary(x)), weights, 2 * products)


def lstm(x):
    """The last state of an LSTM: (N, 8, F) -> (N, 64)."""
    return keras.layers.LSTM(UNITS)(x)


def temporal_convolution(x):
    """The mean over time of a convolution over three frames: (N, 8, F) -> (N, 64)."""
    x = keras.layers.Conv1D(UNITS, 3, padding="same", activation="relu")(x)
    return keras.layers.GlobalAveragePooling1D()(x)


def network(layers: Callable) -> Callable[[np.ndarray, np.ndarray], Head]:
    """Return a function that trains a small network, `layers` and a linear one, on features."""

    def fit(train: np.ndarray, labels: np.ndarray) -> Head:
        normalise = keras.layers.Normalization()
        normalise.adapt(train.reshape(-1, train.shape[-1]))
        inputs = keras.Input(train.shape[1:])
        x = layers(keras.layers.Dropout(0.5)(normalise(inputs)))
        x = keras.layers.Dense(int(labels.max()) + 1)(keras.layers.Dropout(0.5)(x))
        model = keras.Model(inputs, x)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(1e-3), loss)
        model.fit(train, labels, batch_size=32, epochs=EPOCHS, verbose=0)
        flops = sum(layer_flops(model).values())
        answer = lambda x: probabilities(model.predict_on_batch(x), "logits")  # noqa: E731
        return Head(answer, model.count_params(), flops)

    return fit


HEADS = {"linear": linear, "LSTM": network(lstm),
         "temporal convolution": network(temporal_convolution)}  # fmt: skip
FUSIONS = (*((one,) for one in STREAMS), STREAMS)
METHODS: tuple[Method, ...] = tuple(itertools.product(HEADS, FUSIONS))


@dataclass
class Transfer:
    """The frozen network, a store, and the heads that were trained last on its features."""

    store: ClipStore
    seed: int
    heads: dict[tuple[str, str], Head] = field(default_factory=dict)  # by name and stream

    @cached_property
    def network(self) -> keras.Model:
        """The frozen network, pictures (n, H, W, 3) -> features (n, F)."""
        return lite0.backbone(SIZE)

    def answers(self, parts: Split) -> dict[Method, np.ndarray]:
        """Train all heads on `parts.train`; return each method's probabilities of the others."""
        single = {one: self._train(*one, parts) for one in itertools.product(HEADS, STREAMS)}
        return {
            (head, streams): np.mean([single[head, stream] for stream in streams], axis=0)
            for head, streams in METHODS
        }

    def select(self, outer: Split) -> tuple[Method, float]:
        """Return the method of the least loss on an inner split, and its temperature there.

        Each is compared at its own temperature: a mean of answers is less confident than they are.
        """
        inner = inner_split(self.store, outer, self.seed)
        labels, tried = self.store.labels[inner.validation], self.answers(inner)
        fitted = {one: temperature(labels, prob) for one, prob in tried.items()}

        def loss(one: Method) -> float:
            return log_loss(
                labels, rescaled(tried[one], fitted[one]), labels=np.arange(len(self.store.classes))
            )

        best = min(tried, key=loss)
        return best, fitted[best]

    def predict(self, method: Method, frames: np.ndarray) -> np.ndarray:
        """Return probabilities, (n, classes), of frames, uint8 (n, T, H, W, 3)."""
        head, streams = method
        parts = []
        for stream, view in itertools.product(streams, (frames, frames[:, :, :, ::-1])):
            shown = pictures(view, stream)
            flat = self.network.predict_on_batch(shown.reshape(-1, *shown.shape[2:]))
            parts.append(self.heads[head, stream].answer(flat.reshape(*shown.shape[:2], -1)))
        return np.mean(parts, axis=0)

    def cost(self, method: Method) -> dict[str, float]:
        """Return weights, FLOPs of a sequence and its mirror image, seconds of the training."""
        head, streams = method
        heads = [self.heads[head, stream] for stream in streams]
        frozen = FRAMES * sum(layer_flops(self.network).values())
        return {
            "weights": self.network.count_params() + sum(one.weights for one in heads),
            "flops": 2 * sum(frozen + one.flops for one in heads),
            "seconds": sum(one.seconds for one in heads),
        }

    def _train(self, head: str, stream: str, parts: Split) -> np.ndarray:
        views = [features(self.store, self.network, stream, one) for one in (False, True)]
        start = time.perf_counter()
        train = np.concatenate([view[parts.train].astype(np.float32) for view in views])
        keras.utils.set_random_seed(self.seed)
        trained = HEADS[head](train, np.tile(self.store.labels[parts.train], 2))
        self.heads[head, stream] = replace(trained, seconds=time.perf_counter() - start)
        held_out = [view[parts.validation].astype(np.float32) for view in views]
        return np.mean([trained.answer(view) for view in held_out], axis=0)
