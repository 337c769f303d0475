import json

import pytest

from ucf11lib.errors import UserError
from ucf11lib.training import workers
from ucf11lib.training.addresses import Worker


def test_make_strategy_one_is_the_default():
    strategy = workers.make_strategy("one")
    assert workers.description(strategy) == {"strategy": "one", "workers": 1, "replicas": 1}
    assert workers.worker_of(strategy).chief
    with pytest.raises(UserError, match="unknown strategy 'tpu'; choose one of one, mirrored, mu"):
        workers.make_strategy("tpu")


def test_make_strategy_refuses_a_name_that_nobody_knows(monkeypatch):
    task = {"type": "worker", "index": 0}
    config = {"cluster": {"worker": ["nobody.invalid:2222"]}, "task": task}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(UserError, match=r"worker 0: nobody\.invalid: .*; name it as the other"):
        workers.make_strategy("multiworker")


@pytest.mark.parametrize(
    ("message", "own", "gone"),
    [
        ("from /task:2 while calling RecvBuf: closed, from /job:worker/replica:0/task:1", 0, 1),
        ("on /job:worker/replica:0/task:2: RPC: /tensorflow.CoordinationService/Heartbeat", 2, 0),
        ("{{node /task:1/add}}: assertion failed", 1, None),
    ],
)
def test_gone_worker_is_the_last_that_a_message_names(message, own, gone):
    three = Worker(("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"), own)  # and nobody answers
    assert workers.gone_worker(message, three) == gone
