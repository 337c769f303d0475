import re

import numpy as np
import pytest

from ucf11lib import figures
from ucf11lib.figures import controls
from ucf11lib.studies.autopsy import largest_gradient

CLASSES = ("walking", "<diving>", "biking")
Y_TRUE = np.array([0, 0, 1, 1, 1])  # none is biking
Y_PROB = np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.3, 0.7, 0], [0, 1, 0], [0.45, 0.55, 0]])
ANSWERS = {"index": np.array([2, 0, 1, 1, 0]), "y_true": Y_TRUE, "y_prob": Y_PROB}


@pytest.fixture
def drawn(monkeypatch):
    """What a control draws with, instead of the control; and what it can choose from."""
    monkeypatch.setattr(controls, "explore", lambda draw, **choices: (draw, choices))


def test_picker_plays_the_sequence_beside_the_models_answer(inputs, drawn):
    predictions = {"c3d": ANSWERS, "cnn_lstm": ANSWERS | {"y_prob": Y_PROB[:, [1, 0, 2]]}}
    draw, choices = figures.picker(inputs.FRAMES, predictions, CLASSES, note="n")
    assert choices["class_"] == CLASSES[:2]
    assert list(choices["sequence"]) == [1, 2]
    assert choices["model"] == ("C3D", "CNN+LSTM")
    html = draw(class_="<diving>", sequence=1, model="C3D").data
    assert re.findall(r'<meter value="([\d.]+)"', html) == ["0.300", "0.700", "0.000"]
    assert "<b>&lt;diving&gt;</b>" in html
    assert figures.play(inputs.FRAMES[[1]], ["<diving>"], note="n")._repr_html_() in html
    other = draw(class_="walking", sequence=1, model="CNN+LSTM").data
    assert re.findall(r'<meter value="([\d.]+)"', other)[0] == "0.100"


def test_epoch_slider_shows_each_models_epoch_or_its_nearest(drawn, texts):
    counts = {epoch: np.diag([epoch, 2, 3]) for epoch in (1, 2, 3)}
    models = {"c3d": counts, "vgg9": {3: counts[3]}}
    draw, choices = figures.epoch_slider(models, CLASSES, note="n")
    assert choices["epoch"] == [1, 2, 3]
    left, right = draw(1).axes
    assert [left.get_title(), right.get_title()] == ["C3D after epoch 1", "VGG9 after epoch 3"]
    assert [texts(axes.texts)[0] for axes in (left, right)] == ["1", "3"]


def test_confidence_slider_counts_right_wrong_and_unanswered(drawn, texts):
    draw, choices = figures.confidence_slider({"c3d": ANSWERS}, note="n")
    assert {0.0, 0.6} <= set(choices["threshold"])
    left, right = draw(0.6).axes
    assert [bar.get_width() for bar in right.patches] == [3, 1, 1]
    (dot,) = [line for line in left.lines if line.get_marker() == "o"]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (0.8, 0.75)
    curve = left.lines[0]
    np.testing.assert_allclose(curve.get_ydata()[[0, -1]], [1, 0.8])


def test_gap_slider_shows_the_loss_of_gradient(drawn, texts):
    draw, choices = figures.gap_slider(largest_gradient(np.arange(0.0, 121.0, 40)))
    assert choices["lead"] == [0, 40, 80, 120]
    left, right = draw(120.0).axes
    assert texts(left.texts) == ["1.000", "0.000", "0.214", "0.079"]
    labels = texts(right.get_legend().get_texts())
    assert labels == ["one softmax: 1", "two softmaxes: 0"]
