import json

import pytest

from ucf11lib.errors import UserError
from ucf11lib.training.cluster import Worker, from_environment

TWO = {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}
SLURM = {
    "SLURM_JOB_ID": "1234567",
    "SLURM_STEP_NODELIST": "n[9-10]",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
    "SLURM_PROCID": "2",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch, variables):
    """Set the variables that name the workers, and no others."""
    for name in ("TF_CONFIG", *SLURM):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def tf_config(cluster, kind="worker", index=0):
    task = {"type": kind, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


@pytest.mark.parametrize(
    ("variables", "worker"),
    [
        (tf_config(TWO, index=1), Worker(("10.0.0.1:2222", "10.0.0.2:2222"), 1)),
        (  # a chief that is listed apart comes first, and TF_CONFIG before Slurm
            tf_config({"worker": ["b:1", "c:1"], "chief": ["a:1"]}, index=1) | SLURM,
            Worker(("a:1", "b:1", "c:1"), 2),
        ),
        (SLURM, Worker(("n9:24567", "n9:24568", "n10:24567"), 2)),  # n9 before n10, as for Slurm
    ],
)
def test_from_environment_names_the_workers(variables, worker):
    assert from_environment() == worker
    assert (worker.chief, worker.index in worker.others) == (False, False)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, ["no TF_CONFIG", '"index": 0', "srun"]),
        ({"TF_CONFIG": "{worker}"}, ["TF_CONFIG: not JSON", '"cluster"']),
        ({"TF_CONFIG": "[]"}, ["TF_CONFIG: Expected object, got array", '"cluster"']),
        ({"TF_CONFIG": json.dumps({"cluster": TWO})}, ["missing required field task"]),
        (tf_config({"worker": []}), ["TF_CONFIG: no list of workers"]),
        (tf_config({"worker": ["host1"]}), ["no list of workers, each host:port"]),
        (tf_config({"worker": [["host1:1"]]}), ["TF_CONFIG: Expected str, got array"]),
        (tf_config(TWO, index=2), ["its task is worker 2", "worker 0, worker 1", "its own type"]),
        (tf_config(TWO, kind="ps"), ["its task is ps 0"]),
        ({"SLURM_PROCID": "0"}, ["not in a Slurm step", "srun"]),
        (SLURM | {"SLURM_STEP_NODELIST": "n[9-"}, ["not in a Slurm step", "n[9-"]),
    ],
)
def test_from_environment_refuses_in_one_line(variables, words):
    with pytest.raises(UserError) as refused:
        from_environment()
    assert "\n" not in str(refused.value)
    assert [word for word in words if word not in str(refused.value)] == []
