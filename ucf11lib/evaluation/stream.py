"""The class of what a pipe or a camera shows now: an answer a second, on the newest frames."""

import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from ucf11lib.data.videos import pictures, reason, video_stream
from ucf11lib.data.videos.times import rounding
from ucf11lib.errors import UserError
from ucf11lib.evaluation.videos import Classifier

PERIOD_SECONDS = 1.0
POLL_SECONDS = 0.01
STDIN = "pipe:0"  # FFmpeg's name of it


def predict_stream(by: Classifier, file: str = STDIN) -> Iterator[dict]:
    """Yield an answer a second on the last window of standard input, a camera's device or a file.

    The first comes when a window is full, the last at the stream's end. Frames, at the run's rate,
    that came since the answer before and are in no window are `skipped`: nothing waits for the
    network. Raises a `UserError` for no video, or one that ends before a window is full.
    """
    if file == STDIN and sys.stdin.isatty():
        raise UserError("standard input is a terminal; pipe a video into it, or give a file")
    by(np.zeros((1, *by.model.input_shape[1:]), np.uint8))  # the first call compiles
    reader = _Reader(file, by.run.data.window, by.run.data.size, by.run.config.data.fps)
    try:
        yield from _answers(by, reader)
    finally:
        reader.left.set()
    frames, seen, *_ = reader.newest
    if reader.trouble or len(frames) < reader.window:
        ended = f"it ended after {seen} frames, and one sequence is {reader.window}"
        name = "standard input" if file == STDIN else file
        remedy = "give a stream that FFmpeg decodes, such as its -f matroska, or a camera's device"
        raise UserError(f"{name}: {reader.trouble or ended}; {remedy}")


def _answers(by: Classifier, reader: "_Reader") -> Iterator[dict]:
    window, due, before = reader.window, 0.0, 0  # frames
    while True:
        alive = reader.is_alive()  # asked before the frames are read: none comes after the last
        frames, seen, shown, seconds = reader.newest
        if len(frames) == window and shown > before and (time.monotonic() >= due or not alive):
            due = time.monotonic() + PERIOD_SECONDS
            ranking = by.ranking(by(np.stack(frames)[None])[0])
            skipped = max(0, shown - before - window)
            answer = {"seconds": seconds, "frames": seen, "skipped": skipped}
            classes = {"prediction": ranking[0][0], "probabilities": dict(ranking)}
            yield answer | classes | {"test_flip": by.test_flip}
            before = shown
        elif alive:
            time.sleep(POLL_SECONDS)
        else:
            return


class _Reader(threading.Thread):
    """Decodes a stream as fast as it comes, at the run's frame rate; has the newest window."""

    def __init__(self, file: str, window: int, size: int, fps: float | None):
        super().__init__(daemon=True)
        # FFmpeg takes a colon in a relative name for the end of a protocol.
        named = file != STDIN and Path(file).exists()
        self.file = str(Path(file).absolute()) if named else file
        self.window, self.size, self.fps = window, size, fps
        # Frames; how many were decoded so far, and how many that makes at the run's rate; the last
        # one's time: replaced, never changed.
        self.newest: tuple[tuple, int, int, float | None] = ((), 0, 0, None)
        self.trouble = ""
        self.left = threading.Event()  # by the one who asked
        self.start()

    def run(self) -> None:
        """Read to the end, a frame as often as multiples of 1 / fps seconds passed since the last.

        `trouble` then says what was wrong.
        """
        frames: deque[np.ndarray] = deque(maxlen=self.window)
        seen, shown, last = 0, 0, -1
        try:
            with av.open(
                self.file, format="v4l2" if Path(self.file).is_char_device() else None
            ) as c:
                stream = video_stream(c)
                step = 1 / float(stream.average_rate or 1)
                late = rounding(float(stream.time_base or 0), step)
                for image, seconds, _ in pictures(c, stream, self.size):
                    if self.left.is_set():
                        break
                    if image is None:
                        continue
                    tick = last + 1
                    if self.fps and seconds is not None:
                        # B-frames have the times of their decoding in some formats.
                        tick = max(last, int((seconds + late) * self.fps))
                    new = max(0, tick - last) if seen else 1
                    frames.extend([image] * min(new, self.window))
                    seen, shown, last = seen + 1, shown + new, tick
                    self.newest = tuple(frames), seen, shown, seconds
        except (av.FFmpegError, ValueError) as error:
            self.trouble = reason(error)
