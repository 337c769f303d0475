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
FRAMES = np.random.default_rng(0).integers(0, 256, (2, 30, 64, 64, 3), dtype=np.uint8)


def parameters(taps, *units):
    """The number of weights and biases of layers in a row, each with a kernel of `taps` taps."""
    return sum(taps * before * after + after for before, after in itertools.pairwise(units))


# By hand, from the report's layers: parameters, convolutions, pools, dense layers.
C3D = parameters(27, 3, 64, 128, 256, 256, 512, 512)
VGG9 = parameters(9, 3, 64, 128, 256, 256, 512, 512) + parameters(1, 8192, 2048, 2048, 500)
CNN = parameters(4, 3, 32) + parameters(9, 32, 64) + parameters(25, 64, 128)
FULL = {
    "c3d": (C3D + parameters(1, 3 * 4 * 4 * 512, 1024, 1024, 11), 6, 4, 3),
    "vgg9": (VGG9 + parameters(1, 30 * 500, 11), 6, 4, 4),
    "cnn_lstm": (
        CNN + parameters(1, 8192, 128) + 4 * 128 * (128 + 128 + 1) + parameters(1, 30 * 128, 11),
        *(3, 3, 2),
    ),
}


@pytest.mark.parametrize("name", REPORTED)
def test_build_full_width_has_the_reports_layers(name):
    model = models.build(name, REPAIRED[name])
    kinds = [type(layer).__name__ for layer in model.layers]
    counts = [sum(part in kind for kind in kinds) for part in ("Conv", "Pooling", "Dense")]
    assert (model.count_params(), *counts) == FULL[name]
    assert model.output_shape == (None, 11)


@pytest.mark.parametrize("name", REPORTED)
def test_build_gives_logits_but_for_the_softmax_of_2019s_c3d(name):
    model = models.build(name, REPAIRED[name], classes=7, width=0.0625)
    logits = np.asarray(model(FRAMES))
    assert (logits.shape, logits.dtype) == ((2, 7), np.float32)
    assert not np.allclose(logits.sum(axis=1), 1)
    assert np.asarray(model(FRAMES[:1])) == pytest.approx(logits[:1], abs=1e-4)
    outputs = models.build(name, named_recipe("2019", name), width=0.0625)(FRAMES)
    assert np.allclose(np.asarray(outputs).sum(axis=1), 1, atol=1e-5) == (name == "c3d")


@pytest.mark.parametrize("name", REPORTED)
@pytest.mark.parametrize(
    ("recipe", "std"), [("2019", 0.1), ("peer_c3dsmall", 0.01), ("repaired", None)]
)
def test_build_draws_weights_by_the_recipe(name, recipe, std):
    model = models.build(name, named_recipe(recipe, name), width=0.25)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            kernel, bias = layer.get_weights()
            he = (2 / kernel[..., 0].size) ** 0.5
            assert kernel.std() == pytest.approx(std or he, rel=0.15), layer.name
            assert not bias.any()


def test_build_same_seed_same_weights_other_layers_other_weights():
    built = [models.build("vgg9", REPAIRED["vgg9"], width=0.0625, seed=seed) for seed in (0, 0, 1)]
    for x, y, z in zip(*(model.get_weights() for model in built), strict=True):
        assert np.array_equal(x, y)
        assert x.ndim == 1 or not np.array_equal(x, z)
    conv3, conv4 = (built[0].get_layer(name).get_weights()[0] for name in ("conv3", "conv4"))
    assert not np.array_equal(conv3.ravel()[:50], conv4.ravel()[:50])


def test_build_dropout_acts_in_training_only():
    model = models.build("c3d", replace(REPAIRED["c3d"], dropout=0.5), width=0.0625)
    for training in (False, True):
        first, second = (np.asarray(model(FRAMES, training=training)) for _ in range(2))
        assert np.array_equal(first, second) != training


def test_normalise_removes_background_and_light_or_statistics():
    layer = Normalise("sequence")
    background = np.random.default_rng(2).integers(0, 40, (1, 1, 64, 64, 3), dtype=np.uint8)
    dark = FRAMES // 4
    assert np.allclose(np.asarray(layer(dark + background)), np.asarray(layer(dark)), atol=1e-4)
    assert np.abs(np.asarray(layer(FRAMES)).mean(axis=1)).max() < 1e-4
    still = np.repeat(FRAMES[:, :1], 30, axis=1)
    assert np.abs(np.asarray(layer(still))).max() < 1e-4
    by_statistics = np.asarray(Normalise("dataset", (100, 110, 120), (50, 60, 70))(FRAMES))
    assert np.allclose(by_statistics, (FRAMES - [100, 110, 120]) / [50, 60, 70], atol=1e-4)
    assert np.allclose(np.asarray(Normalise("unit")(FRAMES)), FRAMES / 255, atol=1e-6)


def test_build_refuses_unknown_models_and_too_small_sequences():
    with pytest.raises(UserError, match="unknown model 'resnet'; choose one of c3d, vgg9, cnn_"):
        models.build("resnet", REPAIRED["c3d"])
    with pytest.raises(UserError, match="smaller than its pools; give a larger --window or --size"):
        models.build("c3d", REPAIRED["c3d"], window=3, size=8)


@pytest.mark.slow
def test_build_saved_models_give_the_same_where_only_models_is_imported(tmp_path):
    program = (
        "import sys, pathlib, numpy as np, keras, ucf11lib.models\n"
        "frames = np.load(sys.argv[1] + '/in.npy')\n"
        "for path in pathlib.Path(sys.argv[1]).glob('*.keras'):\n"
        "    model = keras.saving.load_model(path, compile=False)\n"
        "    np.save(path.with_suffix('.npy'), model(frames))\n"
    )
    np.save(tmp_path / "in.npy", FRAMES)
    options = {"width": 0.0625, "mean": (99, 98, 97), "std": (3, 4, 5)}
    names = [name for name in models.NETWORKS if name != "frame_cnn"]
    built = {name: models.build(name, named_recipe("2019", name), **options) for name in names}
    for name, model in built.items():
        model.save(tmp_path / f"{name}.keras")
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=120)
    for name, model in built.items():
        assert np.array_equal(np.load(tmp_path / f"{name}.npy"), np.asarray(model(FRAMES)))


def test_load_refuses_damaged_archives_and_other_shapes(trained, tmp_path):
    path = shutil.copytree(trained.path, tmp_path / "r")
    assert models.load(Run.open(path)).output_shape == (None, 11)
    for content in (b"", b"no archive", b"PK\x03\x04"):
        (path / "model.keras").write_bytes(content)
        with pytest.raises(UserError, match=r"model.keras: damaged \(.*\); train again"):
            models.load(Run.open(path))
    other = models.build("cnn_lstm", REPAIRED["cnn_lstm"], classes=4, width=0.0625)
    other.save(path / "model.keras")
    with pytest.raises(UserError, match="its configuration"):
        models.load(Run.open(path))
    with pytest.warns(UserWarning, match="not yet been built"):
        keras.Sequential([keras.layers.Dense(11)]).save(path / "model.keras")
    with pytest.raises(UserError, match=r"damaged \(.* has no defined input shape yet"):
        models.load(Run.open(path))
