"""Where a training computes: one device, all GPUs of a machine, or several machines.

Its numbers differ in the last digits only, since sums over replicas add up in another order; with
dropout they differ more, since each replica draws the masks of its own part.
"""

from __future__ import annotations  # TensorFlow may be missing, see `backend`

import contextlib
import faulthandler
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from ucf11lib.backend import tf
from ucf11lib.errors import RunFailed, UserError, end_within
from ucf11lib.runs.parsing import check_name
from ucf11lib.training.addresses import Worker, from_environment

WAIT_SECONDS = 600  # for all workers to start; a cluster may start them one after another
JOIN_SECONDS = 120  # for workers that have all started to become one cluster
NOTICE_SECONDS = 15  # a worker that ends waits for the others to notice which one is gone
EXIT_SECONDS = 30
SPEAK = "import sys; sys.stdin.buffer.read(1) and print('error:', sys.argv[1], file=sys.stderr)"


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Return a strategy; call it before TensorFlow's first operation.

    `name` is `one` device; `mirrored`: all GPUs, or logical CPU devices without a GPU; or
    `multiworker`: one of several processes, as $TF_CONFIG or a Slurm step's variables say; their
    chief prints a line before it waits for the others. Raises a `UserError` for an unknown name or
    an environment that does not say who the workers are, a `RunFailed` if they do not join.
    """
    check_name(name, ("one", "mirrored", "multiworker"), "strategy")
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    worker = from_environment()
    if worker.others and worker.chief:
        print(f"waiting for the other workers: {', '.join(worker.addresses[1:])}")
    _meet(worker)
    devices = {"GPU": len(tf.config.list_physical_devices("GPU"))}
    place = {"task_type": "worker", "task_id": worker.index, "rpc_layer": "grpc"}
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": worker.addresses}), num_accelerators=devices, **place
    )
    failed = f"worker {worker.index} ({worker.addresses[worker.index]}) could not join the others"
    try:
        with _time_limit(f"{failed} within {JOIN_SECONDS} seconds, though all had started"):
            strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except (tf.errors.OpError, RuntimeError) as error:
        raise RunFailed(f"{failed}: {str(error).splitlines()[0]}") from None
    # TensorFlow has put a handler of its own, which ends nothing, in the place of Python's.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    return strategy


@contextlib.contextmanager
def _time_limit(message: str) -> Iterator[None]:
    """End this process with one line, and exit code 1, if the block takes `JOIN_SECONDS`."""
    # TensorFlow waits with the interpreter locked: only `faulthandler`'s thread still runs, and
    # that writes a traceback. A child process reads it and prints the line.
    command = [sys.executable, "-c", SPEAK, f"{message}; start all of them again"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        faulthandler.dump_traceback_later(JOIN_SECONDS, exit=True, file=child.stdin)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _meet(worker: Worker) -> None:
    """Wait until all workers have started: TensorFlow's wait hears no signal and names nobody."""
    end = time.monotonic() + WAIT_SECONDS
    host, _, port = worker.addresses[worker.index].rpartition(":")
    try:  # TensorFlow would wait for a name that nobody knows
        socket.getaddrinfo(host, port)
    except OSError as error:
        where = f"{host}: {error.strerror}; name it as the other machines do"
        raise UserError(f"worker {worker.index}: {where}") from None
    if not re.fullmatch(r"localhost|[\d.]+", host):
        host = ""  # a machine may know its own name as a loopback address
    try:
        listening = socket.create_server((host, int(port)))
    except OSError as error:
        where = f"{host or 'all addresses'}, port {port}"
        raise UserError(f"worker {worker.index}: {where}: {error.strerror}; change it") from None
    with listening:
        for index in worker.others:
            address = worker.addresses[index]
            while not _answers(address):
                if time.monotonic() > end:
                    raise RunFailed(f"worker {index} ({address}) did not start within "
                                    f"{WAIT_SECONDS} seconds, or cannot be reached")  # fmt: skip
                time.sleep(0.2)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=5):
        return True
    return False


def worker_of(strategy: tf.distribute.Strategy) -> Worker:
    """Return which worker of `strategy` this process is; only `multiworker` has several."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return Worker()
    resolver = strategy.cluster_resolver
    return Worker(tuple(resolver.cluster_spec().job_tasks("worker")), resolver.task_id)


def description(strategy: tf.distribute.Strategy) -> dict:
    """Return `strategy` (its name), `workers` and `replicas`, for `config.json`."""
    kinds = {"MirroredStrategy": "mirrored", "CollectiveAllReduceStrategy": "multiworker"}
    name, workers = kinds.get(type(strategy).__name__, "one"), len(worker_of(strategy).addresses)
    return {"strategy": name, "workers": workers, "replicas": strategy.num_replicas_in_sync}


@contextlib.contextmanager
def together(strategy: tf.distribute.Strategy) -> Iterator[Worker]:
    """Let no worker of `strategy` leave the block before the others have come to its end.

    The others raise a `RunFailed` some 10 seconds after one is killed, hangs or cannot be reached.
    """
    worker = worker_of(strategy)
    try:
        yield worker
        total(strategy, np.zeros(1, np.float32))
    except BaseException as error:
        if not worker.others:
            raise
        end_within(EXIT_SECONDS)
        gone = gone_worker(error.message, worker) if isinstance(error, tf.errors.OpError) else None
        if gone is None:
            raise
        if len(worker.others) > 1:
            time.sleep(NOTICE_SECONDS)
        raise RunFailed(f"worker {gone} ({worker.addresses[gone]}) is gone, and worker "
                        f"{worker.index} ends with it; its own output has the reason; start all "
                        "workers, as many or others, with --resume") from None  # fmt: skip


def gone_worker(message: str, worker: Worker) -> int | None:
    """Return the other worker whose end is the cause of TensorFlow's `message`; None if none is."""
    named = [int(index) for index in re.findall(r"/task:(\d+)", message)]
    others = [index for index in named if index != worker.index]
    if not others and "CoordinationService" in message and not worker.chief:
        others = [0]  # a failing coordination service is that of the chief, whom it does not name
    if not others:
        return None
    # The last one that is named may be a neighbour that ends for the same reason. That one still
    # listens, and the one that is gone does not, unless it was stopped and the heartbeat names it.
    silent = [index for index in worker.others if not _answers(worker.addresses[index])]
    return others[-1] if others[-1] in silent or not silent else silent[0]


def total(strategy: tf.distribute.Strategy, values: np.ndarray) -> np.ndarray:
    """Return the sum of all workers' `values`, float32 of one shape, when all have come here."""
    if not worker_of(strategy).others:
        return values
    return strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(values), axis=None).numpy()
