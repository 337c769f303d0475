import numpy as np
import pytest

from ucf11lib.figures import style


def dots_of(axes):
    return [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"]


def test_dots_have_a_panel_a_value_a_dot_a_run_and_a_bar_at_the_mean(inputs, texts):
    table = inputs.STUDY[inputs.STUDY["epoch"] == 2]
    figure = inputs.draw("dots", table, target=0.75)
    assert [axes.get_title() for axes in figure.axes] == ["C3D", "VGG9", "resnet"]
    c3d, *_, unknown = figure.axes
    assert texts(c3d.get_yticklabels()) == ["2019", "He"]
    np.testing.assert_allclose(dots_of(c3d), [[0.1, 0.2], [0.3, 0.4]])
    means = [line.get_xdata()[0] for line in c3d.lines if line.get_marker() == "|"]
    assert means == pytest.approx([0.15, 0.35])
    assert list(c3d.lines[-1].get_xdata()) == [0.75, 0.75]
    assert unknown.lines[0].get_color() not in (style.MODELS["c3d"], style.MODELS["vgg9"])
    assert not figure.legends


def test_dots_of_groups_are_apart_and_in_the_legend(inputs, texts):
    figure = inputs.draw("dots", panel="", group="model")
    heights = [line.get_ydata() for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert len(np.unique(np.concatenate(heights))) == 6  # two conditions of three models
    assert texts(figure.legends[0].get_texts()) == ["C3D", "VGG9", "resnet"]


def test_lines_have_a_line_a_run_in_the_colour_of_its_kind(inputs, texts):
    figure = inputs.draw("lines", target=0.75, log="x")
    assert [axes.get_title() for axes in figure.axes] == ["2019", "He"]
    lines = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    assert len(lines) == 6
    assert lines[0].get_color() == lines[1].get_color() == style.MODELS["c3d"]
    np.testing.assert_allclose(lines[1].get_xydata(), [[1, 0.3], [2, 0.4]])
    assert (figure.axes[1].get_xscale(), figure.axes[1].get_yscale()) == ("log", "linear")
    assert figure.axes[0].get_ylabel() == "accuracy"
    assert texts(figure.legends[0].get_texts()) == ["C3D", "VGG9", "resnet"]


def test_heat_map_has_means_in_their_cells_and_none_where_a_run_is_missing(inputs, texts):
    table = inputs.STUDY[inputs.STUDY["epoch"] == 2].copy()
    table.loc[(table["model"] == "vgg9") & (table["change"] == "He"), "accuracy"] = np.nan
    (axes,) = inputs.draw("heat_map", table).axes
    assert texts(axes.get_xticklabels()) == ["C3D", "VGG9", "resnet"]
    assert texts(axes.get_yticklabels()) == ["2019", "He"]
    shares = axes.collections[0].get_array().reshape(2, 3)
    np.testing.assert_allclose(shares[0], [0.15, 0.35, 0.55])
    np.testing.assert_array_equal(np.ma.getmaskarray(shares)[1], [False, True, False])
    assert len([text for text in texts(axes.texts) if text]) == 5


def test_heat_map_column_without_any_value_stays_grey(inputs, texts):
    table = inputs.STUDY.copy()
    table.loc[table["model"] == "vgg9", "accuracy"] = np.nan
    (axes,) = inputs.draw("heat_map", table).axes
    assert texts(axes.get_xticklabels()) == ["C3D", "VGG9", "resnet"]
    empty = np.ma.getmaskarray(axes.collections[0].get_array()).reshape(2, 3).all(axis=0)
    np.testing.assert_array_equal(empty, [False, True, False])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dots", {"condition": "epoch", "panel": "seed"}),
        ("lines", {"line": "seed", "panel": "epoch"}),
        ("heat_map", {"rows": "seed", "columns": "epoch", "panel": "epoch"}),
    ],
)
def test_numbers_are_labels_too(name, options, inputs):
    inputs.draw(name, **options)
