"""What every network must do, from a build to an exported file, at the smallest size."""

import functools
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from ucf11lib import models
from ucf11lib.evaluation import Classifier, explain, export, predict_video
from ucf11lib.models import flops
from ucf11lib.runs import RunConfig, named_recipe
from ucf11lib.studies import overfit
from ucf11lib.training import train

NETWORKS = [name for name in models.NETWORKS if not name.startswith("vgg9_")]  # variants
every_network = pytest.mark.parametrize("name", NETWORKS)
FRAMES = np.random.default_rng(0).integers(0, 256, (3, 30, 64, 64, 3), dtype=np.uint8)

# What a user of the three files writes, who has nothing of ours; once for all networks.
PROGRAM = """
import json, sys, zipfile, numpy as np, onnxruntime, tensorflow as tf
frames = np.load(sys.argv[1])
for folder in sys.argv[2:]:
    answers, about = {}, {}

    serve = tf.saved_model.load(folder + "/savedmodel").signatures["serving_default"]
    answers["savedmodel"] = list(serve(tf.constant(frames)).values())[0].numpy()
    about["savedmodel"] = json.load(open(folder + "/savedmodel/assets.extra/ucf11.json"))

    session = onnxruntime.InferenceSession(folder + "/onnx")
    answers["onnx"] = session.run(None, {session.get_inputs()[0].name: frames})[0]
    about["onnx"] = session.get_modelmeta().custom_metadata_map

    run = tf.lite.Interpreter(folder + "/tflite").get_signature_runner()
    name = list(run.get_input_details())[0]
    each = [list(run(**{name: one[None]}).values())[0] for one in frames]
    answers["tflite"] = np.concatenate(each)
    about["tflite"] = json.loads(zipfile.ZipFile(folder + "/tflite").read("ucf11.json"))

    np.savez(folder + "/answers.npz", **answers)
    json.dump(about, open(folder + "/about.json", "w"))
"""


def silent(line):
    pass


@pytest.fixture(scope="module")
def run_of(store, tmp_path_factory):
    """Return a network's finished run, trained once for all tests.

    Beside it is its folder as it was after the first epoch, whose name ends in "-begun".
    """

    @functools.cache
    def train_once(name):
        path = tmp_path_factory.mktemp("runs") / name

        def copy(line):
            if line.startswith("epoch   1/"):
                shutil.copytree(path, path.with_name(f"{name}-begun"))

        return train(RunConfig.of(model=name, profile="smoke"), path, store=store, log=copy)

    return train_once


@pytest.fixture(scope="module")
def exported(run_of, tmp_path_factory):
    """Return the folder of each network's exported files and of the answers that they give."""
    pytest.importorskip("tf2onnx", reason="needs the extra: pip install -e '.[export]'")
    folders = {name: tmp_path_factory.mktemp(name) for name in NETWORKS}
    for name, folder in folders.items():
        model = models.load(run_of(name))
        for to in export.FORMATS:
            line = export.export_model(run_of(name), model, to, folder / to)
            assert "held-out sequences its probabilities differ by at most" in line
    np.save(frames := tmp_path_factory.mktemp("frames") / "frames.npy", FRAMES)
    command = [sys.executable, "-c", PROGRAM, str(frames), *map(str, folders.values())]
    subprocess.run(command, check=True, timeout=600)
    return folders


@every_network
def test_build_any_batch_classes_and_window(name):
    model = models.build(name, named_recipe("repaired", name), classes=7, window=16, width=0.0625)
    logits = np.asarray(model(FRAMES[:, :16]))
    assert (logits.shape, logits.dtype) == ((3, 7), np.float32)
    assert np.asarray(model(FRAMES[1:2, :16])) == pytest.approx(logits[1:2], abs=1e-4)
    assert sum(flops.layer_flops(model).values()) > 1e6


@every_network
def test_overfit_memorises(name, store):
    recipe = {"width": 0.125, "learning_rate": 2e-3, "precision": "float32"}
    assert overfit(RunConfig.of(model=name, **recipe), 4, store=store).memorised


@every_network
def test_train_resumed_has_the_same_bytes(name, run_of, store):
    run = run_of(name)
    begun = run.path.with_name(f"{name}-begun")
    lines = []
    resumed = train(run.config, begun, store=store, resume=True, log=lines.append)
    assert [line.split("/")[0] for line in lines if line[:5] == "epoch"] == ["epoch   2"]
    histories = [one.history.drop(columns="seconds") for one in (run, resumed)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    assert all(map(np.array_equal, *[models.load(one).get_weights() for one in (run, resumed)]))


@every_network
def test_predict_and_explain_a_video(name, run_of, tmp_path, write_video):
    run = run_of(name)
    model = models.load(run)
    result = predict_video(write_video(tmp_path / "v.mpg", 70), Classifier(run, model))
    assert result.track.shape == (2, 11)
    assert result.track.sum(axis=1) == pytest.approx(1)
    shown = explain(model, FRAMES)
    assert shown["maps"].shape == (3, 30, 64, 64)
    assert 0 <= shown["maps"].min() < shown["maps"].max() == 1
    assert shown["norms"].sum(axis=1) == pytest.approx(1, abs=1e-5)


@every_network
def test_export_model_gives_the_networks_probabilities_elsewhere(name, run_of, exported):
    run, folder = run_of(name), exported[name]
    network = export.in_float32(models.load(run))
    expected = softmax(network.predict(FRAMES, verbose=0), axis=1)
    about = json.loads((folder / "about.json").read_text())
    with np.load(folder / "answers.npz") as answers:
        for to in export.FORMATS:
            np.testing.assert_allclose(answers[to], expected, atol=1e-3)
            assert json.loads(about[to]["classes"]) == list(run.data.classes)
            assert (about[to]["window"], about[to]["trained_on"]) == ("30", run.note)
