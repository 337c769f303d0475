"""A name -> where a training computes: one device, all GPUs of a machine, or several machines.

The recipe's batch is that of all replicas together, so a training's numbers do not depend on the choice, except in the
last digits: sums over replicas add up in another order.
"""

import contextlib
import faulthandler
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ucf11lib.backend import tf
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.recipes import check

NAMES = ("one", "mirrored", "multiworker")
EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
PATIENCE = 600  # seconds: until all workers are there; a cluster may start them one after another
JOINED = 120  # seconds: that they need to become one cluster, once they are all there
NOTICED = 15  # seconds: a worker that gives up waits until the others have noticed who is gone, or it would be blamed
GRACE = 30  # seconds: TensorFlow's destructors may wait for a dead worker, and for ever
# What a collective operation raises when a worker is gone; which one depends on who notices first.
GONE = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
)


@dataclass(frozen=True)
class Worker:
    """One of the processes that train together.

    Attributes:
        addresses: `host:port` of all of them, in their order.
        index: this one's place; worker 0 is the chief, which alone writes.
    """

    addresses: tuple[str, ...] = ("",)
    index: int = 0

    @property
    def chief(self) -> bool:
        """Whether this is the worker that writes."""
        return self.index == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return len(self.addresses) == 1


def make(name: str, say: Callable[[str], None] = print) -> tf.distribute.Strategy:
    """Return the strategy called `name`; it has to be made before TensorFlow's first operation.

    Args:
        name: `one` device; `mirrored` over all GPUs, or logical CPU devices where there is none; or `multiworker`, one
            of several processes, as $TF_CONFIG or the variables of a Slurm step say. Each waits for the others.
        say: gets a line from the chief before it waits.

    Raises:
        UserError: an unknown name, or an environment that does not say who the workers are.
        RunFailed: the workers do not come together.
    """
    check(name, NAMES, "strategy")
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    worker = from_environment()
    if not worker.alone:
        if worker.chief:
            say(f"waiting for the other workers: {', '.join(worker.addresses[1:])}")
        _meet(worker)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": worker.addresses}),
        task_type="worker",
        task_id=worker.index,
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
        rpc_layer="grpc",
    )
    who = f"worker {worker.index} ({worker.addresses[worker.index]}) could not join the others"
    try:
        with _in_time(JOINED, f"{who} within {JOINED} seconds, though all were there; start all of them again"):
            return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except (tf.errors.OpError, RuntimeError) as error:
        raise RunFailed(f"{who}: {str(error).splitlines()[0]}") from None


@contextlib.contextmanager
def _in_time(seconds: float, complaint: str) -> Iterator[None]:
    """End this process with one line, and exit code 1, if the block takes longer.

    TensorFlow waits with the interpreter locked, which no thread or signal handler gets past. What does is the thread
    that `faulthandler` has; but all that it can say is a traceback, so another process reads that and says the line.
    """
    program = "import sys; sys.stdin.buffer.read(1) and print('error:', sys.argv[1], file=sys.stderr)"
    with subprocess.Popen([sys.executable, "-c", program, complaint], stdin=subprocess.PIPE) as speaker:
        faulthandler.dump_traceback_later(seconds, exit=True, file=speaker.stdin)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _meet(worker: Worker) -> None:
    """Wait until all workers are there. TensorFlow would, too, but no signal ends that, and it names nobody.

    Raises:
        UserError: this worker's port is taken.
        RunFailed: a worker does not come.
    """
    port, end = int(worker.addresses[worker.index].rpartition(":")[2]), time.monotonic() + PATIENCE
    try:
        listening = socket.create_server(("", port))
    except OSError as error:
        raise UserError(f"port {port} of worker {worker.index}: {error.strerror}; give it another") from None
    with listening:
        for index, address in enumerate(worker.addresses):
            host, _, port = address.rpartition(":")
            while index != worker.index and not _answers(host, int(port)):
                if time.monotonic() > end:
                    raise RunFailed(f"worker {index} ({address}) did not come within {PATIENCE // 60} minutes; "
                                    "see its own output, and whether it can be reached from here")  # fmt: skip
                time.sleep(0.2)


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def worker_of(strategy: tf.distribute.Strategy) -> Worker:
    """Return which worker of `strategy` this process is; there is only one unless it is `multiworker`."""
    resolver = getattr(strategy, "cluster_resolver", None)
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return Worker()
    return Worker(tuple(resolver.cluster_spec().job_tasks("worker")), resolver.task_id)


def described(strategy: tf.distribute.Strategy) -> dict:
    """Return `strategy` (its name), `workers` and `replicas`, for `config.json`."""
    kinds = {"MirroredStrategy": "mirrored", "CollectiveAllReduceStrategy": "multiworker"}
    return {
        "strategy": kinds.get(type(strategy).__name__, "one"),
        "workers": len(worker_of(strategy).addresses),
        "replicas": strategy.num_replicas_in_sync,
    }


def from_environment() -> Worker:
    """Return which worker of whom this process is to be, by $TF_CONFIG or, without it, the variables of a Slurm step.

    Raises:
        UserError: they do not say.
    """
    if "TF_CONFIG" in os.environ:
        return _from_tf_config(os.environ["TF_CONFIG"])
    if "SLURM_PROCID" in os.environ:
        return _from_slurm()
    raise UserError(f"strategy multiworker: set TF_CONFIG for each worker, such as '{EXAMPLE}', or start it with srun")


def _from_tf_config(text: str) -> Worker:
    """Read who the workers are; a `chief` that is listed apart comes first."""
    try:
        found = json.loads(text)
        own = found["task"]["type"], int(found["task"]["index"])
        cluster = found["cluster"]
        tasks = [(kind, i, address) for kind in ("chief", "worker") for i, address in enumerate(cluster.get(kind, []))]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"TF_CONFIG: cannot be read ({error!r}); set it to something like '{EXAMPLE}'") from None
    addresses = tuple(address for _, _, address in tasks)
    if not addresses or not all(re.fullmatch(r".+:\d+", str(address)) for address in addresses):
        raise UserError(f"TF_CONFIG: no list of workers, each host:port; set it to something like '{EXAMPLE}'")
    places = [(kind, index) for kind, index, _ in tasks]
    if own not in places:
        known = ", ".join(f"{kind} {index}" for kind, index in places)
        raise UserError(f"TF_CONFIG: its task is {own[0]} {own[1]}, and the cluster has {known}; "
                        "give each worker its own type and index")  # fmt: skip
    return Worker(addresses, places.index(own))


def _from_slurm() -> Worker:
    """Read the variables of a Slurm step by TensorFlow's own resolver.

    It is told of one GPU a task, which it may not set: it cannot do without, and which a task sees is Slurm's to say.
    The ports follow from the job's number, since two jobs may share a node. It sorts node10 before node9, where Slurm
    numbers its tasks the other way.
    """
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver
    try:
        tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
        port = 20000 + int(os.environ["SLURM_JOB_ID"]) % 10000
        found = resolver(port_base=port, gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False)
        addresses = found.cluster_spec().job_tasks("worker")
    except (KeyError, RuntimeError, ValueError) as error:
        raise UserError(f"strategy multiworker: not in a Slurm step ({error}); start it with srun") from None
    numbered = [re.split(r"(\d+)", address) for address in addresses]
    numbered.sort(key=lambda parts: [int(part) if part.isdigit() else part for part in parts])
    return Worker(tuple("".join(parts) for parts in numbered), int(os.environ["SLURM_PROCID"]))


@contextlib.contextmanager
def together(strategy: tf.distribute.Strategy) -> Iterator[Worker]:
    """Let no worker of `strategy` leave the block before the others have come to its end.

    TensorFlow notices a worker that is killed, hangs or cannot be reached within about 10 seconds, and lets the others'
    next exchange fail.

    Raises:
        RunFailed: another worker is gone; the process ends within `GRACE` seconds then, whatever it waits for.
    """
    worker = worker_of(strategy)
    try:
        yield worker
        total(strategy, np.zeros(1, np.float32))
    except BaseException as error:
        if worker.alone:
            raise
        faulthandler.dump_traceback_later(GRACE, exit=True, file=open(os.devnull, "w"))  # noqa: SIM115 - it keeps it
        gone = _gone(error.message, worker) if isinstance(error, GONE) else None
        if gone is None:
            raise
        if len(worker.addresses) > 2:
            time.sleep(NOTICED)
        raise RunFailed(
            f"worker {gone} ({worker.addresses[gone]}) is gone, and worker {worker.index} ends with it; its own output "
            "says why; the last checkpoint is whole: start all workers, as many or others, with --resume"
        ) from None


def _gone(message: str, worker: Worker) -> int | None:
    """Return which other worker is gone, None if the error is about none.

    The message may name a neighbour that gave up for the same reason. That one still listens, and the one that is gone
    does not, unless it was stopped: TensorFlow's heartbeat names it then.
    """
    if (named := named_in(message, worker.index)) is None:
        return None
    places = [address.rpartition(":") for address in worker.addresses]
    deaf = [i for i, (host, _, port) in enumerate(places) if i != worker.index and not _answers(host, int(port))]
    return named if named in deaf or not deaf else deaf[0]


def named_in(message: str, own: int) -> int | None:
    """Return the other worker that a message names last, which is the cause; None if it names none.

    The chief is not named: it is the one who tells who is well, and it no longer answers.
    """
    others = [int(index) for index in re.findall(r"/task:(\d+)", message) if int(index) != own]
    return others[-1] if others else 0 if "CoordinationService" in message and own else None


def total(strategy: tf.distribute.Strategy, values: np.ndarray) -> np.ndarray:
    """Return the sum of all workers' `values`, float32 of one shape; each has it when all have come here."""
    if worker_of(strategy).alone:
        return values
    return strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(values), axis=None).numpy()
