import json
import os

import numpy as np
import pandas as pd
import pytest

from ucf11lib import evaluation, jobs, paths, runs
from ucf11lib.config import RunConfig
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError
from ucf11lib.runs import Run

SMOKE = RunConfig("cnn_lstm", profile="smoke")
METRICS = {
    *("model", "recipe", "profile", "source", "split", "seed", "classes", "n_train", "n_val", "parameters"),
    *("epochs", "accuracy", "accuracy_batch_mean", "macro_f1", "per_class_accuracy", "confusion", "val_loss"),
    *("top2", "ece", "accuracy_clip", "interval"),
    *("seconds", "seconds_to_75", "sequences_per_second", "peak_rss_mb", "status"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    os.environ["UCF11_DATA"] = str(tmp_path_factory.getbasetemp() / "data")
    return jobs.train(SMOKE, tmp_path_factory.mktemp("runs") / "r", tensorboard=True, say=lambda line: None)


def test_the_run_folder_is_complete(run):
    assert sorted(path.name for path in run.path.iterdir()) == [
        "best.weights.h5",
        "config.json",
        "environment.json",
        "history.csv",
        "metrics.json",
        "model.keras",
        "predictions.npz",
        "split.csv",
        "tensorboard",
    ]
    assert set(run.metrics) >= METRICS
    assert run.metrics["status"] == "ok"
    assert list(run.history.columns) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"]
    assert len(run.history) == run.metrics["epochs"] == 2
    assert RunConfig.of(**{key: run.config[key] for key in SMOKE.__dataclass_fields__}) == SMOKE


def test_the_numbers_fit_each_other(run):
    p, m = run.predictions, run.metrics
    assert p["y_prob"].sum(axis=1) == pytest.approx(1)
    assert m["accuracy"] == (p["y_prob"].argmax(axis=1) == p["y_true"]).mean()
    assert np.array(m["confusion"]).sum() == m["n_val"] == len(p["index"])
    assert m["accuracy"] == pytest.approx(run.history["val_accuracy"].iloc[-1])
    store = ClipStore.open(run.config["store"])
    assert np.array_equal(store.labels[p["index"]], p["y_true"])
    low, high = m["interval"]
    assert 0 <= low <= m["accuracy"] <= high <= 1
    assert m["accuracy"] <= m["top2"] <= 1


def test_the_run_names_what_stood_on_either_side(run):
    table, store = pd.read_csv(run.path / "split.csv"), ClipStore.open(run.config["store"])
    assert table.columns.tolist() == ["index", "clip", "group", "side"]
    assert table["index"].tolist() == list(range(len(store)))
    assert table["group"].tolist() == store.groups.tolist()
    sides = dict(tuple(table.groupby("side")))
    assert not set(sides["train"]["group"]) & set(sides["held out"]["group"])
    assert np.array_equal(sides["held out"]["index"], run.predictions["index"])
    held_out = run.held_out
    assert np.array_equal(held_out["clips"], store.clips[run.predictions["index"]])
    found = evaluation.compare(held_out, held_out)
    assert (found["clips"], found["p_value"], found["difference"]) == (len(set(held_out["clips"])), 1, 0)


def test_a_run_without_its_split_cannot_be_compared(run, tmp_path):
    import shutil

    shutil.copytree(run.path, tmp_path / "old")
    (tmp_path / "old" / "split.csv").unlink()
    with pytest.raises(UserError, match="its clips were not recorded"):
        _ = Run.open(tmp_path / "old").held_out


def test_evaluating_again_gives_the_same(run):
    found = jobs.evaluate(run)
    assert found["accuracy"] == run.metrics["accuracy"]
    assert found["confusion"] == run.metrics["confusion"]
    assert found["interval"] == run.metrics["interval"]


def test_evaluating_on_another_store(run, store):
    found = jobs.evaluate(run, store.path)
    assert found["n"] == len(store)
    assert np.array(found["confusion"]).sum() == len(store)


def test_evaluating_on_other_classes_is_refused(run, videos, tmp_path):
    from ucf11lib.data import videos as sources

    other = sources.prepare(tmp_path / "s", videos / "ucf11_sample", source="ucf11")
    with pytest.raises(UserError, match="its classes are not those of"):
        jobs.evaluate(run, other.path)


def test_same_seed_same_numbers(run, tmp_path):
    again = jobs.train(SMOKE, tmp_path / "again", say=lambda line: None)
    pd.testing.assert_frame_equal(
        run.history.drop(columns="seconds"), again.history.drop(columns="seconds"), check_exact=True
    )
    for key, value in run.predictions.items():
        assert np.array_equal(value, again.predictions[key])
    for a, b in zip(run.model().get_weights(), again.model().get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_an_existing_folder_is_not_touched(run, tmp_path):
    with pytest.raises(UserError, match="a finished run; choose another --run or delete it"):
        jobs.train(SMOKE, run.path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    for resume in (False, True):
        with pytest.raises(UserError):
            jobs.train(SMOKE, tmp_path / "mine", resume=resume)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_an_unfinished_run_says_how_to_go_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        jobs.train(SMOKE, tmp_path / "r", say=stop)
    with pytest.raises(UserError, match="did not finish"):
        Run.open(tmp_path / "r")
    with pytest.raises(UserError, match="go on with --resume"):
        jobs.train(SMOKE, tmp_path / "r")
    with pytest.raises(UserError, match="begun with another seed"):
        jobs.train(RunConfig("cnn_lstm", profile="smoke", seed=1), tmp_path / "r", resume=True)


def stop(line):
    raise KeyboardInterrupt


def test_ensure_trains_once(capsys):
    first = jobs.ensure(SMOKE)
    stamp = (first.path / "metrics.json").stat().st_mtime_ns
    again = jobs.ensure(SMOKE)
    assert "trained before" in capsys.readouterr().out
    assert again.path == first.path == paths.runs_dir() / SMOKE.name
    assert (again.path / "metrics.json").stat().st_mtime_ns == stamp
    config = json.loads((first.path / "config.json").read_text())
    config["recipe_fields"]["learning_rate"] = 7
    (first.path / "config.json").write_text(json.dumps(config))
    jobs.ensure(SMOKE)
    assert (first.path / "metrics.json").stat().st_mtime_ns != stamp


def test_a_run_of_a_version_without_folds_is_not_trained_again():
    run = jobs.ensure(SMOKE, say=lambda line: None)
    config = json.loads((run.path / "config.json").read_text())
    assert config.pop("fold") == ""
    (run.path / "config.json").write_text(json.dumps(config))
    assert jobs.finished(SMOKE) == run


def test_find_lists_finished_runs_only(run, tmp_path):
    (tmp_path / "unfinished").mkdir()
    assert runs.find(tmp_path) == []
    assert runs.find(run.path.parent) == [run]


def test_an_unreadable_model_is_named(run, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy)
    (copy / "model.keras").write_bytes(b"not a model")
    with pytest.raises(UserError, match=r"model.keras: cannot be loaded"):
        Run.open(copy).model()


def test_a_stores_own_source_is_what_a_run_records(store, tmp_path, cli):
    with pytest.raises(UserError, match="its source is synthetic, not course"):
        jobs.train(RunConfig("c3d", profile="smoke", source="course"), tmp_path / "r", store=store)
    assert not (tmp_path / "r").exists()
    done = cli(
        "train", "c3d", "--profile", "smoke", "--source", "course", "--store", store.path, "--run", tmp_path / "r"
    )
    assert done.returncode == 0, done.stderr
    assert Run.open(tmp_path / "r").metrics["source"] == "synthetic"


@pytest.mark.parametrize("model", ["c3d", "cnn_lstm"])
def test_mixed_precision_is_an_option(model, store, tmp_path):
    config = RunConfig(model, profile="smoke", mixed_precision=True)
    run = jobs.train(config, tmp_path / "r", store=store, say=lambda line: None)
    assert np.isfinite(run.history[["loss", "val_loss"]]).all(axis=None)
    network = run.model()
    assert {weight.dtype.name for weight in network.get_weights()} == {"float32"}
    assert network.get_layer("conv1").compute_dtype in ("float16", "bfloat16")
    assert network.get_layer("logits").compute_dtype == "float32"
