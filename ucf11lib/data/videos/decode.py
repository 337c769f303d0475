"""A video file becomes frames; many of them in processes, since a decoder may crash or hang.

Frames are counted by decoding them, since headers lie, and scaled by area averaging, since skipping
pixels makes small things flicker.
"""

import multiprocessing
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from ucf11lib import paths
from ucf11lib.errors import UserError

TIMEOUT_SECONDS = 60  # and for each `BYTES_A_SECOND` one more: a decoder that takes longer hangs
BYTES_A_SECOND = 1e5
# Plain AREA is 1.5 grey levels too dark, and rounds differently from processor to processor.
AREA = (
    Interpolation.AREA
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.BITEXACT
)


def decode(path: Path | str, size: int = 64) -> np.ndarray:
    """Return a video file's frames, scaled to a square: uint8 (n, size, size, 3), RGB, n >= 1.

    Raises `UserError` if it cannot be opened, has no video stream, or does not decode to its end.
    """
    frames, trouble = decode_until_trouble(Path(path), size)
    if trouble:
        remedy = "give a video that FFmpeg decodes, such as .mpg"
        raise UserError(f"{paths.display(path)}: {trouble}; {remedy}")
    return frames


def decode_until_trouble(file: Path, size: int) -> tuple[np.ndarray, str]:
    """Return the frames before the first trouble, and what it was: empty if there was none."""
    pixels = bytearray()
    n = 0
    trouble = "cannot be opened: "
    try:
        # An absolute name is never mistaken for a URL; a title in odd bytes is no reason to refuse.
        with av.open(str(file.absolute()), metadata_errors="replace") as container:
            stream = container.streams.best("video")
            if stream is None or stream.codec_context is None:
                raise ValueError("no video stream that FFmpeg knows")
            stream.codec_context.thread_count = 1  # clips run in parallel instead
            trouble = "no frame decodes: "
            scaler = VideoReformatter()  # one a file: one a frame takes five times as long
            for frame in container.decode(stream):
                trouble = f"frame {n} is damaged"
                if frame.is_corrupt:  # what the decoder then shows is its own guess
                    break
                square = scaler.reformat(frame, size, size, "rgb24", interpolation=AREA, threads=1)
                turns = round(frame.rotation / 90)  # phones film on their side
                pixels += np.rot90(square.to_ndarray(), turns).tobytes()
                n += 1
                trouble = f"broke off after {n} frames: "
            else:
                trouble = "" if n else "no frame decodes"
    except (av.FFmpegError, ValueError) as error:
        trouble += str(getattr(error, "strerror", None) or error)
    return np.frombuffer(pixels, np.uint8).reshape(n, size, size, 3), trouble


def windows(frames: np.ndarray, window: int = 30, stride: int | None = None) -> np.ndarray:
    """Cut (n, size, size, 3) into (sequences, window, size, size, 3), one every `stride` frames.

    The stride is the window by default: no overlap. A rest shorter than a window is dropped.
    """
    starts = np.arange(0, len(frames) - window + 1, stride or window)
    return frames[starts[:, None] + np.arange(window)]


def decode_all(files: list[Path], size: int, workers: int) -> Iterator[tuple[np.ndarray, str]]:
    """Yield `decode_until_trouble` of each file, in order, from processes of their own."""
    context = multiprocessing.get_context("forkserver")  # TensorFlow's threads must not be forked
    context.set_forkserver_preload([__name__])
    pending: deque[ProcessFuture] = deque()
    with ProcessPool(workers, context=context) as pool:
        try:
            for file in files:
                size_on_disk = file.stat().st_size if file.exists() else 0  # of a broken link, 0
                timeout = TIMEOUT_SECONDS + size_on_disk / BYTES_A_SECOND
                pending.append(pool.schedule(decode_until_trouble, (file, size), timeout=timeout))
                if len(pending) == 2 * workers:  # results that wait take memory
                    yield _result(pending.popleft())
            yield from map(_result, pending)
        finally:
            pool.stop()


def _result(future: ProcessFuture) -> tuple[np.ndarray, str]:
    try:
        return future.result()
    except TimeoutError:
        trouble = "the decoder did not come to an end"
    except ProcessExpired as error:
        trouble = f"the decoder crashed (exit code {error.exitcode})"
    return np.empty((0, 0, 0, 3), np.uint8), trouble
