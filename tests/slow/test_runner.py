"""Runs in processes and on clusters: the same numbers, whatever is killed."""

import logging
import os
import re
import socket
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.runs import Run, RunConfig
from ucf11lib.runs.parsing import read_json
from ucf11lib.studies import cluster, crossval
from ucf11lib.studies.folds import SELECTED
from ucf11lib.studies.results import Results
from ucf11lib.studies.runner import run_configs
from ucf11lib.training import train

SMOKE = RunConfig.of(model="cnn_lstm", profile="smoke")
SHORT = SMOKE.with_(epochs=1, steps_per_epoch=1)
FOUR = [SMOKE.with_(seed=seed) for seed in range(4)]
KILLED = """
import threading, time
import psutil
from ucf11lib import paths
from ucf11lib.runs import RunConfig
from ucf11lib.studies.runner import run_configs

def kill_first_worker():
    while not list(paths.runs_dir().glob("cnn_lstm-*/config.json")):
        time.sleep(0.02)
    server = [one for one in psutil.Process().children() if "forkserver" in " ".join(one.cmdline())]
    server[0].children()[0].kill()

if __name__ == "__main__":
    thread = threading.Thread(target=kill_first_worker)
    thread.start()
    configs = [RunConfig.of(model="cnn_lstm", profile="smoke", seed=seed) for seed in range(3)]
    runs = run_configs(configs, workers=2, log=lambda line: None)
    thread.join()
    print([type(run).__name__ for run in runs.values()])
"""


def assert_same_numbers(run, other):
    assert run.history.drop(columns="seconds").equals(other.history.drop(columns="seconds"))
    assert np.array_equal(run.predictions["y_prob"], other.predictions["y_prob"])


def test_run_configs_two_workers_have_the_numbers_of_a_single_training():
    lines = []
    runs = run_configs(FOUR, workers=2, log=lines.append)
    assert sorted(line.split()[1] for line in lines) == [f"{config.name}:" for config in FOUR]
    assert sorted(path.name for path in paths.runs_dir().iterdir()) == [one.name for one in FOUR]
    assert_same_numbers(runs[FOUR[1]], train(FOUR[1], paths.runs_dir() / "single"))
    stamps = [(run.path / "metrics.json").stat().st_mtime_ns for run in runs.values()]
    again = run_configs(FOUR, workers=2, log=lines.append)
    assert lines[-1] == "4 of 4 runs are finished already"
    assert [(run.path / "metrics.json").stat().st_mtime_ns for run in again.values()] == stamps


def test_run_configs_killed_worker_costs_no_run_and_leaves_no_file(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", KILLED], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("['Run', 'Run', 'Run']\n", "")
    assert list(tmp_path.iterdir()) == []
    names = sorted(path.name for path in paths.runs_dir().iterdir())
    assert names == [one.name for one in FOUR[:3]]
    for config in FOUR[:3]:
        single = train(config, paths.runs_dir() / f"single{config.seed}")
        assert_same_numbers(Run.open(paths.runs_dir() / config.name), single)


def test_local_workers_obey_only_the_process_that_started_them():
    with cluster._connected(1, "") as client:
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        with pytest.raises(OSError, match=r"TCP|Timed out"):
            Client(address.replace("tls", "tcp"), timeout=2)


def test_study_few_file_descriptors_are_one_line(tmp_path):
    (tmp_path / "g.yaml").write_text("base: {profile: smoke, model: c3d}\ngrid: {seed: [0, 1]}\n")
    study = f"{sys.executable} -m ucf11lib study {tmp_path}/g.yaml --workers 2"
    command = ["bash", "-c", f"ulimit -n 32; {study}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch("error: no worker processes.*\n", done.stderr)


def user_cluster(**options):
    quiet = {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
    return LocalCluster(n_workers=1, **quiet, **options)


def test_run_configs_unusable_scheduler_is_one_line(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 3)
    with user_cluster(threads_per_worker=2, processes=True) as users:
        address = users.scheduler_address
        remedy = f"has 2 threads; start them with 'dask worker {address} --nthreads 1'"
        with pytest.raises(UserError, match=remedy):
            run_configs([SMOKE], scheduler=address)
    with pytest.raises(UserError, match="--scheduler tcp://localhost:9: no Dask scheduler answer"):
        run_configs([SMOKE], scheduler="tcp://localhost:9")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UserError, match=rf"--scheduler {address}: no Dask scheduler answer"):
            run_configs([SMOKE], scheduler=address)
    remedies = {"ws": "no address; give tcp", "inproc": "no address; give tcp"}
    remedies["tls"] = "name the certificates in Dask's configuration"
    for scheme, words in remedies.items():
        with pytest.raises(UserError, match=f"--scheduler {scheme}://localhost:9: .*{words}"):
            run_configs([SMOKE], scheduler=f"{scheme}://localhost:9")
    assert not any(paths.runs_dir().iterdir())


def test_crossval_on_a_users_cluster():
    with user_cluster(threads_per_worker=1, processes=True) as cluster:
        file = crossval(SHORT.with_(groups=3), scheduler=cluster.scheduler_address)
        assert len(cluster.workers) == 1
    table = read_json(file, Results, "").table
    assert table["fold"].tolist() == ["01", "02", "03", "all"]
    assert table["status"].tolist() == ["ok"] * 4


def test_crossval_selects_settings_by_trainings_that_have_not_seen_the_fold():
    config = SHORT.with_(groups=3, health=False)
    tried = ["", "learning_rate=0.01"]
    table = read_json(crossval(config, candidates=tried, workers=1), Results, "").table
    inner = table[table["candidate"].isin(tried)]
    assert len(inner) == 6
    for name, fold in zip(inner["run"], inner["fold"], strict=True):
        sides = pd.read_csv(paths.runs_dir() / name / "split.csv")
        assert not sides["group"].str.endswith(fold).any()
    chosen = table[(table["candidate"] == SELECTED) & (table["fold"] != "all")].set_index("fold")
    for fold, part in inner.groupby("fold"):
        best = part.loc[part["val_loss"].idxmin(), "candidate"]
        assert chosen.loc[fold, "settings"] == best
        run = Run.open(paths.runs_dir() / chosen.loc[fold, "run"])
        assert run.config.recipe.learning_rate == (0.01 if best else 2e-3)
    assert table["fold"].iloc[-1] == "all"
