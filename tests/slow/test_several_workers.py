"""Trainings on several devices and by several processes have the losses of one."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest

from ucf11lib.runs import Run

STEPS = 10
PORTS = range(20000, 30000)  # below those that the kernel gives to clients; Slurm jobs use them
TIMEOUT = 300  # seconds
# An epoch is a step, so that each step's loss is on record. A batch of 12 can be shared by 1, 2
# and 3 replicas, and nothing on the devices is random.
SETTINGS = (f"epochs={STEPS}", "steps_per_epoch=1", "batch_size=12", "dropout=0")
JOIN = "from ucf11lib.training import workers; workers.JOIN_SECONDS = 3; "
JOIN += "workers.make_strategy('multiworker')"
TERMINATE = JOIN + "; import os, time; os.kill(os.getpid(), 15); time.sleep(60)"
# Logical devices cannot be made from outside of a process.
TWO_DEVICES = """
import sys
from ucf11lib.backend import tf
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
from ucf11lib.__main__ import main
for strategy in ("one", "mirrored"):
    code = main([*sys.argv[1:], "--run", strategy, "--strategy", strategy])
sys.exit(code)
"""


def arguments(store):
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    size = ["--profile", "smoke", "--precision", "float32"]
    return ["train", "cnn_lstm", *size, "--store", str(store.path), *settings]


def environment(**variables):
    """This process's environment, without what `backend` or a cluster has set."""
    foreign = ("TF_CONFIG", "SLURM_", "TF_CPP_MIN_LOG_LEVEL")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return own | variables


@contextlib.contextmanager
def workers(count, store, run, *more, variables):
    """Start the training as `count` processes; none of them survives the block."""
    command = [sys.executable, "-m", "ucf11lib", *arguments(store), "--run", str(run)]
    command += ["--strategy", "multiworker", *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = []
    try:
        for own in variables(free_port(count), count):
            processes.append(subprocess.Popen(command, env=environment(**own), **pipes))
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def tf_config(port, count):
    """The variables of each of `count` workers on this machine, on ports from `port` on."""
    cluster = {"worker": [f"127.0.0.1:{port + index}" for index in range(count)]}
    tasks = [{"type": "worker", "index": index} for index in range(count)]
    return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]


def slurm_step(port, count):
    """The variables with which `srun` would start each of `count` tasks on this machine."""
    step = {
        "SLURM_JOB_ID": str(port - PORTS.start),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_TASKS": str(count),
        "SLURM_STEP_TASKS_PER_NODE": str(count),
    }
    return [step | {"SLURM_PROCID": str(index)} for index in range(count)]


def free_port(count):
    """The first of `count` ports in a row on which nobody listens."""
    while True:
        port = random.SystemRandom().choice(PORTS[:-count])
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for number in range(port, port + count):
                stack.enter_context(socket.socket()).bind(("", number))
            return port


def losses(run):
    with contextlib.suppress(FileNotFoundError):
        return pd.read_csv(run / "history.csv")["loss"].to_numpy()
    return np.zeros(0)


def finish(process):
    """Wait for a process; return its code, standard output and standard error."""
    output, error = process.communicate(timeout=TIMEOUT)
    return process.returncode, output, error


@pytest.fixture(scope="module")
def alike(store, tmp_path_factory):
    """The folder of two runs: `one` on a device, `mirrored` on two logical ones."""
    folder = tmp_path_factory.mktemp("alike")
    command = [sys.executable, "-c", TWO_DEVICES, *arguments(store)]
    options = {"stdout": subprocess.DEVNULL, "check": True, "timeout": TIMEOUT}
    subprocess.run(command, cwd=folder, env=environment(), **options)
    return folder


def test_mirrored_has_the_losses_of_one(alike):
    """To 1e-4, not to the bit: two halves of a batch add up in another order."""
    one, two = losses(alike / "one"), losses(alike / "mirrored")
    assert len(one) == STEPS
    assert two == pytest.approx(one, rel=1e-4)
    data = Run.open(alike / "mirrored").data
    assert (data.strategy, data.workers, data.replicas) == ("mirrored", 1, 2)


def test_lost_worker_ends_the_others_and_fewer_resume_to_the_losses_of_one(alike, store, tmp_path):
    """Three workers by $TF_CONFIG until one is killed, two by Slurm's variables from there."""
    run = tmp_path / "r"
    with workers(3, store, run, variables=tf_config) as processes:
        while len(losses(run)) < 3 and all(process.poll() is None for process in processes):
            time.sleep(0.05)
        processes[1].kill()
        start = time.monotonic()
        (*_, error), (code, output, other_error) = finish(processes[0]), finish(processes[2])
        assert time.monotonic() - start < 60
    steps = len(losses(run))
    assert 3 <= steps < STEPS
    assert (code, output) == (1, "")
    for line in (error, other_error):
        assert re.fullmatch(r"error: worker 1 \(127.0.0.1:\d+\) is gone, .* with --resume\n", line)
    with workers(2, store, run, "--resume", variables=slurm_step) as processes:
        (code, output, _), silent = finish(processes[0]), finish(processes[1])
    assert (code, *silent) == (0, 0, "", "")
    assert output.startswith("waiting for the other workers: localhost:")
    assert f"resuming after epoch {steps}\n" in output
    assert losses(run) == pytest.approx(losses(alike / "one"), rel=1e-4)
    resumed, one = Run.open(run), Run.open(alike / "one")
    assert (resumed.data.workers, one.data.workers) == (2, 1)
    assert np.array_equal(resumed.predictions["index"], one.predictions["index"])
    assert sorted(os.listdir(resumed.path)) == sorted(os.listdir(one.path))


def test_make_strategy_leaves_sigterm_to_python():
    """TensorFlow would take it for itself, and end nothing."""
    (variables,) = tf_config(free_port(1), 1)
    command = [sys.executable, "-c", TERMINATE]
    done = subprocess.run(command, env=environment(**variables), check=False, timeout=50)
    assert done.returncode == -signal.SIGTERM


@pytest.fixture
def joining():
    """Two addresses, of which the chief's answers, and the variables of worker 1."""
    with socket.create_server(("127.0.0.1", 0)) as chief:
        addresses = [f"127.0.0.1:{port}" for port in (chief.getsockname()[1], free_port(1))]
        task = {"type": "worker", "index": 1}
        variables = {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task})}
        yield chief, addresses[1], environment(**variables)


def test_make_strategy_ends_with_one_line_if_a_worker_does_not_join(joining):
    """The chief answers, as one does that hangs; TensorFlow hears no signal meanwhile."""
    _, own, variables = joining
    command = [sys.executable, "-c", JOIN]
    options = {"capture_output": True, "text": True, "check": False, "timeout": 60}
    done = subprocess.run(command, env=variables, **options)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: worker 1 ({own}) could not join the others within 3 seconds, though all had "
        "started; start all of them again\n"
    )


def test_make_strategy_waits_on_its_own_address_only(joining):
    chief, own, variables = joining
    chief.close()
    listening = set()
    with subprocess.Popen([sys.executable, "-c", JOIN], env=variables) as process:
        while not listening:
            assert process.poll() is None
            connections = psutil.Process(process.pid).net_connections("tcp")
            listening = {f"{one.laddr.ip}:{one.laddr.port}" for one in connections}
        process.kill()
    assert listening == {own}
