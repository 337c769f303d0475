from dataclasses import replace

import pytest

from ucf11lib.errors import UserError
from ucf11lib.runs import REPORTED, RunConfig, recipe_changes
from ucf11lib.runs import config as config_module
from ucf11lib.runs.config import parse_settings
from ucf11lib.runs.parsing import convert
from ucf11lib.runs.recipes import FIXED_LENGTH, REPAIRS, REPAIRS_DEFAULT


@pytest.mark.parametrize("model", REPORTED)
def test_of_2019_is_the_reports_protocol(model):
    config = RunConfig.of(model=model, recipe="2019", profile="full")
    recipe, profile = config.recipe, config.profile
    assert (recipe.init, recipe.init_std, recipe.inputs) == ("normal", 0.1, "dataset")
    assert (recipe.learning_rate, recipe.batch_size, recipe.schedule) == (1e-3, 16, "constant")
    assert recipe.target_accuracy == 0.75
    assert recipe.head == ("softmax" if model == "c3d" else "logits")
    assert (profile.width, profile.epochs, profile.steps_per_epoch) == (1.0, 128, 256)
    assert config.data.sequences is None


@pytest.mark.parametrize("model", REPORTED)
def test_of_repaired_is_2019_with_its_changes(model):
    before = RunConfig.of(model=model, recipe="2019").recipe
    after = RunConfig.of(model=model).recipe
    changes = REPAIRS.get(model, REPAIRS_DEFAULT) | FIXED_LENGTH
    assert replace(before, name="repaired", **changes) == after
    table = recipe_changes(before, after)
    assert table.columns.tolist() == ["setting", "recipe 2019", "recipe repaired"]
    assert set(table["setting"]) == {key.replace("_", " ") for key in changes}
    assert ["target accuracy", "0.75", "None"] in table.to_numpy().tolist()
    assert recipe_changes(before, before).empty


@pytest.mark.parametrize("model", REPORTED)
def test_of_peers_is_what_they_published(model):
    small = RunConfig.of(model=model, recipe="peer_c3dsmall").recipe
    lstm = RunConfig.of(model=model, recipe="peer_cnnlstm").recipe
    for recipe in (small, lstm):
        assert (recipe.inputs, recipe.learning_rate, recipe.head) == ("unit", 1e-4, "logits")
    assert (small.init_std, small.batch_size, small.flip) == (0.01, 10, False)
    assert (lstm.init_std, lstm.batch_size, lstm.flip) == (0.05, 8, True)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"recipe": "2020"}, "unknown recipe '2020'; choose one of repaired, 2019, peer_c3dsmall"),
        ({"profile": "big"}, "unknown profile 'big'; choose one of smoke, quick, full"),
        ({"source": "web"}, "unknown source 'web'; choose one of synthetic, course, ucf11"),
        ({"split": "none"}, "unknown split 'none'; choose one of random, video, group, logo"),
        ({"split": "logo"}, "split logo holds one group index out: train says which with --fold"),
        ({"fold": "07"}, "fold '07' goes with split logo, not with split group"),
        ({"source": "videos"}, "source videos reads a folder: say which with --data DIR"),
        ({"data": "x"}, "source synthetic reads no folder"),
        ({"epoch": 3}, "unknown parameter epoch; known are batch_size, brightness, clips"),
        ({"name": "mine"}, "unknown parameter name"),
        ({"": "3"}, "unknown parameter ''; known are"),
        ({"init": "zeros"}, "init='zeros': choose one of normal, he"),
        ({"precision": "half"}, "precision='half': choose one of auto, float32, bfloat16, float16"),
        ({"learning_rate": "fast"}, "learning_rate='fast': give a number"),
        ({"learning_rate": -1}, "learning_rate=-1: give a number > 0"),
        ({"width": "nan"}, "width='nan'"),
        ({"warmup": 9}, "warmup=9"),
        ({"shift": 1000000}, "shift=1000000"),
        ({"dropout": 1}, "dropout=1"),
        ({"flip": "perhaps"}, "flip='perhaps': give true or false"),
        ({"epochs": "1.5"}, "epochs='1.5': give a whole number"),
        ({"epochs": 0}, "epochs=0: give a whole number >= 1"),
        ({"sequences": "-2"}, "sequences='-2'"),
        ({"seed": 2**32}, "seed=4294967296"),
        ({"group_pattern": "\udcff(.)"}, r"'group_pattern=\udcff(.)': not in UTF-8; write it in"),
        ({"source": "course", "data": "/\udcff"}, r"'/\udcff': not in UTF-8; rename the folder"),
    ],
)
def test_of_bad_parameter_is_one_line(parameters, message, monkeypatch):
    monkeypatch.setattr(config_module, "fastest_precision", None)  # it starts TensorFlow
    with pytest.raises(UserError) as raised:
        RunConfig.of(model="c3d", **parameters)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_of_reads_text():
    flat = {"init": "normal", "learning_rate": "0.5", "flip": "False", "target_accuracy": "none"}
    config = RunConfig.of(model="c3d", sequences="none", epochs="3", seed="7", **flat)
    recipe = config.recipe
    assert (recipe.init, recipe.learning_rate, recipe.flip) == ("normal", 0.5, False)
    assert (recipe.target_accuracy, recipe.inputs) == (None, "sequence")
    assert (config.data.sequences, config.profile.epochs, config.seed) == (None, 3, 7)


def test_with_changes_and_keeps_overrides():
    config = RunConfig.of(model="c3d", learning_rate=1e-2, width=0.5, seed=3)
    assert config.overrides == {"learning_rate": 1e-2, "width": 0.5}
    other = config.with_(recipe="2019", learning_rate=1e-4)
    assert (other.recipe.head, other.recipe.learning_rate) == ("softmax", 1e-4)
    assert other.profile.width == 0.5
    assert config.with_() == config


def test_as_dict_reads_back():
    config = RunConfig.of(model="vgg9", split="logo", fold="03", inner=True, precision="bfloat16")
    assert convert(config.as_dict(), RunConfig, "config.json", "train again") == config
    assert RunConfig.of(**config.flat()) == config


@pytest.mark.parametrize("given", [{}, {"precision": "auto"}])
def test_of_auto_precision_is_that_of_the_machine(monkeypatch, given):
    for fastest in ("bfloat16", "float32"):
        monkeypatch.setattr(config_module, "fastest_precision", lambda: fastest)  # noqa: B023
        config = RunConfig.of(model="c3d", **given)
        assert config.precision == fastest
        monkeypatch.setattr(config_module, "fastest_precision", lambda: "float16")
        assert config.with_(seed=1).precision == fastest  # once resolved, it stays


def test_name_differs_for_each_configuration(tmp_path):
    videos = [{"source": "videos", "data": tmp_path / name / "v"} for name in ("one", "two")]
    flats = [
        *({}, {"seed": 1}, {"recipe": "2019"}, {"split": "random"}, {"inner": True}, *videos),
        *({"split": "logo", "fold": "01"}, {"split": "logo", "fold": "02"}, {"health": False}),
        *({"precision": "bfloat16"}, {"init": "normal"}, {"init": "normal", "width": 0.5}),
    ]
    names = [RunConfig.of(**{"model": "c3d", "precision": "float32"} | one).name for one in flats]
    assert len(set(names)) == len(names)
    assert names[0] == "c3d-repaired-quick-synthetic-group-seed0"
    again = {"source": "videos", "data": tmp_path / "one" / ".." / "one" / "v"}
    spelled = RunConfig.of(model="c3d", precision="float32", **again)
    assert spelled.name in names
    escaping = RunConfig.of(model="c3d", precision="float32", split="logo", fold="../x/y")
    assert escaping.name == "c3d-repaired-quick-synthetic-logo_.._x_y-seed0"


def test_parse_settings_refuses_what_is_no_setting():
    assert parse_settings(["dropout=0.5", "init=he"]) == {"dropout": "0.5", "init": "he"}
    for item, reserved in (("dropout", ()), ("seed=1", ("seed",)), (" seed =1", ("seed",))):
        with pytest.raises(UserError, match="write FIELD=VALUE"):
            parse_settings([item], reserved)
