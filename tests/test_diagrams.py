from dataclasses import replace

import matplotlib.pyplot
import pytest

from ucf11lib import diagrams, models, recipes, style

NOTE = "recipe 2019, width 0.125"


def build(name, recipe="2019", **fields):
    return models.build(name, replace(recipes.recipe(recipe, name), **fields), width=0.125)


def words(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("name", recipes.MODELS)
def test_a_structure_shows_every_stage(name):
    matplotlib.pyplot.close("all")
    model = build(name)
    figure = diagrams.structure(model, note=NOTE)
    (axes,) = figure.axes
    for stage in diagrams.stages(model):
        assert stage.title in words(axes)
        assert "x".join(map(str, stage.shape)) in words(axes)
    assert f"{model.count_params():,} parameters" in axes.get_title(loc="left")
    assert figure.get_supxlabel() == NOTE
    assert matplotlib.pyplot.get_fignums() == []


def test_c3d_is_the_reports():
    found = diagrams.stages(build("c3d"))
    conv, pool = "conv 3x3x3", "max-pool 2x2x2"
    assert [stage.title for stage in found] == [
        "frames", conv, "max-pool 1x2x2", conv, pool, conv, conv, pool, conv, conv, pool,
        "flatten", "dense", "dense", "logits", "softmax",
    ]  # fmt: skip
    assert found[0].shape == (30, 64, 64, 3)
    assert found[2].shape == (30, 32, 32, 8)
    assert not any(stage.per_frame for stage in found)


@pytest.mark.parametrize(("name", "last"), [("vgg9", "dense"), ("cnn_lstm", "dense")])
def test_time_is_folded_from_the_first_convolution_to_the_last_dense_layer(name, last):
    found = diagrams.stages(build(name))
    folded = [i for i, stage in enumerate(found) if stage.per_frame]
    assert folded == list(range(1, folded[-1] + 1))
    assert found[folded[-1]].title == last
    assert not found[folded[-1] + 1].per_frame
    axes = diagrams.structure(build(name), note=NOTE).axes[0]
    assert words(axes).count("each of 30 frames") == 2


def test_layers_that_keep_the_shape_are_words_of_their_stage():
    found = diagrams.stages(build("vgg9", norm="batch", dropout=0.3, inputs="sequence"))
    assert found[0].words == ["normalise: sequence"]
    assert (found[1].words, found[2].words) == (["batch norm"], ["relu"])
    assert {stage.title: stage.words for stage in found}["flatten"] == ["dropout 0.3"]
    assert found[-1].words == []


def test_a_group_norm_and_an_lstm():
    found = diagrams.stages(build("cnn_lstm", norm="group"))
    assert (found[1].words, found[2].words) == (["group norm"], ["relu"])
    lstm = next(stage for stage in found if stage.kind == "LSTM")
    assert lstm.shape == (30, 128)


def test_the_legend_names_the_kinds_that_are_there():
    axes = diagrams.structure(build("cnn_lstm"), note=NOTE).axes[0]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["input", "convolution", "max-pool", "flatten", "dense", "LSTM", "output"]


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("name", recipes.MODELS)
def test_no_two_texts_overlap(name, norm):
    figure = diagrams.structure(build(name, norm=norm, dropout=0.3), note=NOTE)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    for i, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert not [other for other in boxes[:i] if box.x0 < other.x1 and other.x0 < box.x1
                    and box.y0 + 1 < other.y1 and other.y0 + 1 < box.y1]  # fmt: skip


def test_the_same_network_gives_the_same_bytes(tmp_path):
    saved = [style.save(diagrams.structure(build("c3d"), note=NOTE), tmp_path / f"{i}.svg") for i in (1, 2)]
    assert saved[0].read_bytes() == saved[1].read_bytes()
