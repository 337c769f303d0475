import json
import shutil

import numpy as np
import pytest

from ucf11lib import models
from ucf11lib.backend import keras
from ucf11lib.data import ClipStore, writer
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.evaluation import predict
from ucf11lib.runs import Run


@pytest.fixture
def model(trained):
    return models.load(trained)


def test_probabilities_softmax_head_is_not_softmaxed_again():
    outputs = np.eye(2, dtype=np.float32)
    assert predict.probabilities(outputs, "softmax").tolist() == outputs.tolist()
    assert predict.probabilities(outputs, "logits")[0, 0] == pytest.approx(np.e / (np.e + 1))


def test_make_predict_keeps_the_order_and_the_last_batch(store, model):
    index = np.array([20, 3, *range(40, 56)])  # a batch of 16 and one of 2
    result = predict.make_predict(model)(store, index)
    expected = model.predict(store.take(index), verbose=0)
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_evaluate_repeats_the_runs_own_metrics_or_takes_another_store(trained, model, store):
    result = predict.evaluate(trained, model)
    assert (result["store"], result["n"]) == (trained.data.store, trained.metrics["n_val"])
    keys = ("accuracy", "accuracy_clip", "accuracy_batch_mean", "interval", "macro_f1", "confusion")
    for key in keys:
        assert result[key] == pytest.approx(np.array(trained.metrics[key]))
    json.dumps(result)
    text = predict.formatted(result).splitlines()
    assert len(text) == 13
    assert text[1].split() == ["precision", "recall"]
    n_clips = len(np.unique(trained.held_out["clips"]))
    assert text[0].startswith(f"{trained.metrics['n_val']} sequences of {n_clips} clips, /")
    result = predict.evaluate(trained, model, store.path)
    assert (result["n"], result["classes"]) == (len(store), list(store.classes))


def test_evaluate_store_of_other_classes_or_changed_since_the_run(trained, model, tmp_path):
    with writer.create(tmp_path / "s", source="videos", classes=["run"], origin={}) as new:
        new.add(np.zeros((1, 30, 64, 64, 3), np.uint8), label=0, group="g", clip="c")
    shape = {"source": "synthetic", "classes": trained.data.classes, "window": 8, "size": 16}
    with writer.create(tmp_path / "small", **shape, origin={}) as new:
        new.add(np.zeros((1, 8, 16, 16, 3), np.uint8), label=0, group="g", clip="c")
    for name in ("s", "small"):
        with pytest.raises(UserError, match=r"classes or shape are not those of .*; give a store"):
            predict.evaluate(trained, model, tmp_path / name)
    same = {"source": "videos", "classes": trained.data.classes, "fps": 12.0}
    with writer.create(tmp_path / "slow", **same, origin={}) as new:
        new.add(np.zeros((1, 30, 64, 64, 3), np.uint8), label=0, group="g", clip="c")
    with pytest.raises(UserError, match=r"--fps 12.0 differs from .*'s None; prepare a store with"):
        predict.evaluate(trained, model, tmp_path / "slow")
    assert isinstance(predict.own_store(trained), ClipStore)
    folder = shutil.copytree(trained.path, tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    config["store_sha256"]["frames"] = "0" * 64
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"changed since .* was trained; train again"):
        predict.evaluate(Run.open(folder), model)


def fails_on_data(frames):
    """A network that loads, and fails by its inputs."""
    few = keras.ops.cast(keras.layers.Flatten()(frames)[:, :9], "int32")
    numbers = keras.layers.Embedding(2, 3)(few)
    return keras.layers.Dense(11)(keras.layers.Flatten()(numbers))


def needs_much_memory(frames):
    large = keras.ops.tile(frames, [1, 999, 999, 999, 1])
    return keras.layers.Dense(11)(keras.layers.Flatten()(keras.ops.max(large, [1, 2])))


def returns_a_dictionary(frames):
    """Keras allows it, and names no shape of it."""
    return {"logits": keras.layers.Dense(11)(keras.layers.Flatten()(frames))}


def answers_nothing(frames):
    """As a training that diverged, or another's softmax in the place of logits."""
    return keras.layers.Dense(11)(keras.layers.Flatten()(frames) * np.nan)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (fails_on_data, UserError, r"model.keras: damaged \(.*\); train again"),
        (returns_a_dictionary, UserError, r"model.keras: damaged \(.*\); train again"),
        (answers_nothing, UserError, r"model.keras: its answers are no probabilities; train again"),
        (needs_much_memory, RunFailed, r"model.keras: out of memory; free some"),
    ],
)
def test_evaluate_network_that_fails_is_one_line(trained, network, error, message):
    frames = keras.Input((30, 64, 64, 3), dtype="uint8")
    with pytest.raises(error, match=message):
        predict.evaluate(trained, keras.Model(frames, network(frames)))
