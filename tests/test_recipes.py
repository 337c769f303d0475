from dataclasses import replace

import pytest

from ucf11lib import recipes
from ucf11lib.config import RunConfig
from ucf11lib.errors import UserError


def test_2019_is_the_reports_protocol():
    for model in recipes.MODELS:
        r, p = recipes.recipe("2019", model), recipes.profile("full", model)
        assert (r.init, r.inputs, r.learning_rate, r.batch_size) == ("normal", "dataset", 1e-3, 16)
        assert (r.target_accuracy, r.schedule, r.norm, r.dropout) == (0.75, "constant", "none", 0.0)
        assert (p.width, p.epochs, p.steps_per_epoch, p.sequences) == (1.0, 128, 256, None)
    heads = [recipes.recipe("2019", model).head for model in recipes.MODELS]
    assert heads == ["softmax", "logits", "logits"]


@pytest.mark.parametrize("model", recipes.MODELS)
def test_a_repair_is_what_its_table_says(model):
    before, after = recipes.recipe("2019", model), recipes.recipe("repaired", model)
    assert replace(before, name="repaired", **recipes.REPAIRS[model], **recipes.FIXED_LENGTH) == after
    listed = set(recipes.changes(before, after)["setting"])
    assert listed == {key.replace("_", " ") for key in {**recipes.REPAIRS[model], **recipes.FIXED_LENGTH}}
    assert after.target_accuracy is None


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"model": "c4d"}, "unknown model 'c4d'; choose one of c3d, vgg9, cnn_lstm"),
        (
            {"model": "c3d", "recipe": "2020"},
            "unknown recipe '2020'; choose one of repaired, 2019, peer_c3dsmall, peer_cnnlstm",
        ),
        ({"model": "c3d", "profile": "big"}, "unknown profile 'big'; choose one of smoke, quick, full"),
        ({"model": "c3d", "source": "web"}, "unknown source 'web'"),
        ({"model": "c3d", "split": "none"}, "unknown split 'none'; choose one of random, video, group, logo"),
        ({"model": "c3d", "split": "logo"}, "split logo holds one group index out: say which with --fold"),
        ({"model": "c3d", "fold": "07"}, "fold '07' goes with split logo, not with split group"),
        ({"model": "c3d", "epoch": 3}, "unknown parameter epoch; known are data, deterministic, fold, health,"),
    ],
)
def test_an_unknown_name_raises_and_lists_the_choices(parameters, says):
    with pytest.raises(UserError) as raised:
        RunConfig.of(**parameters)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("colour=red", "unknown setting colour; known are batch_size, brightness"),
        ("name=mine", "unknown setting name"),
        ("init=zeros", "unknown init 'zeros'; choose one of normal, he"),
        ("learning_rate=fast", "setting learning_rate=fast: 'fast' is not a value of type float"),
        ("flip=perhaps", "setting flip=perhaps: 'perhaps' is not a value of type bool"),
        ("epochs=1.5", "setting epochs=1.5: '1.5' is not a value of type int"),
        ("init", "unknown init ''"),
    ],
)
def test_a_setting_that_is_none_is_refused(settings, says):
    with pytest.raises(UserError) as raised:
        RunConfig("c3d", settings=settings)
    assert says in str(raised.value)


def test_settings_reach_recipe_and_profile():
    settings = "init=normal,learning_rate=0.5,flip=False,shift=2,target_accuracy=0.5,sequences=none,epochs=3,width=0.5"
    recipe, profile = RunConfig("c3d", settings=settings).resolved()
    assert (recipe.init, recipe.learning_rate, recipe.flip, recipe.shift) == ("normal", 0.5, False, 2)
    assert (recipe.target_accuracy, recipe.inputs) == (0.5, "sequence")
    assert (profile.sequences, profile.epochs, profile.width, profile.groups) == (None, 3, 0.5, 25)
    assert RunConfig("c3d", settings="target_accuracy=none").resolved()[0].target_accuracy is None
    further = RunConfig("c3d").having("epochs=3", "init=normal").having("epochs=4")
    assert further.settings == "epochs=3,init=normal,epochs=4"
    assert (further.resolved()[0].init, further.resolved()[1].epochs) == ("normal", 4)


def test_configurations_have_names_of_their_own(tmp_path):
    configs = [
        RunConfig("c3d"),
        RunConfig("c3d", seed=1),
        RunConfig("c3d", recipe="2019"),
        RunConfig("c3d", split="random"),
        RunConfig("c3d", split="logo", fold="01"),
        RunConfig("c3d", split="logo", fold="02"),
        RunConfig("c3d", source="videos", data=str(tmp_path / "a")),
        RunConfig("c3d", source="videos", data=str(tmp_path / "b")),
        RunConfig("c3d", mixed_precision=True),
        RunConfig("c3d", health=False),
        RunConfig("c3d", settings="init=normal"),
        RunConfig("c3d", settings="init=normal,width=0.5"),
    ]
    assert len({config.name for config in configs}) == len(configs)


@pytest.mark.parametrize("model", recipes.MODELS)
def test_a_peers_recipe_is_what_it_published(model):
    small, lstm = (recipes.recipe(name, model) for name in ("peer_c3dsmall", "peer_cnnlstm"))
    assert {(r.inputs, r.learning_rate, r.init, r.head, r.schedule) for r in (small, lstm)} == {
        ("unit", 1e-4, "normal", "logits", "constant")
    }
    assert [(r.init_deviation, r.batch_size, r.flip) for r in (small, lstm)] == [(0.01, 10, False), (0.05, 8, True)]
