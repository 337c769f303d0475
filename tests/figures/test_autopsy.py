import numpy as np
import pytest

from ucf11lib.figures.autopsy import ZERO


def test_lattice_draws_steps_over_points_and_dead_ones_in_red(inputs, texts):
    figure = inputs.draw("lattice")
    coarse, fine = figure.axes
    assert texts(coarse.get_yticklabels()) == ["1.543", "2.043", "2.543"]
    assert len(fine.get_yticks()) != 3
    alive, dead = (line for line in coarse.lines if line.get_linestyle() == "None")
    np.testing.assert_array_equal(alive.get_xydata(), [[1, 2.4]])
    np.testing.assert_array_equal(dead.get_xydata(), [[2, 2.043], [3, 2.543]])
    legend = texts(figure.legends[0].get_texts())
    assert legend == ["gradient not zero", "gradient exactly 0"]
    assert "n = 11, B = 2,\nwidth 1" in coarse.get_title()


@pytest.mark.parametrize("cells", [1, 4, 6])
def test_gradients_of_any_cells_mark_where_they_vanish(cells, inputs, texts):
    left, right = inputs.draw("gradients", cells=(2 * inputs.CELLS)[:cells]).axes
    assert "from 100 on" in texts(left.texts)[0]
    lines = right.get_lines()
    np.testing.assert_array_equal(lines[0].get_ydata(), [0.3, ZERO, ZERO])
    assert len({line.get_color() for line in lines}) == len(lines) == cells
    assert texts(right.get_legend().get_texts())[0] == "softmax, N(0, 0.1)"


@pytest.mark.parametrize("rows", [1, 5, 6])
def test_signal_has_a_panel_a_model_and_a_line_for_each_of_its_recipes(rows, inputs, texts):
    more = [row | {"recipe": row["recipe"] + " wide"} for row in inputs.SIGNAL]
    figure = inputs.draw("signal", rows=inputs.SIGNAL[-rows:] + more)
    assert {axes.get_title() for axes in figure.axes} == {"C3D", "resnet"}
    axes = next(axes for axes in figure.axes if axes.get_title() == "resnet")
    assert texts(axes.get_xticklabels()) == ["conv1", "logits"]
    assert list(axes.lines[0].get_ydata()) == [1.0, 1e5]
    drawn = {line.get_label(): line.get_color() for line in axes.lines[:-1]}
    for other in figure.axes:
        assert all(drawn[line.get_label()] == line.get_color() for line in other.lines[:-1])
    legend = texts(figure.legends[0].get_texts())
    assert sorted(legend) == sorted(drawn)
