import numpy as np
import pytest

from ucf11lib.figures import style


def dots_of(axes):
    return [line for line in axes.lines if line.get_marker() == "o"]


def test_dots_have_a_panel_a_value_a_dot_a_run_and_a_bar_at_the_mean(inputs, texts):
    table = inputs.STUDY[inputs.STUDY["epoch"] == 2]
    figure = inputs.draw("dots", table=table, target=0.75)
    assert [axes.get_title() for axes in figure.axes] == ["C3D", "VGG9", "resnet"]
    c3d, *_, unknown = figure.axes
    assert texts(c3d.get_yticklabels()) == ["2019", "He"]
    np.testing.assert_allclose([d.get_xdata() for d in dots_of(c3d)], [[0.1, 0.2], [0.3, 0.4]])
    means = [line.get_xdata()[0] for line in c3d.lines if line.get_marker() == "|"]
    assert means == pytest.approx([0.15, 0.35])
    assert list(c3d.lines[-1].get_xdata()) == [0.75, 0.75]
    assert unknown.lines[0].get_color() not in style.MODELS.values()
    assert not figure.legends


def test_dots_of_groups_are_apart_and_in_the_legend(inputs, texts):
    figure = inputs.draw("dots", panel="", group="model")
    heights = [dot.get_ydata() for dot in dots_of(figure.axes[0])]
    assert len(np.unique(np.concatenate(heights))) == 6  # two conditions of three models
    assert texts(figure.legends[0].get_texts()) == ["C3D", "VGG9", "resnet"]


def test_dots_share_rows_where_one_panel_has_them_all(inputs, texts):
    table = inputs.STUDY[(inputs.STUDY["model"] == "c3d") | (inputs.STUDY["change"] != "2019")]
    figure = inputs.draw("dots", table=table)
    assert texts(figure.axes[0].get_yticklabels()) == ["2019", "He"]
    assert {y for dot in dots_of(figure.axes[1]) for y in dot.get_ydata()} == {1}


def test_lines_have_a_line_a_run_in_the_colour_of_its_kind(inputs, texts):
    figure = inputs.draw("lines", target=0.75)
    assert [axes.get_title() for axes in figure.axes] == ["2019", "He"]
    lines = [line for line in figure.axes[1].lines if len(line.get_xdata()) > 1][:6]
    assert [line.get_marker() for line in lines] == list("ooss^^")
    assert lines[0].get_color() == lines[1].get_color() == style.MODELS["c3d"]
    np.testing.assert_allclose(lines[1].get_xydata(), [[1, 0.3], [2, 0.4]])
    assert figure.axes[0].get_ylabel() == "accuracy"
    assert texts(figure.legends[0].get_texts()) == ["C3D", "VGG9", "resnet"]


def test_lines_of_several_heights_are_below_each_other(inputs):
    figure = inputs.draw("lines", y=("seed", "accuracy"), target=0.75)
    assert [axes.get_ylabel() for axes in figure.axes] == ["seed", "", "accuracy", ""]
    top, _, below, _ = figure.axes
    assert top.get_title() == "2019"
    assert top.get_position().y0 > below.get_position().y1
    np.testing.assert_allclose(dots_of(top)[1].get_ydata(), [1, 1])
    targets = [[list(line.get_ydata()) == [0.75, 0.75] for line in a.lines] for a in (top, below)]
    assert [sum(found) for found in targets] == [0, 1]


@pytest.mark.parametrize("name", ["dots", "lines", "heat_map"])
def test_long_titles_of_panels_do_not_overlap(name, inputs):
    long = "a network with a long name that also says what it was trained on "
    table = inputs.STUDY.assign(panel=long + inputs.STUDY["model"])
    figure = inputs.draw(name, table=table, panel="panel")
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert boxes[0].x1 < boxes[1].x0 < boxes[1].x1 < boxes[2].x0


def test_heat_map_has_means_and_stays_grey_where_runs_are_missing(inputs, texts):
    table = inputs.STUDY[inputs.STUDY["epoch"] == 2].copy()
    table.loc[(table["model"] == "vgg9") & (table["change"] == "He"), "accuracy"] = np.nan
    table.loc[table["model"] == "resnet", "accuracy"] = np.nan
    (axes,) = inputs.draw("heat_map", table=table).axes
    assert texts(axes.get_xticklabels()) == ["C3D", "VGG9", "resnet"]
    assert texts(axes.get_yticklabels()) == ["2019", "He"]
    shares = axes.collections[0].get_array().reshape(2, 3)
    np.testing.assert_allclose(shares[0, :2], [0.15, 0.35])
    missing = np.ma.getmaskarray(shares)
    np.testing.assert_array_equal(missing, [[False, False, True], [False, True, True]])
    assert texts(axes.texts) == ["15 %", "35 %", "35 %"]


def test_scatter_has_a_mark_a_label_and_its_interval(inputs, texts):
    figure = inputs.draw("scatter")
    first = figure.axes[0]
    interval, mark = first.lines[:2]
    mean = inputs.COSTS[inputs.COSTS["change"] == "2019"].groupby("model")["accuracy"].mean()
    assert mark.get_xydata().tolist() == [[1e9, pytest.approx(mean["c3d"])]]
    assert interval.get_ydata() == pytest.approx([mean["c3d"] - 0.1, mean["c3d"] + 0.1])
    assert first.get_xscale() == "log"
    assert first.get_xlim()[0] < 1e9 < first.get_xlim()[1]
    assert first.get_ylim()[0] < mean.min() < mean.max() < first.get_ylim()[1]
    assert texts(figure.legends[0].get_texts()) == ["C3D", "VGG9", "resnet"]


def test_scatter_moves_marks_of_the_same_cost_apart(inputs):
    figure = inputs.draw("scatter", table=inputs.COSTS.assign(flops=1e9))
    marks = figure.axes[0].lines[1:6:2]
    assert {mark.get_xdata()[0] for mark in marks} == {1e9}
    places = [mark.get_transform().transform(mark.get_xydata())[0, 0] for mark in marks]
    assert np.diff(places) == pytest.approx(6 * figure.dpi / 72)


def test_numbers_are_labels_too(inputs, texts):
    figures = [
        inputs.draw("dots", condition="epoch", panel="seed"),
        inputs.draw("heat_map", rows="seed", columns="epoch", panel="epoch"),
        inputs.draw("lines", line="seed", panel="epoch"),
    ]
    titles = [[axes.get_title() for axes in figure.axes] for figure in figures]
    assert titles == [["0", "1"], ["1", "2"], ["1", "2"]]
    assert texts(figures[2].legends[0].get_texts()) == ["0", "1"]
