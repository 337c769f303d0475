import matplotlib.colors
import numpy as np
import pytest

from ucf11lib.figures import style


def test_history_draws_training_dashed_held_out_solid_and_marks(inputs, texts):
    figure = inputs.draw("history")
    loss, accuracy = figure.axes
    table = inputs.INPUTS["history"]["runs"]["cnn_lstm"]
    for axes, column in ((loss, "loss"), (accuracy, "accuracy")):
        lines = [line for line in axes.get_lines() if len(line.get_xdata()) > 2]
        assert [line.get_linestyle() for line in lines] == ["--", "-", "--", "-"]
        np.testing.assert_array_equal(lines[2].get_ydata(), table[column])
        np.testing.assert_array_equal(lines[3].get_ydata(), table[f"val_{column}"])
        assert lines[3].get_color() == style.MODELS["cnn_lstm"]
    assert (texts(loss.texts), texts(accuracy.texts)) == (["chance\n2.40"], ["75 %"])
    assert list(accuracy.get_lines()[-1].get_ydata()) == [0.75, 0.75]
    legend = texts(figure.legends[0].get_texts())
    assert legend == ["C3D", "CNN+LSTM", "training", "held-out"]


@pytest.mark.parametrize(
    ("scale", "kind"), [(1.0, "linear"), (1e5, "log"), (0.1, "linear"), (np.nan, "linear")]
)
def test_history_scales_the_loss(inputs, scale, kind):
    loss, accuracy = inputs.draw("history", runs={"vgg9": inputs.history(1, scale)}).axes
    assert loss.get_yscale() == kind
    low, high = loss.get_ylim()
    assert low < np.log(11) < high  # the guess's loss is in sight
    assert [tick for tick in accuracy.get_xticks() if 0.5 <= tick <= 1.5] == [1]


def test_confusion_has_a_panel_a_network_with_counts_and_shares(inputs, texts):
    first, second = inputs.draw("confusion").axes
    assert texts(first.texts) == ["3", "1", "", "", "", "2"]
    assert texts(first.get_xticklabels()) == list(inputs.CLASSES)
    assert texts(first.get_yticklabels()) == ["basketball (4)", "biking (0)", "golf swing (2)"]
    assert first.yaxis_inverted()
    assert (first.get_title(), second.get_title()) == ("C3D", "VGG9")
    shares = first.collections[0].get_array().reshape(3, 3)
    np.testing.assert_allclose(shares[0], [0.75, 0.25, 0])
    empty = np.ma.getmaskarray(shares).all(axis=1)  # a class without sequences
    np.testing.assert_array_equal(empty, [False, True, False])


def test_conditions_have_a_dot_a_model_hollow_where_all_answers_are_one(inputs, texts):
    figure = inputs.draw("conditions")
    (axes,) = figure.axes
    assert texts(axes.get_yticklabels()) == ["as they are", "frames shuffled", "one frame"]
    drawn = zip(axes.collections[::2], axes.collections[1::2], strict=True)
    for (name, table), (bars, points) in zip(inputs.CONDITIONS.items(), drawn, strict=True):
        np.testing.assert_allclose(points.get_offsets()[:, 0], table["accuracy"])
        ends = [bar[:, 0] for bar in bars.get_segments()]
        np.testing.assert_allclose(ends, table[["low", "high"]])
        inside = [matplotlib.colors.to_hex(face).upper() for face in points.get_facecolors()]
        colour = style.MODELS[name]
        assert inside == ["#FFFFFF" if one == 1 else colour for one in table["answers"]]
    assert texts(axes.texts) == ["chance 33 %"]
    legend = texts(figure.legends[0].get_texts())
    assert legend == ["C3D", "CNN+LSTM", "one answer for all"]


def test_reliability_draws_filled_bins_and_names_the_error(inputs, texts):
    figure = inputs.draw("reliability")
    above, below = figure.axes
    diagonal, c3d, vgg9 = above.get_lines()
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 1]
    np.testing.assert_allclose(c3d.get_xydata(), [[0.7, 0], [0.905, 1]])
    np.testing.assert_allclose(vgg9.get_xydata(), [[0.6, 1], [1, 1]])
    assert texts(figure.legends[0].get_texts()) == ["C3D, ECE 29.7 %", "VGG9, ECE 20.0 %"]
    assert [patch.get_data().values.sum() for patch in below.patches] == pytest.approx([1, 1])
