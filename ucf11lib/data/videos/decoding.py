"""A video file becomes frames; many of them in processes, since a decoder may crash or hang.

Frames are counted by decoding them, since headers lie. Damaged frames are left out, those before
and after are used.
"""

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from ucf11lib import paths
from ucf11lib.data.processes import in_processes
from ucf11lib.data.videos.pictures import pictures, reason, video_stream
from ucf11lib.errors import UserError

TIMEOUT_SECONDS = 60  # and for each `BYTES_A_SECOND` one more: a decoder that takes longer hangs
BYTES_A_SECOND = 1e5
MAX_BYTES = 1 << 30  # of one file's frames: a small file may hold, or promise, any number of them
TOO_MANY = f"more than {MAX_BYTES >> 20} MiB of frames; cut it into clips"


@dataclass(frozen=True)
class Decoded:
    """What one video file gave."""

    frames: np.ndarray  # uint8 (n, size, size, 3), RGB, without damaged ones
    gaps: Sequence[int] = ()  # places in `frames` before which some are missing
    read: int = 0  # frames that were decoded, of which `frames` may repeat or leave out some
    lost: int = 0  # frames that are known to be missing
    trouble: str = ""  # what was wrong with the file; empty for nothing

    @property
    def lost_share(self) -> float:
        """Which share of the file's frames is known to be missing, 0..1; 1 for no frame at all."""
        return self.lost / (self.read + self.lost) if self.read else 1.0

    def windows(self, window: int, stride: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Cut into sequences, one every `stride` frames, none over a gap.

        The stride is the window by default: no overlap. A rest shorter than a window is dropped.
        Returns the first frame of each, int (sequences,), and (sequences, window, size, size, 3).
        """
        parts = itertools.pairwise([0, *self.gaps, len(self.frames)])
        starts = [np.arange(begin, end - window + 1, stride or window) for begin, end in parts]
        first_frames = np.concatenate(starts)
        return first_frames, self.frames[first_frames[:, None] + np.arange(window)]


def _nothing(trouble: str) -> Decoded:
    return Decoded(np.empty((0, 1, 1, 3), np.uint8), trouble=trouble)


@dataclass
class _Reading:
    """What is known of a file while it is read."""

    images: list[np.ndarray] = field(default_factory=list)
    times: list[float | None] = field(default_factory=list)  # of the images, seconds
    rate: float = 0.0  # frames a second that the file tells; 0 for none
    promised: int = 0  # frames that the file tells, where that can be relied on
    damaged: list[int] = field(default_factory=list)  # how many images were before each damage
    trouble: str = ""  # what ended the reading


def decode(path: Path | str, size: int = 64, fps: float | None = None) -> Decoded:
    """Return a video file's frames, at least one, scaled to a square.

    Damaged ones are left out. `fps` takes the frame that is seen at each multiple of 1 / fps
    seconds, by default each frame once.

    Raises `UserError` if it cannot be opened, has no video stream, or no frame decodes.
    """
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise UserError(f"{paths.display(path)}: not an ordinary file; give a video file")
    decoded = decode_file(Path(path), size, fps)
    if not len(decoded.frames):
        remedy = "give a video that FFmpeg decodes, such as .mpg"
        raise UserError(f"{paths.display(path)}: {decoded.trouble}; {remedy}")
    return decoded


def decode_file(file: Path, size: int, fps: float | None = None) -> Decoded:
    """Do as `decode`, but raise nothing: `trouble` says what was wrong."""
    reading = _Reading()
    try:
        # An absolute name is never mistaken for a URL; a title in odd bytes is no reason to refuse.
        with av.open(str(file.absolute()), metadata_errors="replace") as container:
            stream = video_stream(container)
            reading.rate = float(stream.average_rate or stream.base_rate or 0)
            reading.promised, is_exact = _promised(container, stream)
            _read(container, stream, size, reading)
            too_few = len(reading.images) < 0.9 * reading.promised
            if is_exact and too_few and not reading.damaged:
                reading.damaged.append(len(reading.images))
    except (av.FFmpegError, ValueError) as error:
        reading.trouble = f"cannot be opened: {reason(error)}"
    return _result(reading, fps)


def is_video(file: Path) -> bool:
    """Return whether FFmpeg finds moving pictures in a file, whatever its name."""
    try:
        with av.open(str(file.absolute()), metadata_errors="replace") as container:
            still = container.format.name == "image2" or container.format.name.endswith("_pipe")
            return not still and bool(video_stream(container))
    except (av.FFmpegError, ValueError):
        return False


def _promised(container: av.container.InputContainer, stream: av.VideoStream) -> tuple[int, bool]:
    """Return how many frames the header tells, and whether fewer mean that the file was cut.

    To be cut is no error in AVI and Matroska. In MP4, an edit list may hide frames.
    """
    kind, seconds = container.format.name, 0.0
    if kind == "avi" or not kind.startswith("matroska"):
        return stream.frames, kind == "avi"
    if told := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d*)?)", stream.metadata.get("DURATION", "")):
        seconds = 3600 * int(told[1]) + 60 * int(told[2]) + float(told[3])
    elif len(container.streams) == 1:  # else it may be that of the sound
        seconds = (container.duration or 0) / av.time_base
    return round(seconds * float(stream.average_rate or 0)), True


def _read(
    container: av.container.InputContainer, stream: av.VideoStream, size: int, reading: _Reading
) -> None:
    """Decode all packets; one that fails costs its own frames."""
    try:
        for image, seconds in pictures(container, stream, size):
            if image is None:
                reading.damaged.append(len(reading.images))
            else:
                reading.images.append(image)
                reading.times.append(seconds)
                if len(reading.images) * image.nbytes > MAX_BYTES:
                    raise ValueError(TOO_MANY)
    except (av.FFmpegError, ValueError) as error:
        reading.trouble = f"broke off after {len(reading.images)} frames: {reason(error)}"
        reading.damaged.append(len(reading.images))


def _result(reading: _Reading, fps: float | None) -> Decoded:
    n = len(reading.images)
    if not n:
        return _nothing(reading.trouble or "no frame decodes")
    times = np.array([seconds for seconds in reading.times if seconds is not None])
    known = len(times) == n
    shown = np.arange(n)
    if fps:
        if not known and not reading.rate:
            return _nothing("its frames have no times, so they cannot be resampled")
        times = _steady(times) if known else shown / reading.rate
        if (times[-1] - times[0]) * fps * reading.images[0].nbytes > MAX_BYTES:
            return _nothing(TOO_MANY)
        shown = _resampled(times, fps)
    frames = np.stack(reading.images)[shown]
    if not reading.damaged:
        return Decoded(frames, read=n)
    lost = max(len(reading.damaged), reading.promised - n)
    places = np.array(reading.damaged)
    if known and n > 1:  # decoders give frames later than their packets
        steps = np.diff(times)
        places = 1 + np.flatnonzero(steps > 1.5 * np.median(steps))
    places = np.searchsorted(shown, places)
    gaps = sorted({int(place) for place in places if 0 < place < len(frames)})
    trouble = reading.trouble or f"{lost} of {n + lost} frames are damaged or missing"
    return Decoded(frames, gaps, n, lost, trouble)


def _steady(times: np.ndarray) -> np.ndarray:
    """Return times that never go back, as they do where files were joined."""
    steps = np.diff(times)
    usual = np.median(steps[steps > 0]) if (steps > 0).any() else 0.0
    return times[0] + np.append(0, np.cumsum(np.where(steps > 0, steps, usual)))


def _resampled(times: np.ndarray, fps: float) -> np.ndarray:
    """Return which frame is seen at each multiple of 1 / fps seconds after the first."""
    length = times[-1] - times[0] + (times[-1] - times[0]) / max(len(times) - 1, 1)
    ticks = times[0] + np.arange(max(1, round(length * fps))) / fps
    return np.clip(np.searchsorted(times, ticks + 1e-6, side="right") - 1, 0, len(times) - 1)


def decode_all(files: list[Path], workers: int, *options: object) -> Iterator[Decoded]:
    """Yield `decode_file` of each file, in order, from processes of their own."""
    arguments = [(file, *options) for file in files]
    for result in in_processes(decode_file, arguments, workers, _timeout):
        yield result if isinstance(result, Decoded) else _nothing(f"the decoder {result}")


def which_are_videos(files: list[Path], workers: int) -> list[bool]:
    """Return `is_video` of each file, from processes of their own; one that crashes it is none."""
    results = in_processes(is_video, [(file,) for file in files], workers, _timeout)
    return [result is True for result in results]


def _timeout(arguments: tuple) -> float:
    """Return the seconds after which a decoder hangs; a broken link has no size."""
    file = arguments[0]
    return TIMEOUT_SECONDS + (file.stat().st_size if file.exists() else 0) / BYTES_A_SECOND
