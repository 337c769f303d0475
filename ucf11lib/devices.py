"""One training on one device, on two of one machine, and by several processes of this machine: are they the same?"""

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ucf11lib.data.store import ClipStore

STEPS = 20
PORTS = range(20000, 30000)  # below those that the kernel gives to clients; strategies takes them under Slurm
TIMEOUT = 600  # seconds
# One process trains twice: on one device, and on two logical ones, which cannot be made from outside.
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


def training(store: ClipStore) -> list[str]:
    """Return the `train` command of the comparison; an epoch is a step, so that each step's loss is on record.

    A batch of 12 can be shared by 1, 2 and 3 replicas, without anything random on the devices.
    """
    settings = [f"epochs={STEPS}", "steps_per_epoch=1", "batch_size=12", "dropout=0"]
    options = [word for setting in settings for word in ("--set", setting)]
    return ["train", "cnn_lstm", "--profile", "smoke", "--store", str(store.path), *options]


def one_and_mirrored(store: ClipStore, folder: Path) -> None:
    """Train in `folder` on one device, as run `one`, and on two logical processors, as run `mirrored`."""
    command = [sys.executable, "-c", TWO_DEVICES, *training(store)]
    subprocess.run(command, cwd=folder, env=_environment(), stdout=subprocess.DEVNULL, check=True, timeout=TIMEOUT)


@contextlib.contextmanager
def workers(count: int, store: ClipStore, run: Path, *more: str, slurm: bool = False) -> Iterator[list]:
    """Start the comparison's training as `count` processes; none of them survives the block.

    Args:
        count: how many.
        store, run: the data, and the run folder of all.
        more: further words of the command.
        slurm: tell them of each other as a Slurm step does, otherwise by $TF_CONFIG.
    """
    command = [
        sys.executable,
        "-m",
        "ucf11lib",
        *training(store),
        "--run",
        str(run),
        "--strategy",
        "multiworker",
        *more,
    ]
    describe, pipe, processes = slurm_step if slurm else tf_config, subprocess.PIPE, []
    with contextlib.ExitStack() as stack:
        for variables in describe(free_port(count), count):
            process = subprocess.Popen(command, env=_environment(variables), stdout=pipe, stderr=pipe, text=True)
            processes.append(stack.enter_context(process))
            stack.callback(process.kill)
        yield processes


def tf_config(port: int, count: int) -> list[dict[str, str]]:
    """Return the variables of each of `count` workers on this machine, on ports `port`, `port + 1`, ..."""
    cluster = {"worker": [f"127.0.0.1:{port + index}" for index in range(count)]}
    tasks = [{"type": "worker", "index": index} for index in range(count)]
    return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]


def slurm_step(port: int, count: int) -> list[dict[str, str]]:
    """Return the variables with which `srun` would start each of `count` tasks on this machine."""
    step = {
        "SLURM_JOB_ID": str(port - PORTS.start),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_TASKS": str(count),
        "SLURM_STEP_TASKS_PER_NODE": str(count),
    }
    return [step | {"SLURM_PROCID": str(index)} for index in range(count)]


def free_port(count: int) -> int:
    """Return the first of `count` ports in a row that nobody listens on."""
    while True:
        port = random.SystemRandom().choice(PORTS[:-count])
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for number in range(port, port + count):
                stack.enter_context(socket.socket()).bind(("", number))
            return port


def _environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    others = ("TF_CONFIG", "SLURM_", "TF_CPP_MIN_LOG_LEVEL")  # the last is this process's own, set by `backend`
    own = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return own | dict(variables or {})


def losses(run: Path) -> np.ndarray:
    """Return the loss of each step so far: float64 (steps,), empty before the first."""
    with contextlib.suppress(FileNotFoundError):
        return pd.read_csv(run / "history.csv")["loss"].to_numpy()
    return np.zeros(0)


def deviation(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest relative difference between two runs' losses."""
    return float(np.max(np.abs(found - wanted) / wanted))


def finish(processes: Sequence[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """Wait for processes; return code, standard output and standard error of each."""
    said = [process.communicate(timeout=TIMEOUT) for process in processes]
    return [(process.returncode, *both) for process, both in zip(processes, said, strict=True)]


def kill_one(processes: Sequence[subprocess.Popen], which: int, run: Path, steps: int) -> tuple[float, list]:
    """Kill a worker after so many steps; return the seconds until the others ended, and what `finish` tells of them."""
    while len(losses(run)) < steps and all(process.poll() is None for process in processes):
        time.sleep(0.05)
    processes[which].kill()
    start = time.monotonic()
    others = finish([process for process in processes if process is not processes[which]])
    return time.monotonic() - start, others


def measure(store: ClipStore) -> dict:
    """Return a row for each kind of replicas, with the largest deviation of its losses, and what a lost worker does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one_and_mirrored(store, folder)
        rows, wanted = [_row("mirrored", 2, folder / "mirrored", losses(folder / "one"))], losses(folder / "one")
        for count in (2, 3):
            with workers(count, store, folder / f"w{count}") as processes:
                finish(processes)
            rows.append(_row("multiworker", count, folder / f"w{count}", wanted))
        with workers(3, store, folder / "killed") as processes:
            seconds, others = kill_one(processes, 1, folder / "killed", STEPS // 4)
        steps = len(losses(folder / "killed"))
        with workers(2, store, folder / "killed", "--resume", slurm=True) as processes:
            codes = [code for code, _, _ in finish(processes)]
        lost = {"workers": 3, "killed": 1, "steps": steps, "seconds": seconds, "codes": [code for code, _, _ in others],
                "line": others[0][2].strip(), "resumed_with": 2, "resumed_codes": codes,
                "deviation": deviation(losses(folder / "killed"), wanted)}  # fmt: skip
    return {"source": store.kind, "steps": STEPS, "rows": rows, "lost": lost}


def _row(kind: str, replicas: int, run: Path, wanted: np.ndarray) -> dict:
    found = losses(run)
    return {"kind": kind, "replicas": replicas, "steps": len(found), "deviation": deviation(found, wanted)}
