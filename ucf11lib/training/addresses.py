"""Who trains together: the workers' addresses, as TensorFlow's or Slurm's variables tell them."""

import os
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from ucf11lib.backend import tf
from ucf11lib.errors import UserError
from ucf11lib.text import natural_key

EXAMPLE = 'set it to something like {"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
EXAMPLE += '"task": {"type": "worker", "index": 0}}'
Task = msgspec.defstruct("Task", [("type", str), ("index", int)])
TFConfig: Any = msgspec.defstruct("TFConfig", [("cluster", dict[str, list[str]]), ("task", Task)])


@dataclass(frozen=True)
class Worker:
    """One of the processes that train together: `host:port` of all, and this one's place."""

    addresses: tuple[str, ...] = ("",)
    index: int = 0

    @property
    def chief(self) -> bool:
        """Whether this is worker 0, which alone writes."""
        return self.index == 0

    @property
    def others(self) -> list[int]:
        """The places of the other workers."""
        return [index for index in range(len(self.addresses)) if index != self.index]


def from_environment() -> Worker:
    """Return which worker this process is to be; raise a `UserError` if nothing says so."""
    if "TF_CONFIG" in os.environ:
        return _from_tf_config(os.environ["TF_CONFIG"])
    if "SLURM_PROCID" in os.environ:
        return _from_slurm()
    raise UserError(f"strategy multiworker: no TF_CONFIG; {EXAMPLE}, or start it with srun")


def _from_tf_config(text: str) -> Worker:
    """Read who the workers are; a `chief` that is listed apart comes first."""
    try:
        parsed = msgspec.json.decode(text, type=TFConfig)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise UserError(f"TF_CONFIG: {error}; {EXAMPLE}") from None
    lists = {kind: parsed.cluster.get(kind, []) for kind in ("chief", "worker")}
    tasks = {f"{kind} {i}": one for kind, some in lists.items() for i, one in enumerate(some)}
    if not 0 < len(set(filter(_is_address, tasks.values()))) == len(tasks):
        raise UserError(f"TF_CONFIG: no list of workers, each another host:port; {EXAMPLE}")
    own = f"{parsed.task.type} {parsed.task.index}"
    if own not in tasks:
        raise UserError(f"TF_CONFIG: its task is {own}, and the cluster has {', '.join(tasks)}; "
                        "give each worker its own type and index")  # fmt: skip
    return Worker(tuple(tasks.values()), list(tasks).index(own))


def _is_address(text: str) -> bool:
    """Return whether a text is host:port, with a port that exists."""
    match = re.fullmatch(r"(?:[\w-]{1,63}\.)*[\w-]{1,63}:(\d{1,5})", text, re.ASCII)
    return match is not None and 0 < int(match[1]) < 1 << 16


def _from_slurm() -> Worker:
    """Read a Slurm step's variables with TensorFlow's resolver."""
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver
    try:
        tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
        nodes = " ".join(re.findall(r"\[(.*?)\]", os.environ["SLURM_STEP_NODELIST"]))
        if any(int(end) - int(one) >= tasks for one, end in re.findall(r"(\d+)-(\d+)", nodes)):
            raise ValueError("more nodes than tasks")
        each = os.environ.get("SLURM_STEP_TASKS_PER_NODE", "")
        if any(int(number) > tasks for number in re.findall(r"\d+", each)):
            raise ValueError(f"SLURM_STEP_TASKS_PER_NODE={each} of {tasks} tasks")
        # two jobs may share a machine, and have other numbers
        port = 20000 + int(os.environ["SLURM_JOB_ID"]) % 10000
        # the resolver has to be told of a GPU a task, which it may not set
        gpus = {"gpus_per_node": tasks, "gpus_per_task": 1, "auto_set_gpu": False}
        addresses = resolver(port_base=port, **gpus).cluster_spec().job_tasks("worker")
        index = int(os.environ["SLURM_PROCID"])
        if index not in range(len(addresses)) or not all(map(_is_address, addresses)):
            raise ValueError(f"SLURM_PROCID={index} of {', '.join(addresses)[:200]}")
    except (KeyError, RuntimeError, ValueError) as error:
        raise UserError(f"strategy multiworker: not in a Slurm step ({error}); use srun") from None
    return Worker(tuple(sorted(addresses, key=natural_key)), index)
