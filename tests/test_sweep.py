import itertools
import logging
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from distributed import LocalCluster

from ucf11lib import crossval, drills, evaluation, grids, jobs, paths, runs, sweep
from ucf11lib.config import RunConfig
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import RunFailed, UserError

SMOKE = RunConfig("cnn_lstm", profile="smoke")
FOUR = [replace(SMOKE, seed=seed) for seed in range(4)]
SHORT = SMOKE.having("epochs=1", "steps_per_epoch=1")


def silent(line):
    pass


def test_two_workers_do_four_runs_once_with_the_numbers_of_a_training_alone():
    said = []
    outcomes = sweep.run_all(FOUR, workers=2, say=said.append)
    assert sorted(line.split()[1] for line in said) == [f"{config.name}:" for config in FOUR]
    assert sorted(path.name for path in paths.runs_dir().iterdir()) == [config.name for config in FOUR]
    alone, swept = jobs.train(FOUR[1], paths.runs_dir() / "alone", say=silent), outcomes[1].run
    assert swept.metrics["confusion"] == alone.metrics["confusion"]
    assert swept.history.drop(columns="seconds").equals(alone.history.drop(columns="seconds"))
    assert np.array_equal(swept.predictions["y_prob"], alone.predictions["y_prob"])
    stamps = [(outcome.run.path / "metrics.json").stat().st_mtime_ns for outcome in outcomes]
    again = sweep.run_all(FOUR, workers=2, say=said.append)
    assert said[-1] == "4 of 4 runs are finished already"
    assert [(outcome.run.path / "metrics.json").stat().st_mtime_ns for outcome in again] == stamps
    assert drills.workers() == []


def test_a_killed_worker_costs_no_run_and_leaves_no_file(tmp_path):
    program = """
from ucf11lib import drills
from ucf11lib.config import RunConfig

if __name__ == "__main__":
    configs = [RunConfig("cnn_lstm", profile="smoke", seed=seed) for seed in range(2)]
    found = drills.swept(configs, workers=1, kill_at=1)
    print(found["killed"], found["results"], found["twice"], len(found["numbers"]))
"""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1 2 0 2\n", "")
    assert not [path.name for path in paths.runs_dir().iterdir() if path.name.startswith(".")]
    assert not list(tmp_path.glob("*autograph*"))


def test_a_failing_run_is_a_row_and_the_others_go_on(cli, tmp_path):
    grid = tmp_path / "two.yaml"
    grid.write_text(
        "base: {model: cnn_lstm, profile: smoke, epochs: 1, steps_per_epoch: 1, health: false}\ngrid: {seed: [0, 1]}"
    )
    first, second = grids.read(grid).configs
    mine = paths.runs_dir() / first.name
    mine.mkdir()
    (mine / "thesis.tex").write_text("x")
    done = cli("sweep", grid, "--workers", 1, timeout=300)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith(f"error: 1 of 2 runs did not succeed; {first.name}: failed: ")
    assert done.stderr.count("\n") == 1
    (folder,) = paths.runs_dir().glob("sweep-two-*")
    table = pd.read_csv(folder / "table.csv")
    assert table.columns.tolist() == ["seed", "accuracy", "seconds", "status", "run"]
    assert table["accuracy"].isna().tolist() == [True, False]
    assert table["run"].tolist() == [first.name, second.name]
    assert sorted(path.name for path in folder.iterdir()) == ["accuracy.svg", "table.csv", "table.json"]
    assert [path.name for path in mine.iterdir()] == ["thesis.tex"]


def test_a_cluster_whose_workers_do_several_runs_at_once_is_refused():
    with cluster(threads_per_worker=2, processes=False) as users:
        address = users.scheduler_address
        with pytest.raises(UserError, match=rf"has 2 threads.*start them with 'dask worker {address} --nthreads 1'"):
            sweep.run_all([SMOKE], scheduler=address, say=silent)
    assert not any(paths.runs_dir().iterdir())


def test_a_run_folder_has_one_run():
    with pytest.raises(UserError, match="asked for twice"):
        sweep.run_all([SMOKE, SMOKE])


def test_a_fold_that_is_not_there_is_refused_before_anything_runs():
    with pytest.raises(UserError, match="unknown fold '99'"):
        sweep.run_all([SMOKE, replace(SMOKE, split="logo", fold="99")])
    assert not any(paths.runs_dir().iterdir())


def cluster(**options):
    return LocalCluster(n_workers=1, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL, **options)


def test_crossval_holds_every_sequence_out_once_on_a_cluster_of_the_users():
    short, said = SHORT.having("groups=3"), []
    with cluster(threads_per_worker=1, processes=True) as users:
        address = users.scheduler_address
        folder = crossval.crossval(replace(short, health=False), scheduler=address, say=said.append)
        assert len(users.workers) == 1
    summary = runs.read_json(folder / "summary.json")
    found = [jobs.finished(config) for config in crossval.configs(replace(short, health=False))]
    assert [run.config["fold"] for run in found] == [row["fold"] for row in summary["folds"]]
    assert len(found) == 3
    index = np.concatenate([run.predictions["index"] for run in found])
    assert sorted(index) == list(range(summary["n_val"])) == pd.read_csv(found[0].path / "split.csv")["index"].tolist()
    sides = [run.held_out for run in found]
    pooled = evaluation.measure(**{key: np.concatenate([side[key] for side in sides]) for key in sides[0]})
    for key in crossval.POOLED:
        assert summary[key] == pooled[key]
    assert summary["mean_accuracy"] == pytest.approx(np.mean([run.metrics["accuracy"] for run in found]))
    kept = pd.read_csv(folder / "summary.csv", dtype={"fold": str})
    assert kept["fold"].tolist() == [row["fold"] for row in summary["folds"]]
    assert any("each held out once" in line for line in said)


def mirrored(run):
    """Probabilities of a run's held-out part, seen in a mirror."""
    store = ClipStore.open(run.config["store"])
    frames = store.take(run.predictions["index"])[:, :, :, ::-1]
    return evaluation.probabilities(np.asarray(run.model()(np.ascontiguousarray(frames))), "logits")


def test_settings_are_chosen_by_trainings_that_have_not_seen_the_fold():
    short, said = replace(SHORT.having("groups=3"), health=False), []
    tried = ["", "learning_rate=0.01", "flip=false"]
    folder = crossval.crossval(short, candidates=tried, workers=1, say=said.append)
    summary = runs.read_json(folder / "summary.json")
    folds = [row["fold"] for row in summary["folds"]]
    for row in summary["folds"]:
        losses = {}
        for settings in tried:
            for block in crossval.blocks(folds):
                if row["fold"] in block:
                    run = jobs.finished(replace(short.having(settings), split="logo", fold="+".join(block)))
                    kept, sides = run.predictions, pd.read_csv(run.path / "split.csv", index_col="index")
                    mine = sides["group"].str.endswith(row["fold"])
                    assert set(sides["side"][mine]) == {"held out"}
                    asked = {settings: kept["y_prob"]}
                    if settings != "flip=false":
                        both = (kept["y_prob"] + mirrored(run)) / 2
                        asked[",".join(filter(None, [settings, "test flip"]))] = both
                    for name, prob in asked.items():
                        of_true = prob[np.arange(len(prob)), kept["y_true"]]
                        found = sides.loc[kept["index"]].assign(of_true=of_true)
                        others = found[~found["group"].str.endswith(row["fold"])]
                        losses.setdefault(name, []).extend(-np.log(others.groupby("clip")["of_true"].mean()))
        scores = {name: np.mean(values) for name, values in losses.items()}
        assert summary["choice"][row["fold"]] == pytest.approx(scores, rel=1e-4)
        best = min(summary["choice"][row["fold"]], key=summary["choice"][row["fold"]].get)
        assert row["test_flip"] == best.endswith("test flip")
        settings = best.removesuffix("test flip").removesuffix(",")
        assert row["settings"] == ",".join(filter(None, [short.settings, settings]))
    assert summary["complete"]


def test_a_fold_is_counted_as_it_is_asked():
    config = replace(SMOKE, split="logo", fold="01")
    run = jobs.ensure(config, say=silent)
    outcome = sweep.Outcome(config, run)
    plain, both = (crossval.summarise([outcome], [crossval.Fold(config, flip)]) for flip in (False, True))
    assert plain["accuracy"] == plain["folds"][0]["accuracy"] == run.metrics["accuracy"]
    assert plain["accuracy_clip"] == plain["folds"][0]["accuracy_clip"] == run.metrics["accuracy_clip"]
    prob = (run.predictions["y_prob"] + mirrored(run)) / 2
    assert both["accuracy"] == both["folds"][0]["accuracy"] == (prob.argmax(axis=1) == run.predictions["y_true"]).mean()


def test_another_model_can_have_what_was_chosen():
    summary = crossval.summarise([sweep.Outcome(SMOKE, None, "killed")], [crossval.Fold(SMOKE, True)])
    chosen = {**summary["folds"][0], "fold": "07", "settings": "stride=5,dropout=0.5"}
    fold = crossval.Fold.like(RunConfig("vgg9", source="videos", data="people"), chosen)
    assert (fold.config.model, fold.config.split, fold.config.fold) == ("vgg9", "logo", "07")
    assert fold.config.resolved()[0].dropout == 0.5
    assert fold.test_flip


@pytest.mark.parametrize("n", [2, 3, 5, 9, 25])
def test_every_fold_is_left_out_beside_others_and_no_two_twice(n):
    made = crossval.blocks([f"{i:02d}" for i in range(n)])
    pairs = [pair for block in made for pair in itertools.combinations(block, 2)]
    assert len(set(pairs)) == len(pairs)
    assert len({fold for pair in pairs for fold in pair}) == n


def test_one_candidate_is_no_choice():
    with pytest.raises(UserError, match="nothing to choose from"):
        crossval.crossval(SMOKE, candidates=["shift=8"])


def test_a_missing_fold_leaves_no_pooled_number():
    lost = sweep.Outcome(replace(SMOKE, split="logo", fold="01"), None, "its disk was full")
    summary = crossval.summarise([lost], [crossval.Fold(lost.config)])
    assert (summary["complete"], summary["accuracy"], summary["interval"]) == (False, None, None)
    assert summary["folds"][0]["status"] == "failed: its disk was full"
    assert crossval.lines(summary)[-1] == "no pooled accuracy: a fold is missing"
    with pytest.raises(RunFailed, match="1 of 1 runs did not succeed"):
        sweep.check([lost])


def test_a_grid_is_read_as_the_command_line_is(tmp_path):
    file = tmp_path / "g.yaml"
    file.write_text(
        "base: {model: c3d, recipe: 2019, health: false, split: logo}\n"
        "grid: {fold: [07, 08], learning_rate: [1e-3, 0.01], target_accuracy: [none]}\n"
    )
    grid = grids.read(file)
    assert len(grid.configs) == 4
    settings = "learning_rate=0.01,target_accuracy=none"
    wanted = RunConfig("c3d", recipe="2019", health=False, split="logo", fold="07", settings=settings)
    assert grid.configs[1] == wanted
    assert grid.points[1] == {"fold": "07", "learning_rate": "0.01", "target_accuracy": "none"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("grid: [", "line 1: "),
        ("base: {model: c3d}", "no grid"),
        ("- c3d", "no grid"),
        ("grid: {seed: [0]}\nbase: {model: c3d}\nworkers: 3", "unknown key workers"),
        ("grid: {seed: [0]}", "no model"),
        ("base: {model: c3d}\ngrid: {colour: [red]}", "grid: unknown field colour"),
        ("base: {model: c3d, colour: red}\ngrid: {seed: [0]}", "base: unknown field colour"),
        ("base: {model: c3d}\ngrid: {seed: 0}", "grid: seed: '0' is not a list"),
        ("base: {model: c3d}\ngrid: {seed: []}", "grid: seed: [] is not a list"),
        ("base: {model: [c3d]}\ngrid: {seed: [0]}", "base: model: ['c3d'] is not one value"),
        ("base: c3d\ngrid: {seed: [0]}", "base: 'c3d' is not a list of fields"),
        ("base: {model: c3d, seed: 0}\ngrid: {seed: [0]}", "seed is in base and in grid"),
        ("base: {model: c3d}\ngrid: {seed: [x]}", "seed=x: 'x' is not a value of type int"),
        ("base: {model: c3d}\ngrid: {seed: [0], seed: [1]}", "key 'seed' stands twice"),
        ("grid: {model: [c3d, resnet]}", "unknown model 'resnet'"),
        ("base: {model: c3d}\ngrid: {init: [zeros]}", "unknown init 'zeros'"),
        ("base: {model: c3d}\ngrid: {init: ['he,epochs=1']}", "init: 'he,epochs=1' is not one value"),
        ("base: {model: c3d}\ngrid: {learning_rate: [fast]}", "learning_rate=fast"),
        ("base: {model: c3d}\ngrid: {split: [logo]}", "split logo holds one group index out"),
    ],
)
def test_a_bad_grid_is_refused(tmp_path, text, says):
    file = tmp_path / "g.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as raised:
        grids.read(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
