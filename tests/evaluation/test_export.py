import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest

from ucf11lib import models
from ucf11lib.backend import keras
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.evaluation import export
from ucf11lib.runs import Run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(trained):
    return models.load(trained)


def test_export_model_refuses_in_one_line_and_leaves_nothing(trained, model, tmp_path, monkeypatch):
    mine = tmp_path / "thesis.tex"
    mine.write_text("x")
    with pytest.raises(UserError, match=r"thesis.tex: exists already; choose another --out"):
        export.export_model(trained, model, "savedmodel", mine)
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"link: exists already; choose another --out"):
        export.export_model(trained, model, "savedmodel", tmp_path / "link")
    (tmp_path / "link").unlink()
    with pytest.raises(UserError, match="unknown format 'torch'; choose one of savedmodel, onnx"):
        export.export_model(trained, model, "torch", tmp_path / "m")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"no package tf2onnx; install it: pip install -e '.\[exp"):
        export.export_model(trained, model, "onnx", tmp_path / "m")
    monkeypatch.setitem(export.FORMATS, "savedmodel", ("none", "m", None, ()))
    with pytest.raises(UserError, match=r"cannot be written as savedmodel \(.*none.*\); choose an"):
        export.export_model(trained, model, "savedmodel", tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert mine.read_text() == "x"


@pytest.mark.parametrize("to", ["savedmodel", "tflite"])
def test_export_model_full_disk(trained, main, tiny_disk, to):
    (tiny_disk / "filler").write_bytes(bytes(2_000_000))
    out = tiny_disk / "m"
    done = main("export-model", "--run", trained.path, "--to", to, "--out", out)
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"No space left on device; free some space or choose another place; "
        f"resume: python -m ucf11lib export-model --run {trained.path} --to {to} --out {out}\n"
    )
    assert os.listdir(tiny_disk) == ["filler"]


@pytest.mark.parametrize("to", ["savedmodel", "tflite"])
def test_export_model_over_the_limit_of_file_sizes(trained, main, tmp_path, to):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        done = main("export-model", "--run", trained.path, "--to", to, "--out", tmp_path / "m")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}/m: File too large; raise the limit of file")
    assert list(tmp_path.iterdir()) == []


def test_export_model_replaces_nothing_of_another_command(trained, model, tmp_path, monkeypatch):
    *how, describe, packages = export.FORMATS["savedmodel"]

    def slow(folder, about):
        (tmp_path / "m").write_text("another's")
        return describe(folder, about)

    monkeypatch.setitem(export.FORMATS, "savedmodel", (*how, slow, packages))
    with pytest.raises(FileExistsError, match="appeared in the meantime"):
        export.export_model(trained, model, "savedmodel", tmp_path / "m")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["another's"]


def test_export_model_writes_no_file_of_other_probabilities(trained, model, tmp_path, monkeypatch):
    def other(folder, about):
        return lambda frames: np.full((len(frames), 11), 1 / 11)

    monkeypatch.setitem(export.FORMATS, "savedmodel", ("tf_saved_model", "m", other, ()))
    with pytest.raises(
        RunFailed, match=r"not written, its probabilities differ by .* from the net"
    ):
        export.export_model(trained, model, "savedmodel", tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("key", "change"), [("index", 10**15), ("y_prob", np.nan)])
def test_export_model_predictions_that_are_not_of_its_store(trained, model, tmp_path, key, change):
    run = Run.open(shutil.copytree(trained.path, tmp_path / "r"))
    np.savez(run.path / "predictions.npz", **run.predictions | {key: run.predictions[key] + change})
    message = "predictions.npz: not of|not written, its probabilities differ by"
    with pytest.raises((UserError, RunFailed), match=message):
        export.export_model(Run.open(run.path), model, "savedmodel", tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_export_model_of_other_class_names_is_refused(trained, model, tmp_path):
    folder = shutil.copytree(trained.path, tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    swapped = config | {"classes": config["classes"][::-1]}
    (folder / "config.json").write_text(json.dumps(swapped))
    with pytest.raises(UserError, match=r"config.json: its classes are not its store's; train a"):
        export.export_model(Run.open(folder), model, "savedmodel", tmp_path / "m")


def test_export_model_by_default_in_the_runs_folder(trained, model, tmp_path):
    run = Run.open(shutil.copytree(trained.path, tmp_path / "r"))
    assert "r/savedmodel: on " in export.export_model(run, model, "savedmodel")
    assert (run.path / "savedmodel" / "saved_model.pb").is_file()


def test_onnxruntime_writes_and_sends_nothing_of_its_own(tmp_path):
    pytest.importorskip("onnxruntime", reason="needs the extra: pip install -e '.[export]'")
    environment = os.environ | dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), str(tmp_path))
    command = [sys.executable, "-c", "import onnxruntime"]
    subprocess.run(command, check=True, env=environment)
    assert list(tmp_path.iterdir()) == []  # its identifier of this machine would be here


@pytest.mark.parametrize("shape", [(7, 9, 6, 2), (6, 8, 8, 2)])
def test_in_float32_two_step_pools_are_the_same_pools(shape):
    frames = keras.Input(shape)
    pooled = keras.layers.MaxPooling3D((2, 2, 3), dtype="mixed_bfloat16")(frames)
    model = keras.Model(frames, pooled)
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    copy = export.in_float32(model, two_step_pools=True)
    exact = keras.layers.MaxPooling3D((2, 2, 3))(x)
    assert not any("Pooling3D" in type(layer).__name__ for layer in copy.layers)
    np.testing.assert_array_equal(copy(x), exact)
    assert not np.array_equal(np.asarray(model(x), np.float32), exact)
