"""On what a run was made: versions, devices, processor, git commit."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from ucf11lib import paths
from ucf11lib.backend import tf
from ucf11lib.runs.records import Environment

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "av")
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


def describe() -> Environment:
    """Return what `environment.json` holds."""
    processor, instruction_sets = processor_of()
    commit = _git("rev-parse", "HEAD")
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: version(name) for name in PACKAGES},
        "devices": [device.name for device in tf.config.list_logical_devices()],
        "processor": processor,
        "instruction_sets": instruction_sets,
        "cores": len(os.sched_getaffinity(0)),
        "commit": commit,
        "uncommitted_changes": bool(commit and _git("status", "--porcelain")),
    }


def processor_of() -> tuple[str, list[str]]:
    """Return the processor's name and those of `INSTRUCTION_SETS` that it has."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    names = re.findall(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.findall(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    flags = set(" ".join(flags).split())
    name = next(filter(None, [*names, platform.processor()]), platform.machine())
    return name.strip(), [one for one in INSTRUCTION_SETS if one in flags]


def _git(*arguments: str) -> str | None:
    """Return the output of a git command in the checkout; None where that is no repository."""
    command = ["git", "-C", str(paths.ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
