import os
import shutil
import subprocess

import numpy as np
import pytest

from ucf11lib import paths
from ucf11lib.backend import tf
from ucf11lib.runs import environment


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ("fpu avx2 avx512f", "float32"),
        ("avx512f avx512_bf16", "bfloat16"),
        ("amx_bf16", "bfloat16"),
    ],
)
def test_fastest_precision_of_a_processor(monkeypatch, flags, precision):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(environment, "_cpuinfo", lambda: f"model name\t: x\nflags\t\t: {flags}\n")
    assert environment.fastest_precision() == precision


@pytest.mark.parametrize(
    ("capability", "precision"), [((9, 0), "bfloat16"), ((7, 5), "float16"), ((6, 1), "float32")]
)
def test_fastest_precision_of_a_gpu(monkeypatch, capability, precision):
    details = {"compute_capability": capability}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details)
    assert environment.fastest_precision() == precision


def test_peak_memory_is_of_what_came_after_the_reset(monkeypatch):
    environment.reset_peak_memory()  # of tests before this one
    before = environment.peak_memory_mb()
    filled = np.ones(1 << 25)  # 256 MiB
    assert environment.peak_memory_mb() > before + 128
    del filled
    environment.reset_peak_memory()
    assert environment.peak_memory_mb() < before + 128
    monkeypatch.setattr(environment.Path, "read_text", lambda self: "VmRSS: 1 kB")
    assert environment.peak_memory_mb() > 0


def test_code_digest_is_of_what_code_does(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    (tmp_path / "ucf11lib" / "room").mkdir(parents=True)
    texts = {
        "as it is": "def f(x):\n    return x + 1\n",
        "documented": '"""A."""\n\ndef f(x):  # one\n    """B."""\n\n    return (x + 1)\n',
        "changed": "def f(x):\n    return x + 2\n",
    }
    digests = {}
    for number, (name, text) in enumerate(texts.items()):
        place = tmp_path / "ucf11lib" / "room" / f"{number}"
        place.mkdir()
        (place / "one.py").write_text(text)
        digests[name] = environment.code_digest(f"room/{number}")
    assert digests["as it is"] == environment.code_digest("room/0/one.py")
    assert digests["documented"] == digests["as it is"] != digests["changed"]


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_describe_takes_no_lock_of_git(tmp_path, monkeypatch):
    """A run that was killed then would leave it, and git would refuse to work."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "file").write_text("same")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    os.utime(tmp_path / "file", (1, 1))  # git would note in its index that nothing has changed
    index = tmp_path / ".git" / "index"
    before = index.read_bytes()
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    made_by = environment.describe.__wrapped__()
    assert (len(made_by["commit"]), made_by["uncommitted_changes"]) == (40, False)
    assert index.read_bytes() == before
    subprocess.run([*git, "status"], check=True, capture_output=True)
    assert index.read_bytes() != before
