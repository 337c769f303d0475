import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from ucf11lib import paths
from ucf11lib.data import ClipStore
from ucf11lib.errors import UserError
from ucf11lib.models import load
from ucf11lib.runs import Run, RunConfig
from ucf11lib.runs.folder import HISTORY, lock_file
from ucf11lib.training import finished_run, job, print_result, train, train_or_load

TINY = RunConfig.of(model="frame_cnn", profile="smoke", groups=3, clips=1, epochs=1)


def silent(line):
    pass


def stop(line):
    raise KeyboardInterrupt


def test_train_leaves_a_complete_folder(trained, capsys):
    names = "config.json environment.json history.csv metrics.json model.keras predictions.npz"
    assert sorted(os.listdir(trained.path)) == [*names.split(), "split.csv"]
    assert list(trained.history.columns) == HISTORY
    assert len(trained.history) == trained.metrics["epochs"] == 2
    assert trained.config == RunConfig.of(model="cnn_lstm", profile="smoke")
    print_result(trained)
    assert f"run: {paths.display(trained.path)}\n" in capsys.readouterr().out


def test_train_leaves_numbers_that_fit_each_other(trained, store):
    p, m = trained.predictions, trained.metrics
    assert p["y_prob"].sum(axis=1) == pytest.approx(1)
    assert m["accuracy"] == (p["y_prob"].argmax(axis=1) == p["y_true"]).mean()
    assert np.array(m["confusion"]).sum() == m["n_val"] == len(p["index"])
    right = (p["y_pred"] == p["y_true"]).mean(axis=1)
    assert right == pytest.approx(trained.history["val_accuracy"].to_numpy())
    assert np.array_equal(p["y_pred"][-1], p["y_prob"].argmax(axis=1))
    assert m["accuracy"] == pytest.approx(trained.history["val_accuracy"].iloc[-1])
    assert np.array_equal(store.labels[p["index"]], p["y_true"])
    assert 0 <= m["interval"][0] <= m["accuracy"] <= m["interval"][1] <= 1
    assert 2 * 3 * 8 / m["seconds"] < m["sequences_per_second"] < 10_000
    assert m["seconds_to_75"] is m["sequences_to_75"] is None
    assert m["status"] == "ok"
    table = pd.read_csv(trained.path / "split.csv", dtype={"group": str})
    assert table.columns.tolist() == ["index", "clip", "group", "side"]
    assert table["index"].tolist() == list(range(len(store)))
    held_out = table["side"] == "held out"
    assert table["index"][held_out].tolist() == p["index"].tolist()
    assert not set(table["group"][held_out]) & set(table["group"][~held_out])
    assert np.array_equal(trained.held_out["clips"], store.clips[p["index"]])


def test_train_counts_sequences_to_the_target(store, tmp_path, monkeypatch):
    monkeypatch.setattr("ucf11lib.training.record.TARGET", 0.0)
    config = RunConfig.of(model="frame_cnn", profile="smoke")
    run = train(config, tmp_path / "r", store=store, log=silent)
    assert run.metrics["sequences_to_75"] == 3 * 8
    assert run.metrics["seconds_to_75"] == run.history["seconds"].iloc[0]


def test_train_twice_has_the_same_bytes_also_without_health(trained, store, tmp_path):
    config = trained.config.with_(health=False)
    again = train(config, tmp_path / "again", store=store, tensorboard=True, log=silent)
    histories = [run.history.drop(columns="seconds") for run in (trained, again)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    for key, value in trained.predictions.items():
        assert np.array_equal(value, again.predictions[key])
    assert all(map(np.array_equal, *[load(run).get_weights() for run in (trained, again)]))
    assert (again.path / "tensorboard").is_dir()


def test_train_on_a_relative_store_is_evaluated_from_anywhere(store, tmp_path, monkeypatch):
    monkeypatch.chdir(store.path.parent)
    relative = ClipStore.open(store.path.name)
    config = RunConfig.of(model="frame_cnn", profile="smoke", epochs=1, **store.flat())
    run = train(config, tmp_path / "r", store=relative, log=silent)
    assert run.data.store == str(store.path)


def test_train_does_not_touch_an_existing_folder(trained, store, tmp_path):
    with pytest.raises(UserError, match="a finished run; choose another --run or delete it"):
        train(trained.config, trained.path, store=store)
    (tmp_path / "thesis.tex").write_text("x")
    for resume in (False, True):
        with pytest.raises(UserError):
            train(trained.config, tmp_path, store=store, resume=resume)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_train_unfinished_has_one_line_for_each_way_on(trained, store, tmp_path):
    folder = tmp_path / "r"
    with pytest.raises(KeyboardInterrupt):
        train(trained.config, folder, store=store, log=stop)
    with pytest.raises(UserError, match="did not finish"):
        Run.open(folder)
    with pytest.raises(UserError, match="continue with --resume"):
        train(trained.config, folder, store=store)
    with pytest.raises(UserError, match="begun with another learning_rate, seed; choose the same"):
        train(trained.config.with_(seed=1, learning_rate=1), folder, store=store, resume=True)
    config = json.loads((folder / "config.json").read_text())
    config["store_sha256"]["frames"] = "0" * 64
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"s: not the data that .*r was begun with"):
        train(trained.config, folder, store=store, resume=True)


@pytest.mark.parametrize(
    ("flat", "message"),
    [
        ({"source": "course", "data": "."}, "its source is synthetic, not course"),
        ({"model": "resnet"}, "unknown model 'resnet'"),
        ({"batch_size": 65536}, "batch_size=65536 of 8. training sequences; choose at most 3.."),
        ({"precision": "float16"}, "c3d: TensorFlow pools float16 over time on GPUs only"),
        ({}, "r: another process trains in it; wait for it"),
    ],
)
def test_train_refuses_before_it_makes_a_folder(store, tmp_path, flat, message):
    config = RunConfig.of(**{"model": "c3d", "profile": "smoke"} | flat)
    locked = tmp_path / "r" if not flat else tmp_path / "other"
    with paths.lock(lock_file(locked)), pytest.raises(UserError, match=message):
        train(config, tmp_path / "r", store=store)
    assert os.listdir(tmp_path) == []


def test_train_refuses_a_store_that_is_not_as_it_was_written(store, tmp_path):
    path = shutil.copytree(store.path, tmp_path / "s")
    with (path / "frames.npy").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x07")
    config = RunConfig.of(model="cnn_lstm", profile="smoke")
    with pytest.raises(UserError, match="s: the frames differ from their checksum; prepare"):
        train(config, tmp_path / "r", store=ClipStore.open(path))
    assert os.listdir(tmp_path) == ["s"]


def test_train_or_load_trains_once():
    assert finished_run(TINY) is None
    run, lines = train_or_load(TINY, log=silent), []
    assert train_or_load(TINY, log=lines.append) == finished_run(TINY) == run
    assert lines == [f"{run.path}: finished already"]
    assert run.path == paths.runs_dir() / TINY.name
    (run.path / "metrics.json").unlink()
    assert train_or_load(TINY, log=lines.append) == run
    assert "no checkpoint; beginning at epoch 1" in lines


def test_train_or_load_leaves_other_folders_as_they_are(trained):
    first, second, third = (paths.runs_dir() / f"{TINY.name}{end}" for end in ("", "-2", "-3"))
    shutil.copytree(trained.path, first)
    for folder, name in ((second, "config.json"), (third, "thesis.tex")):
        folder.mkdir()
        (folder / name).write_text("{")
    before = {path: path.stat().st_mtime_ns for path in paths.runs_dir().rglob("*")}
    run = train_or_load(TINY, log=silent)
    assert run.path == paths.runs_dir() / f"{TINY.name}-4"
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert finished_run(TINY) == run


def test_train_or_load_trains_anew_with_other_code(monkeypatch):
    first = train_or_load(TINY, log=silent)
    monkeypatch.setattr(job, "code_digest", lambda *places: "0123abcd")
    assert finished_run(TINY) is None
    assert train_or_load(TINY, log=silent).path.name == f"{first.path.name}-2"
    assert Run.open(first.path).metrics == first.metrics


def test_train_or_load_trains_anew_on_other_data(store, tmp_path):
    first = train_or_load(TINY, log=silent)
    config = json.loads((first.path / "config.json").read_text())
    config["store_sha256"]["frames"] = "0" * 64
    (first.path / "config.json").write_text(json.dumps(config))
    assert finished_run(TINY) is None
    with pytest.raises(UserError, match=r"not the data that .* was begun with; bring that back"):
        train(TINY, first.path, resume=True, log=silent)
    second = train_or_load(TINY, log=silent)
    assert second.path.name == f"{TINY.name}-2"
    assert finished_run(TINY) == second


def test_train_keeps_a_users_file_of_a_name_like_ours(store, tmp_path):
    mine = tmp_path / "r" / ".partial-notes"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(UserError, match=r"exists already, and is no run \(no config.json\)"):
        train(RunConfig.of(model="cnn_lstm", profile="smoke"), tmp_path / "r", store=store)
    assert mine.read_text() == "mine"
