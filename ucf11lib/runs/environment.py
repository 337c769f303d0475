"""On what a run was made: versions, devices, processor, git commit."""

import ast
import contextlib
import functools
import hashlib
import json
import os
import platform
import re
import resource
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ucf11lib import paths
from ucf11lib.backend import tf

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "av")
BFLOAT16_SETS = ("avx512_bf16", "amx_bf16")
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", *BFLOAT16_SETS)


@functools.cache
def describe() -> dict[str, Any]:
    """Return what `environment.json` holds, as of the first call in this process."""
    cpuinfo = _cpuinfo()
    names = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    commit = _git("rev-parse", "HEAD")
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: version(name) for name in PACKAGES},
        "devices": [device.name for device in tf.config.list_logical_devices()],
        "processor": (names[0] if names else platform.processor() or platform.machine()).strip(),
        "instruction_sets": instruction_sets(),
        "cores": len(os.sched_getaffinity(0)),
        "commit": commit,
        "uncommitted_changes": bool(commit and _git("status", "--porcelain")),
    }


@functools.cache
def code_digest(*places: str) -> str:
    """Return eight hexadecimal digits of what this library's files, or folders, of code do.

    Comments, docstrings and layout do not change them.
    """
    files = [file for place in places for file in _python_files(paths.ROOT / "ucf11lib" / place)]
    texts = []
    for file in sorted(files):
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
            if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        texts.append(_shape(tree))
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:8]


def _shape(part: object) -> object:
    """Return a part of a syntax tree as lists: alike in all versions of Python, unlike its text."""
    if isinstance(part, ast.AST):
        fields = [field for field in ast.iter_fields(part) if field[1] not in (None, [])]
        return [type(part).__name__, [(name, _shape(value)) for name, value in fields]]
    return [_shape(one) for one in part] if isinstance(part, list) else repr(part)


def _python_files(place: Path) -> Iterable[Path]:
    return place.rglob("*.py") if place.is_dir() else [place]


def reset_peak_memory() -> None:
    """Let `peak_memory_mb` count from now on, where the system is Linux and allows it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb() -> float:
    """Return the most memory that this process had in use, MiB.

    Where the system does not tell it, `getrusage` does, which also counts the parent's.
    """
    file = Path("/proc/self/status")
    told = re.search(r"VmHWM:\s*(\d+)", file.read_text() if file.exists() else "")
    return (int(told[1]) if told else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def instruction_sets() -> list[str]:
    """Return those of `INSTRUCTION_SETS` that the processor has."""
    flags = re.findall(r"^(?:flags|Features)\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    return [name for name in INSTRUCTION_SETS if name in " ".join(flags).split()]


def fastest_precision() -> str:
    """Return the type in which this machine multiplies fastest without a loss of accuracy.

    On a GPU bfloat16 from compute capability 8.0 on, float16 from 7.0 on; on a processor bfloat16
    where it has instructions for it; float32 elsewhere. Without TensorFlow no GPU is looked for.
    """
    if gpus := tf and tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpus[0])
        capability = details.get("compute_capability", (0, 0))
        if capability >= (8, 0):
            return "bfloat16"
        return "float16" if capability >= (7, 0) else "float32"
    return "bfloat16" if set(BFLOAT16_SETS) & set(instruction_sets()) else "float32"


def _cpuinfo() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.exists() else ""


def _git(*arguments: str) -> str | None:
    """Return the output of a git command in the checkout; None where that is no repository."""
    command = ["git", "--no-optional-locks", "-C", str(paths.ROOT), *arguments]  # it may be killed
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
