import numpy as np
import pytest

from ucf11lib import figures
from ucf11lib.figures import style


def test_history_draws_training_dashed_and_validation_solid(inputs, texts):
    figure = inputs.draw("history")
    for axes, column in zip(figure.axes, ("loss", "accuracy"), strict=True):
        lines = [line for line in axes.get_lines() if len(line.get_xdata()) > 2]
        assert [line.get_linestyle() for line in lines] == ["--", "-", "--", "-"]
        table = inputs.RUNS["cnn_lstm"]
        np.testing.assert_array_equal(lines[2].get_ydata(), table[column])
        np.testing.assert_array_equal(lines[3].get_ydata(), table[f"val_{column}"])
        assert lines[3].get_color() == style.MODELS["cnn_lstm"]
    legend = texts(figure.legends[0].get_texts())
    assert legend == ["C3D", "CNN+LSTM", "training", "validation"]


def test_history_marks_target_and_chance(inputs, texts):
    runs = {"resnet": inputs.history()}
    loss, accuracy = figures.history(runs, chance_loss=np.log(11), note="").axes
    assert texts(accuracy.texts) == ["75 %"]
    assert texts(loss.texts) == ["chance\n2.40"]
    assert list(accuracy.get_lines()[-1].get_ydata()) == [0.75, 0.75]
    plain = figures.history(runs, target=None, note="").axes
    assert [texts(axes.texts) for axes in plain] == [[], []]


@pytest.mark.parametrize(("scale", "kind"), [(1.0, "linear"), (1e5, "log"), (np.nan, "linear")])
def test_history_scales_the_loss(inputs, scale, kind):
    loss, accuracy = figures.history({"vgg9": inputs.history(1, scale)}, note="").axes
    assert loss.get_yscale() == kind
    assert [tick for tick in accuracy.get_xticks() if 0.5 <= tick <= 1.5] == [1]


def test_reliability_draws_filled_bins_and_names_the_error(inputs, texts):
    figure = inputs.draw("reliability")
    above, below = figure.axes
    diagonal, c3d, vgg9 = above.get_lines()
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 1]
    np.testing.assert_allclose(c3d.get_xydata(), [[0.7, 0], [0.905, 1]])
    np.testing.assert_allclose(vgg9.get_xydata(), [[0.6, 1], [1, 1]])
    assert texts(figure.legends[0].get_texts()) == ["C3D, ECE 29.7 %", "VGG9, ECE 20.0 %"]
    assert [patch.get_data().values.sum() for patch in below.patches] == pytest.approx([1, 1])


def test_comparison_writes_every_value(inputs, texts):
    accuracy, seconds, parameters = inputs.draw("comparison").axes
    assert texts(accuracy.texts) == ["90.0 %", "50.0 %"]
    assert texts(seconds.texts) == ["100\n75 % at 40", "1,500\nnever 75 %"]
    assert texts(parameters.texts) == ["412 k", "78.0 M"]
    assert parameters.get_xscale() == "log"
    assert texts(accuracy.get_yticklabels()) == ["C3D", "VGG9"]
    np.testing.assert_array_equal(seconds.get_lines()[0].get_xdata(), [40, np.nan])
