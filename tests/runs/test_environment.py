import numpy as np
import pytest

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
