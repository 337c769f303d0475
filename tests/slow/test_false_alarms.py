"""The health checks raise no false alarm."""

from dataclasses import replace

import pytest

from ucf11lib.data import open_or_prepare, split
from ucf11lib.runs import REPORTED, RunConfig
from ucf11lib.training import Trainer

SHORT = {"profile": "smoke", "epochs": 2, "steps_per_epoch": 10, "target_accuracy": None}
# Half precision is slow on a processor without the instructions.
BFLOAT16 = {"precision": "bfloat16", "batch_size": 2, "epochs": 1, "steps_per_epoch": 5}
FLOAT16 = {"precision": "float16", "batch_size": 2, "epochs": 1}
HEALTHY = {
    "c3d": {"model": "c3d"},
    "c3d, bfloat16": {"model": "c3d", **BFLOAT16},
    "c3d, wider": {"model": "c3d", "width": 0.125, "epochs": 1},
    "c3d, dataset input": {"model": "c3d", "inputs": "dataset"},
    "vgg9": {"model": "vgg9"},
    "cnn_lstm, float16": FLOAT16,
    "vgg9, batch normalisation": {"model": "vgg9", "norm": "batch"},
    "cnn_lstm": {},
    "r2plus1d": {"model": "r2plus1d"},
    "tsm, bfloat16": {"model": "tsm", **BFLOAT16},
    "vivit, bfloat16": {"model": "vivit", **BFLOAT16},
    "cnn_lstm, bfloat16, seed 1": {**BFLOAT16, "batch_size": 8, "seed": 1},
    "cnn_lstm as in 2019": {"recipe": "2019"},
    "cnn_lstm, batches of 4, x / 255": {"batch_size": 4, "inputs": "unit"},
    "cnn_lstm, wide, dropout, momentum": {"width": 0.5, "dropout": 0.3, "optimizer": "momentum"},
}


def assert_silent(config, store):
    part = split(store, config)
    few = replace(part, validation=part.validation[:4])  # the checks do not look at it
    job = Trainer.of(config, store, few)
    assert len(list(job.epochs())) == config.profile.epochs
    assert job.monitor.status == "ok"


@pytest.mark.parametrize("case", HEALTHY)
def test_monitor_is_silent_on_a_healthy_training(case, store):
    assert_silent(RunConfig.of(**({"model": "cnn_lstm"} | SHORT | HEALTHY[case])), store)


@pytest.mark.parametrize("model", REPORTED)
def test_monitor_is_silent_on_real_video(model, videos):
    real = {"source": "videos", "data": str(videos / "weizmann")}
    config = RunConfig.of(model=model, **SHORT, **real)
    assert_silent(config, open_or_prepare(config.data))
