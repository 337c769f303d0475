"""Shared fixtures: every test works in folders of its own, never in the checkout's data/ and runs/."""

import subprocess
import sys
from pathlib import Path

import pytest

from ucf11lib import paths
from ucf11lib.data import synthetic

VIDEOS = paths.ROOT.parent / "shared" / "videos"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory, monkeypatch):
    """Stores are shared between tests of a session, runs are each test's own."""
    data = tmp_path_factory.getbasetemp() / "data"
    monkeypatch.setenv("UCF11_DATA", str(data))
    monkeypatch.setenv("UCF11_RUNS", str(tmp_path_factory.mktemp("runs")))
    monkeypatch.setenv("UCF11_PROFILE", "smoke")


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A synthetic store of 11 classes, 3 groups a class, 2 clips a group, 2 sequences a clip: 132 sequences."""
    spec = synthetic.SyntheticSpec(seed=5, groups=3, clips=2, sequences=2)
    return synthetic.prepare(tmp_path_factory.mktemp("store") / "s", spec)


@pytest.fixture(scope="session")
def videos() -> Path:
    """Real human video, which is not part of the repository."""
    if not VIDEOS.is_dir():
        pytest.skip(f"no real video at {VIDEOS}")
    return VIDEOS


@pytest.fixture
def cli():
    """Run the command line as a user does; returns code, stdout and stderr."""

    def call(*arguments: object, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess:
        import os

        return subprocess.run(
            [sys.executable, "-m", "ucf11lib", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=os.environ | environment,
            check=False,
        )

    return call


@pytest.fixture
def tiny_disk(tmp_path):
    """A real file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", folder], check=True)
