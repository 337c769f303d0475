"""A tree of videos becomes a store, as the tests of decoding ask for it."""

import http.server
import pickle
import re
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ucf11lib.data.course import source as course
from ucf11lib.data.store import ClipStore, StoreInfo
from ucf11lib.data.videos import source
from ucf11lib.runs import RunConfig


@pytest.fixture
def prepare_videos():
    """Decode `folder` into a store at `path`: further arguments are fields of the data."""

    def prepare(path, folder, broken=source.MAX_BROKEN, workers=None, **flat):
        flat = {"model": "c3d", "source": "videos", "data": str(folder)} | flat
        return source.prepare(path, RunConfig.of(**flat).data, broken=broken, workers=workers)

    return prepare


@pytest.fixture(scope="session")
def fake_store():
    """A store's index without its frames: splits look at nothing else."""

    def fake(labels, groups, clips):
        index = pd.DataFrame({"label": labels, "group": groups, "clip": clips})
        names = [f"class{i}" for i in range(max(labels) + 1)]
        info = StoreInfo(1, "videos", tuple(names), 30, 30, 64, len(labels), 0, {}, [], {})
        return ClipStore("fake", np.empty((len(labels), 0)), index, info)

    return fake


@pytest.fixture
def dump_parts():
    """Write the course's two files: of each its bytes, or what is to be pickled."""

    def dump(folder: Path, *parts: object, protocol: int = 2) -> Path:
        folder.mkdir(exist_ok=True)
        for name, content in zip(course.PARTS, parts, strict=True):
            given = isinstance(content, bytes)
            (folder / name).write_bytes(content if given else pickle.dumps(content, protocol))
        return folder

    return dump


@pytest.fixture(scope="session")
def ffmpeg():
    """Write a film of 25 frames a second with further arguments of FFmpeg's command."""
    if not shutil.which("ffmpeg"):
        pytest.skip("needs the command ffmpeg")
    film = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=64x64:rate=25"]
    return lambda *arguments: subprocess.run([*film, *map(str, arguments)], check=True)


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`, with ranges; breaks off after `limit` bytes of an answer."""

    content, limit, ranges, first_shift = b"", None, True, 0

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}/UCF11_updated_mpg.rar"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        if self.path == "/none.rar":
            self.send_error(404)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.server.ranges else 0
        body = self.server.content[start:]
        self.send_response(206 if body and start else 416 if start else 200)
        size = len(self.server.content)
        if start:
            shifted, self.server.first_shift = start + self.server.first_shift, 0
            part = f"{shifted}-{size - 1}" if body else "*"
            self.send_header("Content-Range", f"bytes {part}/{size}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.limit])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
