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
from typing import Any

import av
import numpy as np

from ucf11lib import paths
from ucf11lib.data.processes import in_processes
from ucf11lib.data.videos.pictures import check_no_archive, is_video, pictures, reason, video_stream
from ucf11lib.data.videos.times import joins, jump, resampled, sorted_if_reordered, steady
from ucf11lib.errors import UserError

TIMEOUT_SECONDS = 60  # and for each `BYTES_A_SECOND` one more: a decoder that takes longer hangs
BYTES_A_SECOND = 1e5
MAX_BYTES = 1 << 29  # of one file's frames: a small file may hold, or promise, any number of them
BYTES_A_FRAME = 8  # at least, of a frame's header in any container
READ_SECONDS = 10  # for the next packet: FFmpeg would search gigabytes of zeros for one
DURATION_IN_HEADER = ("matroska", "flv", "asf", "rm", "nut")  # formats
TOO_MANY = f"more than {MAX_BYTES >> 20} MiB of frames; cut it into clips"


@dataclass(frozen=True)
class Decoded:
    """What one video file gave: a sequence of frames."""

    frames: np.ndarray  # uint8 (n, size, size, 3), RGB, without damaged ones
    gaps: Sequence[int] = ()  # places in `frames` before which some are missing
    read: int = 0  # frames that were decoded, of which `frames` may repeat or leave out some
    lost: int = 0  # frames that are known to be missing
    trouble: str = ""  # what was wrong with the file; empty for nothing
    images: Sequence[int] = ()  # the number of the decoded image that each frame shows

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, which) -> np.ndarray:
        return self.frames[which]

    @property
    def lost_share(self) -> float:
        """Which share of the file's frames is known to be missing, 0..1; 1 for no frame at all."""
        return self.lost / (self.read + self.lost) if self.read else 1.0

    def starts(self, window: int, stride: int | None = None) -> np.ndarray:
        """Return the first frame of each sequence, one every `stride` frames, none over a gap.

        The stride is the window by default: no overlap. A rest shorter than a window is dropped.
        """
        parts = itertools.pairwise([0, *self.gaps, len(self)])
        steps = [np.arange(begin, end - window + 1, stride or window) for begin, end in parts]
        return np.concatenate(steps)

    def sequences(self, starts: np.ndarray, window: int) -> np.ndarray:
        """Return the sequences that begin at `starts`, (n, window, size, size, 3)."""
        return self[starts[:, None] + np.arange(window)]


def _nothing(trouble: str) -> Decoded:
    return Decoded(np.empty((0, 1, 1, 3), np.uint8), trouble=trouble)


@dataclass
class _Reading:
    """What is known of a file while it is read."""

    images: list[np.ndarray] = field(default_factory=list)
    times: list[float | None] = field(default_factory=list)  # of the images, seconds
    last: float = 0.0  # seconds that the last one is shown, as far as the file tells
    rate: float = 0.0  # frames a second that the file tells; 0 for none
    tick: float = 0.0  # seconds of which its times are multiples
    promised: int = 0  # frames that the file tells, where that can be relied on
    seconds: float = 0.0  # when its last frame ends, likewise
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
    if not decoded:
        remedy = "give a video that FFmpeg decodes, such as .mpg"
        raise UserError(f"{paths.display(path)}: {decoded.trouble}; {remedy}")
    return decoded


def decode_file(file: Path, size: int, fps: float | None = None) -> Decoded:
    """Do as `decode`, but raise nothing: `trouble` says what was wrong."""
    reading = _Reading()
    try:
        # An absolute name is never mistaken for a URL; a title in odd bytes is no reason to refuse.
        options: dict[str, Any] = {"metadata_errors": "replace", "timeout": READ_SECONDS}
        check_no_archive(file)
        with av.open(str(file.absolute()), **options) as container:
            stream = video_stream(container)
            reading.rate = float(stream.average_rate or stream.base_rate or 0)
            reading.tick = float(stream.time_base or 0)
            reading.promised, reading.seconds = stream.frames, _seconds(container, stream)
            most = container.size / BYTES_A_FRAME
            if max(reading.promised, reading.seconds * reading.rate) > most:
                reading.promised, reading.seconds = 0, 0.0  # of a header that was never completed
            _read(container, stream, size, reading)
            _check_end(reading, container.format.name == "avi")
    except (av.FFmpegError, ValueError) as error:
        reading.trouble = f"cannot be opened: {reason(error)}"
    return _result(reading, fps)


def _seconds(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Return when the header says that the last frame ends; 0 if it does not, or may be wrong.

    To be cut is no error in these formats. AVI's number of frames counts empty ones, too: each
    shows the picture before it for longer.
    """
    if container.format.name == "avi" and stream.time_base:
        return float(stream.frames * stream.time_base)
    if not container.format.name.startswith(DURATION_IN_HEADER):
        return 0.0
    if told := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d*)?)", stream.metadata.get("DURATION", "")):
        return 3600 * int(told[1]) + 60 * int(told[2]) + float(told[3])
    only_stream = len(container.streams) == 1  # else it may be that of the sound
    return (container.duration or 0) / av.time_base if only_stream else 0.0


def _check_end(reading: _Reading, frames_are_told: bool) -> None:
    """Note that the end of a file is missing, if its header tells of at least a tenth more."""
    n, times = len(reading.images), np.unique([one for one in reading.times if one is not None])
    if reading.seconds and len(times) > 1 and None not in reading.times:
        step = float(np.median(np.diff(times)))
        missing = round((reading.seconds - times[-1] - max(step, reading.last)) / step)
        reading.promised, frames_are_told = n + max(0, missing), True
    if frames_are_told and n < 0.9 * reading.promised and not reading.damaged:
        reading.damaged.append(n)


def _read(
    container: av.container.InputContainer, stream: av.VideoStream, size: int, reading: _Reading
) -> None:
    """Decode all packets; one that fails costs its own frames."""
    try:
        for image, seconds, shown in pictures(container, stream, size):
            if image is None:
                reading.damaged.append(len(reading.images))
            else:
                reading.images.append(image)
                reading.times.append(seconds)
                reading.last = shown
                if len(reading.images) * image.nbytes > MAX_BYTES:
                    reading.promised, reading.seconds = 0, 0.0  # what is not read is not missing
                    raise ValueError(TOO_MANY)
    except (av.FFmpegError, ValueError) as error:
        reading.trouble = f"broke off after {len(reading.images)} frames: {reason(error)}"
        reading.damaged.append(len(reading.images))


def _result(reading: _Reading, fps: float | None) -> Decoded:
    n = len(reading.images)
    if not n:
        return _nothing(reading.trouble or "no frame decodes")
    times = np.array([seconds for seconds in reading.times if seconds is not None])
    known = len(times) == n and (n == 1 or np.ptp(times) > 0)  # equal times tell nothing
    joined = np.zeros(0, int)
    if known:
        times = sorted_if_reordered(times)
        joined, times = joins(times), steady(times)
    elif fps:
        if not reading.rate:
            return _nothing("its frames have no times, so they cannot be resampled")
        times = np.arange(n) / reading.rate
    steps = np.diff(times) if len(times) == n else np.zeros(n - 1)
    longest = jump(steps, fps, bool(reading.damaged))
    jumps = 1 + np.union1d(np.flatnonzero(steps > longest), joined)
    places = jumps if known else np.array(reading.damaged, int)  # decoders are behind the packets
    shown, frames = np.arange(n), np.stack(reading.images)
    reading.images.clear()
    if fps:
        parts = np.split(shown, jumps)
        seconds = sum(times[part[-1]] - times[part[0]] for part in parts)
        if seconds * fps * frames[0].nbytes > MAX_BYTES:
            return _nothing(TOO_MANY)
        shown = np.concatenate([part[resampled(times[part], fps, reading.tick)] for part in parts])
        frames = frames[shown]
    inside = np.searchsorted(shown, places)
    gaps = sorted({int(place) for place in inside if 0 < place < len(frames)})
    if not reading.damaged:
        trouble = ""
        if gaps:
            how = f"jump by {steps.max():.3g} s" if steps.max() > longest else "go back"
            trouble = f"its times {how}, and no sequence crosses a jump"
        return Decoded(frames, gaps, n, 0, trouble, shown.tolist())
    lost = max(len(reading.damaged), reading.promised - n)
    trouble = reading.trouble or f"{lost} of {n + lost} frames are damaged or missing"
    return Decoded(frames, gaps, n, lost, trouble, shown.tolist())


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
