from dataclasses import replace
from pathlib import Path

import pytest

from ucf11lib.errors import UserError
from ucf11lib.runs import REPORTED, RunConfig
from ucf11lib.studies import STUDIES
from ucf11lib.studies.study import Study, added_up, over, repaired, weizmann


def make(base, axes, seeds=()):
    return Study("s", "what?", base, axes, seeds)


def test_points_are_every_combination_with_every_seed(tiny):
    axes = {"model": over("model", ("c3d", "vgg9")), "rate": over("learning_rate", (0.01, 1.0))}
    points = make(tiny, axes, (0, 1)).points()
    labels = [(model, rate) for model in ("c3d", "vgg9") for rate in ("0.01", "1")]
    assert [tuple(named.values()) for named in points.values()][::2] == labels
    config = list(points)[3]
    assert (config.model, config.recipe.learning_rate, config.seed) == ("c3d", 1.0, 1)
    assert config.profile.steps_per_epoch == 1
    assert list(make(tiny.with_(seed=7), {}).points()) == [tiny.with_(seed=7)]
    with pytest.raises(UserError, match="unknown model 'resnet'"):
        make(tiny, {"model": over("model", ("c3d", "resnet"))}).points()


def test_points_added_up_leave_out_what_changes_nothing():
    steps = {"2019": {}, "He": {"init": "he"}, "again": {"init": "he"}, "flip": repaired("flip")}
    base = RunConfig.of(model="c3d", recipe="2019")
    points = make(base, {"change": added_up(steps)}).points()
    assert [labels["change"] for labels in points.values()] == ["2019", "He", "flip"]
    assert [config.recipe.init for config in points] == ["normal", "he", "he"]
    assert [config.recipe.flip for config in points] == [False, False, True]


def test_changes_of_real_video_name_the_folder(tiny):
    (config,) = make(tiny, {"data": {"Weizmann": weizmann}}).points(Path("/videos"))
    assert (config.data.source, config.data.folder) == ("videos", "/videos/weizmann")


@pytest.mark.parametrize("model", REPORTED)
def test_repairs_lead_from_2019_to_repaired(model):
    points = STUDIES["repairs"].points()
    points = [config for config in points if (config.model, config.seed) == (model, 0)]
    first, *_, last = points
    assert first.recipe == RunConfig.of(model=model, recipe="2019", target_accuracy=None).recipe
    assert first.health == (model != "c3d")  # a double softmax runs to its end
    wanted = RunConfig.of(model=model, batch_size=16, target_accuracy=None).recipe
    assert replace(last.recipe, name="") == replace(wanted, name="")
    assert len({config.profile for config in points}) == 1  # all are equally long
