import re
import subprocess

import pytest

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.training import workers


def test_make_strategy_one_is_the_default():
    strategy = workers.make_strategy("one")
    assert workers.description(strategy) == {"strategy": "one", "workers": 1, "replicas": 1}
    assert workers.worker_of(strategy).chief
    with pytest.raises(UserError, match="unknown strategy 'tpu'; choose one of one, mirrored, mu"):
        workers.make_strategy("tpu")


@pytest.mark.parametrize(
    ("message", "own", "named"),
    [
        ("from /task:2 while calling RecvBuf: closed, from /job:worker/replica:0/task:1", 0, 1),
        ("on /job:worker/replica:0/task:2: RPC: /tensorflow.CoordinationService/Heartbeat", 2, 0),
        ("{{node /task:1/add}}: assertion failed", 1, None),
    ],
)
def test_named_worker_is_the_last_that_a_message_names(message, own, named):
    assert workers.named_worker(message, own) == named


def test_readme_slurm_script_is_bash(tmp_path):
    readme = (paths.ROOT / "README.md").read_text()
    (script,) = re.findall(r"```bash\n(#!.*?)```", readme, re.DOTALL)
    assert "srun" in script
    assert "--strategy multiworker" in script
    assert "--resume" in script
    (tmp_path / "job.sh").write_text(script)
    subprocess.run(["bash", "-n", tmp_path / "job.sh"], check=True)
