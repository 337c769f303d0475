"""Each file of a run folder and a store, damaged at random: one line, exit code 2, no hang."""

import os
import random
import shutil
import time
import warnings

import psutil
import pytest

from ucf11lib import models
from ucf11lib.data import ClipStore, split
from ucf11lib.errors import UserError, one_line
from ucf11lib.evaluation import evaluate, formatted
from ucf11lib.runs import Run, RunConfig, metrics_table, runs_table
from ucf11lib.training import checkpoints, train
from ucf11lib.training.trainer import Trainer

TRIALS = int(os.environ.get("UCF11_FUZZ", "6"))  # of each file
MAX_SECONDS = 10
MAX_BYTES = 2 << 30
DEEP = 20_000
JSON = (b"null", b"1e999", b"-1", b"[]", b"{}", b'"\\udc80"', b"[" * DEEP, b'{"a":' * DEEP, b"true")


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return content with flipped bits, a part cut out, repeated or wiped, or a wrong value."""
    data, at = bytearray(content), rng.randrange(len(content))
    end = min(len(data), at + rng.choice([1, 4, 40, len(data)]))
    kind = rng.choice(["flip", "cut", "wipe", "repeat", "value", "number", "all"])
    if kind == "flip":
        for _ in range(rng.choice([1, 10, 100])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "all":
        return rng.choice([*JSON, b"", b"\0" * 100, b",\n" * 1000, b"," * 100_000])
    elif kind in ("value", "number"):  # of the text around the place
        marks = b":, " if kind == "value" else b"0123456789"
        places = [i for i in range(at, min(at + 500, len(data))) if data[i] in marks]
        if places:
            value = rng.choice([*JSON, b"nan", b"9" * 400, b"x", b"0.5", b"-7", b"99"])
            data[places[0] + 1 : places[0] + 1 + rng.choice([0, 1, 5])] = value
    else:
        part = {"cut": b"", "wipe": bytes(end - at), "repeat": data[at:end] * 20}[kind]
        data[at:end] = part[:10_000_000]
    return bytes(data)


def read_run(path):
    """Do as `evaluate`, `predict`, `report` and `runs` do with a run folder."""
    runs_table(path.parent)
    run = Run.open(path)
    _ = run.changed(), run.history, run.held_out, run.environment, run.note
    metrics_table({"r": run})
    _ = run.confusion
    formatted(evaluate(run, models.load(run)))


def read_store(path):
    store = ClipStore.open(path)
    store.formatted()
    RunConfig.of(model="c3d", **store.flat())
    _ = store.take(store.labels[:3]), store.kind, store.groups
    store.verify()


def read_checkpoint(path):
    run = Run(path)
    store = ClipStore.open(run.data.store)
    trainer = Trainer.of(run.config, store, split(store, run.config), log=lambda line: None)
    checkpoints.restore(path, trainer, lambda line: None)


@pytest.fixture(scope="module")
def unfinished(store, tmp_path_factory):
    def stop(line):
        if line.startswith("epoch"):
            raise KeyboardInterrupt

    path = tmp_path_factory.mktemp("unfinished") / "r"
    config = RunConfig.of(model="frame_cnn", profile="smoke")
    with pytest.raises(KeyboardInterrupt):
        train(config, path, store=store, log=stop)
    return path


@pytest.mark.parametrize(
    ("name", "read"),
    [
        *[(f"{name}.json", read_run) for name in ("config", "metrics", "environment")],
        *[(name, read_run) for name in ("history.csv", "predictions.npz", "split.csv")],
        ("model.keras", read_run),
        ("checkpoint.npz", read_checkpoint),
        *[(name, read_store) for name in ("store.json", "index.csv", "frames.npy")],
    ],
)
def test_damaged_files_are_one_line(trained, store, unfinished, tmp_path, name, read):
    rng = random.Random(name)
    origin = {read_run: trained.path, read_store: store.path, read_checkpoint: unfinished}[read]
    path = shutil.copytree(origin, tmp_path / "x" / "r")
    content = (path / name).read_bytes()
    refused = 0
    for trial in range(TRIALS):
        (path / name).write_bytes(damaged(content, rng))
        start, before = time.perf_counter(), psutil.Process().memory_info().rss
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(path)
        except UserError as error:
            line, code = one_line(error, "")
            assert code == 2
            assert len(line) < 1500
            refused += 1
        except Exception as error:
            raise AssertionError(f"trial {trial} of {name}") from error
        assert time.perf_counter() - start < MAX_SECONDS
        assert psutil.Process().memory_info().rss - before < MAX_BYTES
    assert refused
