"""Shared fixtures: every test works in folders of its own, never in the checkout's."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from ucf11lib import __main__ as command_line
from ucf11lib import paths
from ucf11lib.data.synthetic import render
from ucf11lib.runs import RunConfig
from ucf11lib.training import train

LONGEST = ("test_reproduce", "test_networks", "test_studies")  # of the slow files, by minutes
VIDEOS = paths.ROOT.parent / "shared" / "videos"
# Else the processes that tests start ignore them, too, below nohup or as a shell's background job.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Begin with the slow files: at the end, one would be alone with the machine's cores."""

    def rank(item: pytest.Item) -> tuple[bool, int]:
        ranks = [number for number, name in enumerate(LONGEST) if name in item.nodeid]
        return "tests/slow/" not in item.nodeid, (ranks or [len(LONGEST)])[0]

    items.sort(key=rank)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory, monkeypatch):
    """Stores are shared between the tests of a session, runs are each test's own."""
    data = tmp_path_factory.getbasetemp() / "data"
    monkeypatch.setenv("UCF11_DATA", str(data))
    monkeypatch.setenv("UCF11_RUNS", str(tmp_path_factory.mktemp("runs")))
    monkeypatch.setenv("UCF11_PROFILE", "smoke")


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A synthetic store: 11 classes, 3 groups a class, 2 clips a group, 2 sequences a clip."""
    small = RunConfig.of(model="c3d", groups=3, clips=2, sequences=2, render_seed=5)
    return render.prepare(tmp_path_factory.mktemp("store") / "s", small.data)


@pytest.fixture(scope="session")
def trained(tmp_path_factory, store):
    """A finished run: CNN+LSTM, profile smoke, on `store`."""
    config = RunConfig.of(model="cnn_lstm", profile="smoke")
    path = tmp_path_factory.mktemp("trained") / "cnn_lstm"
    return train(config, path, store=store, log=lambda line: None)


@pytest.fixture(scope="session")
def videos() -> Path:
    """Real human video, which is not part of the repository."""
    if not VIDEOS.is_dir():
        pytest.skip(f"no real video at {VIDEOS}")
    return VIDEOS


@pytest.fixture(scope="session")
def write_video():
    """Write n grey frames, each lighter than the last, or given ones (n, height, width, 3)."""

    def write(path: Path, frames: int | np.ndarray = 30, codec: str = "mpeg1video") -> Path:
        if isinstance(frames, int):
            levels = np.linspace(20, 220, frames).astype(np.uint8)
            frames = np.broadcast_to(levels[:, None, None, None], (frames, 240, 352, 3))
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=30)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
            for image in frames:
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture
def cli():
    """Run the command line as a user does: arguments -> code, stdout and stderr."""

    def call(*arguments: object, timeout: float = 300, **environment: str):
        command = [sys.executable, "-m", "ucf11lib", *map(str, arguments)]
        options = {"capture_output": True, "text": True, "timeout": timeout, "check": False}
        return subprocess.run(command, env=os.environ | environment, **options)

    return call


@pytest.fixture
def main(capfd, monkeypatch):
    """Run the command line in this process, which has loaded TensorFlow already."""
    monkeypatch.setattr(command_line, "raise_on_signals", lambda: None)

    def call(*arguments: object) -> subprocess.CompletedProcess:
        capfd.readouterr()
        try:
            code = command_line.main(list(map(str, arguments)))
        except SystemExit as error:
            code = error.code
        return subprocess.CompletedProcess(arguments, code, *capfd.readouterr())

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
