import json
import re
import subprocess

import pytest

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.training import addresses
from ucf11lib.training.addresses import Worker

TWO = {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}


SLURM = {
    "SLURM_JOB_ID": "1234567",
    "SLURM_STEP_NODELIST": "n[9-10]",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
    "SLURM_PROCID": "2",
}


def tf_config(cluster, kind="worker", index=0):
    task = {"type": kind, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


CHIEF = tf_config({"worker": ["b:1", "c:1"], "chief": ["a:1"]}, index=1)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (tf_config(TWO, index=1), Worker(("10.0.0.1:2222", "10.0.0.2:2222"), 1)),
        (CHIEF | SLURM, Worker(("a:1", "b:1", "c:1"), 2)),  # the chief and TF_CONFIG come first
        (SLURM, Worker(("n9:24567", "n9:24568", "n10:24567"), 2)),  # n9 before n10, as for Slurm
        ({}, 'no TF_CONFIG; .*"index": 0.*srun'),
        ({"TF_CONFIG": "{worker}"}, 'TF_CONFIG: JSON is malformed.*"cluster"'),
        ({"TF_CONFIG": "[]"}, "TF_CONFIG: Expected `object`, got `array`"),
        ({"TF_CONFIG": json.dumps({"cluster": TWO})}, "missing required field `task`"),
        *[
            (tf_config({"worker": listed}), "TF_CONFIG: no list of workers, each another host")
            for listed in (
                [],
                ["host1"],
                ["a:1", "a:1"],
                ["a:1", "b:0"],
                ["a:65536"],
                ["a:" + "9" * 5000],
                ["a..b:1"],
                ["a" * 64 + ":1"],
                ["[::1]:1"],
                ["a:1", "b\0:1"],
                ["http://a:1"],
                ["a:\u0662"],
            )
        ],
        (tf_config(TWO, index=2), "its task is worker 2, .* worker 0, worker 1; give each .* own"),
        (tf_config(TWO, kind="ps"), "its task is ps 0"),
        ({"SLURM_PROCID": "0"}, "not in a Slurm step .* use srun"),
        (SLURM | {"SLURM_PROCID": "3"}, "not in a Slurm step .SLURM_PROCID=3 of "),
        (SLURM | {"SLURM_PROCID": "-1"}, "not in a Slurm step .SLURM_PROCID=-1 of "),
        ({"TF_CONFIG": '{"x":' + 60000 * "[" + 60000 * "]" + "}"}, "TF_CONFIG: .*recursion"),
        (SLURM | {"SLURM_STEP_NODELIST": "n[1-999999999]"}, "more nodes than tasks"),
        (SLURM | {"SLURM_STEP_TASKS_PER_NODE": "1(x999999999)"}, "999999999. of 3 tasks"),
        (SLURM | {"SLURM_STEP_NODELIST": "a" * 70 + "[9-10]"}, "not in a Slurm step"),
        (SLURM | {"SLURM_STEP_NODELIST": "n[9-"}, r"not in a Slurm step .*n\[9-"),
    ],
)
def test_from_environment_names_the_workers_or_refuses(monkeypatch, variables, expected):
    for name in ("TF_CONFIG", *SLURM):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if isinstance(expected, Worker):
        assert addresses.from_environment() == expected
        assert not expected.chief
        assert expected.index not in expected.others
    else:
        with pytest.raises(UserError, match=f"^.*{expected}.*$"):  # in one line
            addresses.from_environment()


def test_slurm_script_of_the_docs_is_bash():
    page = (paths.ROOT / "docs" / "long_runs.md").read_text()
    (script,) = re.findall(r"```bash\n(#!.*?)```", page, re.DOTALL)
    assert re.search(r"srun .*--strategy multiworker.*--resume", script, re.DOTALL)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
