import numpy as np

from ucf11lib.figures import style
from ucf11lib.figures.autopsy import ZERO


def test_lattice_draws_steps_over_points_and_dead_ones_in_red(inputs, texts):
    figure = inputs.draw("lattice")
    coarse, fine = figure.axes
    assert texts(coarse.texts) == ["1.5430", "2.0430", "2.5430"]
    assert texts(fine.texts) == []
    alive, dead = (line for line in coarse.lines if line.get_linestyle() == "None")
    np.testing.assert_array_equal(alive.get_xydata(), [[1, 2.4]])
    np.testing.assert_array_equal(dead.get_xydata(), [[2, 2.043], [3, 2.543]])
    assert dead.get_color() == style.RED
    legend = texts(figure.legends[0].get_texts())
    assert legend == ["gradient not zero", "gradient exactly 0"]
    assert "n = 11, B = 2, width 1" in coarse.get_title()


def test_gradients_mark_where_they_vanish(inputs, texts):
    left, right = inputs.draw("gradients").axes
    assert "from 100 on" in texts(left.texts)[0]
    lines = right.get_lines()
    assert len(lines) == 4
    np.testing.assert_array_equal(lines[0].get_ydata(), [0.3, ZERO, ZERO])
    legend = texts(right.get_legend().get_texts())
    assert legend[0] == "softmax, N(0, 0.1)"
    assert legend[-1] == "logits, He"


def test_signal_has_a_panel_a_model_and_a_line_a_recipe(inputs, texts):
    figure = inputs.draw("signal")
    assert [axes.get_title() for axes in figure.axes] == ["C3D", "resnet"]
    assert texts(figure.axes[1].get_xticklabels()) == ["conv1", "logits"]
    assert list(figure.axes[1].lines[0].get_ydata()) == [1.0, 1e5]
    names = ["recipe 2019", "recipe 2019 + He", "recipe repaired"]
    assert texts(figure.legends[0].get_texts()) == names
