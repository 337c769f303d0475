from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from ucf11lib import models
from ucf11lib.backend import keras
from ucf11lib.errors import UserError
from ucf11lib.runs import named_recipe

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 30, 32, 32, 3), dtype=np.uint8)


def build(name, head="logits"):
    recipe = replace(named_recipe("2019", name), head=head, init="he", inputs="unit")
    return models.build(name, recipe, width=0.0625, size=32)


@pytest.mark.parametrize(
    ("name", "head", "average"),
    [
        ("vgg9_mean", "logits", lambda z: z.mean(axis=1)),
        ("vgg9_mean", "softmax", lambda z: softmax(z, axis=2).mean(axis=1)),
        ("vgg9_log_mean", "logits", lambda z: np.log(30 * softmax(z, axis=2).mean(axis=1))),
    ],
)
def test_vgg9_averages_its_frames(name, head, average):
    model = build(name, head)
    inner = keras.Model(model.input, model.get_layer("logits").output)
    logits = np.asarray(inner(FRAMES)).reshape(3, 30, 11)
    assert np.abs(logits - logits[:, :1]).max() > 0.01
    np.testing.assert_allclose(np.asarray(model(FRAMES)), average(logits), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["vgg9_mean", "vgg9_log_mean"])
def test_vgg9_averages_in_float32_whatever_the_precision(name):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert build(name)(FRAMES).dtype == tf.float32
    finally:
        keras.config.set_dtype_policy(policy)


def test_mean_of_log_softmaxes_has_the_gradient_of_the_mean_of_logits():
    logits = tf.constant(np.random.default_rng(1).normal(0, 5, (4, 30, 11)))
    targets = tf.one_hot([0, 3, 3, 10], 11, dtype=logits.dtype)
    gradients = []
    for scores in (tf.identity, tf.nn.log_softmax):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            mean = tf.reduce_mean(scores(logits), axis=1)
            loss = tf.nn.softmax_cross_entropy_with_logits(targets, mean)
        gradients.append(tape.gradient(loss, logits).numpy())
    np.testing.assert_allclose(*gradients, atol=1e-12)
    assert np.abs(gradients[0]).max() > 1e-3


def test_log_mean_of_softmaxes_has_no_softmax_head():
    with pytest.raises(
        UserError, match=r"^vgg9_log_mean takes the logarithm itself; choose head=l"
    ):
        build("vgg9_log_mean", "softmax")
