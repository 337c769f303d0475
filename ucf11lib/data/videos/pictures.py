"""An opened file or stream becomes pictures: upright, in RGB, and scaled if asked.

Scaled by area averaging, since skipping pixels makes small things flicker.
"""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition
from av.video.reformatter import Interpolation, VideoReformatter

# Plain AREA is 1.5 grey levels too dark, and rounds differently from processor to processor.
AREA = (
    Interpolation.AREA
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.BITEXACT
)
MAX_PIXELS = 40_000_000  # of a picture, as 8K has; decoders keep up to 17 of them
# What FFmpeg shows as moving pictures: text as on a terminal, known by the file's name alone, and
# what names other files, as lists do, and a picture's name with %d in it.
NO_VIDEO = ("tty", "bin", "xbin", "adf", "idf", "concat", "hls", "dash", "imf", "image2")
# The first bytes of zip, PDF, OLE (as Thumbs.db), rar, 7z, gzip, xz, bzip2, SQLite, ar and zstd.
ARCHIVES = (b"PK\3\4", b"PK\5\6", b"%PDF", b"\xd0\xcf\x11\xe0", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b",
            b"\xfd7zXZ", b"BZh", b"SQLite format 3", b"!<arch>", b"\x28\xb5\x2f\xfd")  # fmt: skip
STILLS = ("ico", "gif", "apng", "mjpeg")  # formats of which a file with one picture is no video
PHOTOS = ("avif", "heic", "heix", "mif1")  # brands of ISO/IEC 14496-12 files that hold a still


def check_no_archive(file: Path) -> None:
    """Raise a `ValueError` for an archive or document, in which FFmpeg may find pieces of video."""
    with contextlib.suppress(OSError), file.open("rb") as opened:  # FFmpeg says what is wrong
        start = opened.read(512)
        if start.startswith(ARCHIVES) or start[257:262] == b"ustar":
            raise ValueError("an archive or a document, no video")


def video_stream(container: av.container.InputContainer) -> av.VideoStream:
    """Return the stream of moving pictures, not a cover; `ValueError` for none FFmpeg knows."""
    stream = container.streams.best("video")
    if (
        not isinstance(stream, av.VideoStream)
        or stream.codec_context is None
        or stream.disposition & Disposition.attached_pic
        or container.format.name in NO_VIDEO
    ):
        raise ValueError("no video stream that FFmpeg knows")
    if stream.width * stream.height > MAX_PIXELS:
        size = f"pictures of {stream.width}x{stream.height} pixels"
        raise ValueError(f"{size}, more than {MAX_PIXELS / 1e6:.0f} million")
    stream.codec_context.thread_count = 1  # clips run in parallel instead
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # later pictures may be larger
    return stream


def is_video(file: Path) -> bool:
    """Return whether FFmpeg finds moving pictures in a file, whatever its name."""
    try:
        check_no_archive(file)
        with av.open(str(file.absolute()), metadata_errors="replace") as container:
            still = container.format.name.endswith("_pipe")
            still = still or container.metadata.get("major_brand") in PHOTOS
            stream = video_stream(container)
            if container.format.name in STILLS:
                packets = (packet for packet in container.demux(stream) if packet.size)
                still = len(list(itertools.islice(packets, 2))) < 2
            return not still
    except (av.FFmpegError, ValueError):
        return False


def pictures(
    container: av.container.InputContainer, stream: av.VideoStream, size: int | None = None
) -> Iterator[tuple[np.ndarray | None, float | None, float]]:
    """Yield each frame, upright, as uint8 RGB, its time and how long it is shown, in seconds.

    A time that is unknown is None, a duration 0. `size` scales to a square. What is damaged gives
    no picture and no time: the picture is a decoder's guess.
    Raises `av.FFmpegError` or `ValueError` where the file breaks off.
    """
    scaler = VideoReformatter()  # one a file: one a frame takes five times as long
    look: dict[str, Any] = {"format": "rgb24", "interpolation": AREA, "threads": 1}
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            yield None, None, 0.0
            continue
        for frame in frames:
            if frame.is_corrupt:
                yield None, None, 0.0
                continue
            scaled = scaler.reformat(frame, size or frame.width, size or frame.height, **look)
            shown = float((frame.duration or 0) * (frame.time_base or 0))
            yield _upright(scaled.to_ndarray(), frame), frame.time, shown


def _upright(image: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
    """Turn and mirror a picture by the file's display matrix, to the nearest quarter turn.

    The matrix maps (x, y) to (a x + c y, b x + d y); see ISO/IEC 14496-12, 6.2.2.
    """
    side_data: Any = frame.side_data  # PyAV annotates it with a single key
    if (data := side_data.get(SideData.DISPLAYMATRIX)) is None:
        return image
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(int)
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, a, d = image.swapaxes(0, 1), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def reason(error: Exception) -> str:
    """Return what FFmpeg says, without its number and the file's name."""
    if isinstance(error, av.error.ExitError):  # see `READ_SECONDS`
        return "FFmpeg finds nothing more in it, and was stopped"
    return str(getattr(error, "strerror", None) or error)
