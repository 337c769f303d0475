"""On what a run was made: versions, devices, processor, git commit."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ucf11lib import paths
from ucf11lib.backend import tf

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "av")
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


def describe() -> dict[str, Any]:
    """Return what `environment.json` holds."""
    file = Path("/proc/cpuinfo")
    cpuinfo = file.read_text() if file.exists() else ""
    names = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    flags = re.findall(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    commit = _git("rev-parse", "HEAD")
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: version(name) for name in PACKAGES},
        "devices": [device.name for device in tf.config.list_logical_devices()],
        "processor": (names[0] if names else platform.processor() or platform.machine()).strip(),
        "instruction_sets": [one for one in INSTRUCTION_SETS if one in " ".join(flags).split()],
        "cores": len(os.sched_getaffinity(0)),
        "commit": commit,
        "uncommitted_changes": bool(commit and _git("status", "--porcelain")),
    }


def _git(*arguments: str) -> str | None:
    """Return the output of a git command in the checkout; None where that is no repository."""
    command = ["git", "-C", str(paths.ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
