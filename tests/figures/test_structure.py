from dataclasses import replace

import pytest

from ucf11lib import figures, models
from ucf11lib.figures.structure import stages
from ucf11lib.runs import REPORTED, named_recipe


def build(name, **fields):
    return models.build(name, replace(named_recipe("2019", name), **fields), width=0.125)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("name", REPORTED)
def test_structure_shows_every_stage_and_no_two_texts_overlap(name, norm, texts):
    model = build(name, norm=norm, dropout=0.3)
    figure = figures.structure(model, note="")
    (axes,) = figure.axes
    for stage in stages(model):
        assert {stage.title, "x".join(map(str, stage.shape))} <= set(texts(axes.texts))
    assert f"{model.count_params():,} parameters" in axes.get_title(loc="left")
    assert (
        texts(axes.texts).count("each of 30 frames") == {"c3d": 0, "vgg9": 3, "cnn_lstm": 2}[name]
    )
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
    for i, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        for other in boxes[:i]:
            apart = box.x0 >= other.x1 or other.x0 >= box.x1
            assert apart or box.y0 + 1 >= other.y1 or other.y0 + 1 >= box.y1


def test_stages_of_c3d_are_the_reports():
    result = stages(build("c3d"))
    conv, pool = "conv 3x3x3", "max-pool 2x2x2"
    assert [stage.title for stage in result] == [
        *("frames", conv, "max-pool 1x2x2", conv, pool, conv, conv, pool, conv, conv, pool),
        *("flatten", "dense", "dense", "logits", "softmax"),
    ]
    assert [result[i].shape for i in (0, 2)] == [(30, 64, 64, 3), (30, 32, 32, 8)]
    assert not any(stage.per_frame for stage in result)


def test_stages_have_words_for_layers_of_the_same_shape():
    result = stages(build("vgg9", norm="batch", dropout=0.3, inputs="sequence"))
    words = [["normalise: sequence"], ["batch norm"], ["relu"]]
    assert [stage.words for stage in result[:3]] == words
    assert {stage.title: stage.words for stage in result}["flatten"] == ["dropout 0.3"]
    model = build("cnn_lstm", norm="group")
    result = stages(model)
    assert result[1].words == ["group norm"]
    assert [stage.per_frame for stage in result] == [False, *[True] * 8, False, False, False]
    assert result[8].title == "dense"


def test_source_is_a_block_of_python():
    text = figures.source(stages).data
    assert text.startswith("```python\ndef stages(")
    assert text.endswith("\n```")
