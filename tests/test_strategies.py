import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ucf11lib import devices, paths, strategies
from ucf11lib.errors import UserError
from ucf11lib.runs import Run

TWO = {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}
SLURM = {
    "SLURM_JOB_ID": "1234567",
    "SLURM_STEP_NODELIST": "n[9-10]",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
    "SLURM_PROCID": "2",
}


@pytest.fixture
def environment(monkeypatch):
    """Set the variables that name the workers, and no others."""

    def set_to(variables):
        for name in ("TF_CONFIG", *SLURM):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_to


def tf_config(cluster, kind="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_one_device_is_what_there_is_without_a_strategy():
    strategy = strategies.make("one")
    assert strategies.described(strategy) == {"strategy": "one", "workers": 1, "replicas": 1}
    assert strategies.worker_of(strategy).chief
    with pytest.raises(UserError, match="unknown strategy 'tpu'; choose one of one, mirrored, multiworker"):
        strategies.make("tpu")


def test_tf_config_names_the_workers_the_chief_first(environment):
    environment(tf_config(TWO, index=1))
    assert strategies.from_environment() == strategies.Worker(("10.0.0.1:2222", "10.0.0.2:2222"), 1)
    environment(tf_config({"worker": ["b:1", "c:1"], "chief": ["a:1"]}, index=1) | SLURM)
    worker = strategies.from_environment()
    assert worker == strategies.Worker(("a:1", "b:1", "c:1"), 2)
    assert (worker.chief, worker.alone) == (False, False)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, ["set TF_CONFIG", '"index": 0', "srun"]),
        ({"TF_CONFIG": "{worker}"}, ["TF_CONFIG: cannot be read (JSONDecodeError", '"cluster"']),
        ({"TF_CONFIG": "[]"}, ["TF_CONFIG: cannot be read", '"cluster"']),
        ({"TF_CONFIG": json.dumps({"cluster": TWO})}, ["TF_CONFIG: cannot be read (KeyError('task'))"]),
        (tf_config({"worker": []}), ["TF_CONFIG: no list of workers"]),
        (tf_config({"worker": ["host1"]}), ["TF_CONFIG: no list of workers, each host:port"]),
        (tf_config(TWO, index=2), ["its task is worker 2", "worker 0, worker 1", "its own type and index"]),
        (tf_config(TWO, kind="ps"), ["its task is ps 0"]),
        ({"SLURM_PROCID": "0"}, ["not in a Slurm step", "srun"]),
        (SLURM | {"SLURM_STEP_NODELIST": "n[9-"}, ["not in a Slurm step", "n[9-"]),
    ],
)
def test_an_environment_that_does_not_name_the_workers_is_refused_in_one_line(environment, variables, words):
    environment(variables)
    with pytest.raises(UserError) as refused:
        strategies.from_environment()
    assert "\n" not in str(refused.value)
    for word in words:
        assert word in str(refused.value)


def test_a_slurm_step_names_the_workers_in_the_order_of_its_tasks(environment):
    """Slurm numbers n9 before n10, TensorFlow's resolver sorts them as text."""
    environment(SLURM)
    worker = strategies.from_environment()
    assert worker == strategies.Worker(("n9:24567", "n9:24568", "n10:24567"), 2)


def test_the_worker_that_an_error_is_about_is_the_last_that_it_names():
    heard = "from /task:2 while calling RecvBuf: Socket closed, from /job:worker/replica:0/task:1"
    assert strategies.named_in(heard, own=0) == 1
    assert (
        strategies.named_in("on device /job:worker/replica:0/task:2: RPC: /tensorflow.CoordinationService/Heartbeat", 2)
        == 0
    )
    assert strategies.named_in("{{node /task:1/add}}: assertion failed", own=1) is None


def test_the_slurm_script_of_the_readme_is_bash(tmp_path):
    (script,) = re.findall(r"```bash\n(#!.*?)```", (paths.ROOT / "README.md").read_text(), re.DOTALL)
    assert "srun" in script
    assert "--strategy multiworker" in script
    assert "--resume" in script
    (tmp_path / "job.sh").write_text(script)
    subprocess.run(["bash", "-n", tmp_path / "job.sh"], check=True)


def test_a_worker_that_meets_the_others_and_does_not_join_them_ends_them_with_one_line():
    """The chief here answers, as one does that hangs, and says nothing; TensorFlow lets no signal through meanwhile."""
    program = "from ucf11lib import strategies; strategies.JOINED = 3; strategies.make('multiworker')"
    with socket.create_server(("127.0.0.1", 0)) as deaf, socket.create_server(("127.0.0.1", 0)) as free:
        addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in (deaf, free)]
        free.close()
        environment = os.environ | tf_config({"worker": addresses}, index=1)
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == (
        f"error: worker 1 ({addresses[1]}) could not join the others within 3 seconds, though all were there; "
        "start all of them again\n"
    )


@pytest.fixture(scope="module")
def alike(store, tmp_path_factory) -> Path:
    """The folder of two runs: `one` on a device, `mirrored` on two."""
    folder = tmp_path_factory.mktemp("alike")
    devices.one_and_mirrored(store, folder)
    return folder


@pytest.mark.slow
def test_two_devices_of_a_machine_have_the_losses_of_one(alike):
    """To 1e-4, not to the bit: two halves of a batch add up in another order, and each step carries that on."""
    one, two = devices.losses(alike / "one"), devices.losses(alike / "mirrored")
    assert len(one) == devices.STEPS
    assert two == pytest.approx(one, rel=1e-4)
    config = Run.open(alike / "mirrored").config
    assert (config["strategy"], config["workers"], config["replicas"]) == ("mirrored", 1, 2)


@pytest.mark.slow
def test_a_lost_worker_ends_the_others_and_fewer_go_on_to_the_losses_of_one(alike, store, tmp_path):
    """Three workers by $TF_CONFIG up to the loss of one, two by Slurm's variables from there; to 1e-4, as above."""
    run = tmp_path / "r"
    with devices.workers(3, store, run) as processes:
        seconds, others = devices.kill_one(processes, 1, run, 5)
    steps = len(devices.losses(run))
    assert 5 <= steps < devices.STEPS
    assert seconds < 60
    for code, _, error in others:
        assert code == 1, error
        assert re.fullmatch(r"error: worker 1 \(127.0.0.1:\d+\) is gone, .* with --resume\n", error)
    (_, first, _), (_, second, _) = others
    assert first.startswith("waiting for the other workers: 127.0.0.1:")
    assert second == ""
    with devices.workers(2, store, run, "--resume", slurm=True) as processes:
        said = devices.finish(processes)
    assert [code for code, _, _ in said] == [0, 0], said
    assert f"resuming after epoch {steps}\n" in said[0][1]
    assert said[1][1:] == ("", "")
    assert devices.losses(run) == pytest.approx(devices.losses(alike / "one"), rel=1e-4)
    found = Run.open(run)
    assert found.config["workers"] == 2
    assert np.array_equal(found.predictions["index"], Run.open(alike / "one").predictions["index"])
    assert sorted(path.name for path in run.iterdir()) == sorted(path.name for path in (alike / "one").iterdir())
