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
        ({"model": "c3d", "recipe": "2020"}, "unknown recipe '2020'; choose one of 2019, repaired"),
        ({"model": "c3d", "profile": "big"}, "unknown profile 'big'; choose one of smoke, quick, full"),
        ({"model": "c3d", "source": "web"}, "unknown source 'web'"),
        ({"model": "c3d", "split": "none"}, "unknown split 'none'"),
        ({"model": "c3d", "epoch": 3}, "unknown parameter epoch; known are data, health, mixed_precision, model"),
    ],
)
def test_an_unknown_name_raises_and_lists_the_choices(parameters, says):
    with pytest.raises(UserError) as raised:
        RunConfig.of(**parameters)
    assert says in str(raised.value)


def test_configurations_have_names_of_their_own(tmp_path):
    configs = [
        RunConfig("c3d"),
        RunConfig("c3d", seed=1),
        RunConfig("c3d", recipe="2019"),
        RunConfig("c3d", split="random"),
        RunConfig("c3d", source="videos", data=str(tmp_path / "a")),
        RunConfig("c3d", source="videos", data=str(tmp_path / "b")),
        RunConfig("c3d", mixed_precision=True),
    ]
    assert len({config.name for config in configs}) == len(configs)
