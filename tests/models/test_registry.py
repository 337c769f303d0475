import itertools
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ucf11lib import models
from ucf11lib.backend import keras
from ucf11lib.errors import UserError
from ucf11lib.models.layers import Normalise
from ucf11lib.runs import REPORTED, Run, named_recipe

REPAIRED = {name: named_recipe("repaired", name) for name in REPORTED}


def chain(taps, *units):
    """The weights and biases of layers in a row, each with a kernel of that many taps."""
    return sum(taps * before * after + after for before, after in itertools.pairwise(units))


# By hand, from the report's layers.
FULL_PARAMETERS = {
    "c3d": chain(27, 3, 64, 128, 256, 256, 512, 512) + chain(1, 3 * 4 * 4 * 512, 1024, 1024, 11),
    "vgg9": chain(9, 3, 64, 128, 256, 256, 512, 512)
    + chain(1, 4 * 4 * 512, 2048, 2048, 500)
    + chain(1, 30 * 500, 11),
    "cnn_lstm": chain(4, 3, 32)
    + chain(9, 32, 64)
    + chain(25, 64, 128)
    + chain(1, 8 * 8 * 128, 128)
    + 4 * (128 * 128 + 128 * 128 + 128)
    + chain(1, 30 * 128, 11),
}


def frames(n=2):
    return np.random.default_rng(0).integers(0, 256, (n, 30, 64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", REPORTED)
def test_build_full_width_has_the_reports_layers(name):
    model = models.build(name, REPAIRED[name])
    assert model.count_params() == FULL_PARAMETERS[name]
    assert model.output_shape == (None, 11)
    kinds = [type(layer).__name__ for layer in model.layers]
    convolutions = sum(kind.startswith("Conv") for kind in kinds)
    pools = sum("Pooling" in kind for kind in kinds)
    assert (convolutions, pools) == {"c3d": (6, 4), "vgg9": (6, 4), "cnn_lstm": (3, 3)}[name]
    assert kinds.count("Dense") == {"c3d": 3, "vgg9": 4, "cnn_lstm": 2}[name]


@pytest.mark.parametrize("name", REPORTED)
def test_build_gives_logits_for_any_number_of_sequences(name):
    model = models.build(name, REPAIRED[name], classes=7, width=0.0625)
    three = np.asarray(model(frames(3)))
    assert three.shape == (3, 7)
    assert three.dtype == np.float32
    assert not np.allclose(three.sum(axis=1), 1)
    assert np.asarray(model(frames(3)[:1])) == pytest.approx(three[:1], abs=1e-4)


def test_build_2019_only_c3d_ends_in_a_softmax():
    for name in REPORTED:
        model = models.build(name, named_recipe("2019", name), width=0.0625)
        sums = np.asarray(model(frames())).sum(axis=1)
        assert np.allclose(sums, 1, atol=1e-5) == (name == "c3d")


@pytest.mark.parametrize("name", REPORTED)
def test_build_draws_weights_by_the_recipe(name):
    drawn = {
        "2019": lambda fan_in: 0.1,
        "peer_c3dsmall": lambda fan_in: 0.01,
        "repaired": lambda fan_in: (2 / fan_in) ** 0.5,
    }
    for recipe, std in drawn.items():
        model = models.build(name, named_recipe(recipe, name), width=0.25)
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dense) or type(layer).__name__.startswith("Conv"):
                kernel, bias = (np.asarray(w) for w in layer.get_weights())
                fan_in = kernel[..., 0].size
                assert kernel.std() == pytest.approx(std(fan_in), rel=0.15), layer.name
                assert not bias.any()


def test_build_same_seed_same_weights_other_layers_other_weights():
    recipe = REPAIRED["vgg9"]
    a, b, c = (models.build("vgg9", recipe, width=0.0625, seed=seed) for seed in (0, 0, 1))
    for x, y, z in zip(a.get_weights(), b.get_weights(), c.get_weights(), strict=True):
        assert np.array_equal(x, y)
        assert x.ndim == 1 or not np.array_equal(x, z)
    conv3, conv4 = (a.get_layer(name).get_weights()[0].ravel() for name in ("conv3", "conv4"))
    assert not np.array_equal(conv3[:50], conv4[:50])


@pytest.mark.parametrize("name", REPORTED)
def test_build_saved_model_gives_the_same(name, tmp_path):
    options = {"width": 0.0625, "mean": (99, 98, 97), "std": (3, 4, 5)}
    model = models.build(name, named_recipe("2019", name), **options)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", compile=False)
    assert np.array_equal(np.asarray(again(frames())), np.asarray(model(frames())))


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_build_norm_follows_each_convolution(norm):
    model = models.build("c3d", replace(REPAIRED["c3d"], norm=norm), width=0.125)
    found = [layer.name for layer in model.layers if layer.name.endswith("_norm")]
    assert found == [f"conv{i}_norm" for i in range(1, 7)]


def test_build_dropout_acts_in_training_only():
    model = models.build("c3d", replace(REPAIRED["c3d"], dropout=0.5), width=0.0625)
    still = [np.asarray(model(frames(), training=False)) for _ in range(2)]
    moving = [np.asarray(model(frames(), training=True)) for _ in range(2)]
    assert np.array_equal(*still)
    assert not np.array_equal(*moving)


def test_normalise_sequence_removes_background_and_light():
    layer = Normalise("sequence")
    x = frames(1)
    background = np.random.default_rng(2).integers(0, 40, (1, 1, 64, 64, 3), dtype=np.uint8)
    dark = x // 4
    assert np.allclose(np.asarray(layer(dark + background)), np.asarray(layer(dark)), atol=1e-4)
    assert np.abs(np.asarray(layer(x)).mean(axis=1)).max() < 1e-4
    still = np.repeat(x[:, :1], 30, axis=1)
    assert np.abs(np.asarray(layer(still))).max() < 1e-4


def test_normalise_dataset_and_unit():
    x = frames(1)
    found = Normalise("dataset", (100, 110, 120), (50, 60, 70))(x)
    expected = (x - np.array([100, 110, 120])) / np.array([50, 60, 70])
    assert np.asarray(found) == pytest.approx(expected, abs=1e-4)
    assert np.asarray(Normalise("unit")(x)) == pytest.approx(x / 255, abs=1e-6)


def test_build_unknown_model_lists_the_choices():
    with pytest.raises(UserError, match="unknown model 'resnet'; choose one of c3d, vgg9, cnn_"):
        models.build("resnet", REPAIRED["c3d"])


def test_build_too_small_sequences_are_one_line():
    with pytest.raises(UserError, match="smaller than its pools; give a larger --window or --size"):
        models.build("c3d", REPAIRED["c3d"], window=3, size=8)


def test_load_in_a_process_that_imported_only_models(trained, tmp_path):
    program = (
        "import sys, numpy as np, keras, ucf11lib.models\n"
        "model = keras.saving.load_model(sys.argv[1] + '/model.keras', compile=False)\n"
        "np.save(sys.argv[2], model(np.load(sys.argv[3])))"
    )
    np.save(tmp_path / "in.npy", frames())
    arguments = [trained.path, tmp_path / "out.npy", tmp_path / "in.npy"]
    subprocess.run([sys.executable, "-c", program, *map(str, arguments)], check=True, timeout=120)
    expected = np.asarray(models.load(trained)(frames()))
    assert np.array_equal(np.load(tmp_path / "out.npy"), expected)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_load_damaged_archive_is_one_line(trained, tmp_path, content):
    path = shutil.copytree(trained.path, tmp_path / "r")
    (path / "model.keras").write_bytes(content)
    with pytest.raises(UserError, match=r"model.keras: cannot be loaded \(.*\); train again"):
        models.load(Run.open(path))


def test_load_model_that_does_not_fit_its_configuration(trained, tmp_path):
    path = shutil.copytree(trained.path, tmp_path / "r")
    models.build("cnn_lstm", REPAIRED["cnn_lstm"], classes=4, width=0.0625).save(
        path / "model.keras"
    )
    with pytest.raises(UserError, match="its configuration"):
        models.load(Run.open(path))
