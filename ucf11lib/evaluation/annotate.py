"""A video with a network's answers burnt in."""

import contextlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from tqdm import tqdm

from ucf11lib import paths
from ucf11lib.data.videos import pictures, video_stream
from ucf11lib.evaluation.videos import Prediction
from ucf11lib.text import percent

DEFAULT_RATE = 25  # frames a second, of a file that tells none


def write_annotated(result: Prediction, out: Path, draw: Callable[..., np.ndarray]) -> None:
    """Write a video again as H.264, without sound: frame by frame what `draw` makes of it.

    `draw` is `figures.overlay`. The headline, also the file's title, is the class of all windows
    together; the bars are of the window that the frame is in, or the one before. Damaged frames
    are left out.
    """
    name, share = result.ranking()[0]
    headline = f"whole video: {name} {percent(share)}"
    with (
        av.open(str(result.video.absolute()), metadata_errors="replace") as source,
        paths.atomic_file(out, new=True) as temporary,
        av.open(str(temporary.absolute()), "w") as target,
    ):
        stream = video_stream(source)
        rate = stream.average_rate or DEFAULT_RATE
        target.metadata["title"] = headline
        encoder = target.add_stream("libx264", rate, options={"crf": "20"})
        encoder.pix_fmt = "yuv420p"
        frames = _readable(source, stream)
        bar = tqdm(
            frames, "annotate", stream.frames or None, leave=False, disable=None, unit="frame"
        )
        begin = 0.0  # the time of the first frame, which some files begin at a second or an hour
        for number, (image, time) in enumerate(bar):
            seconds = float(number / rate) if time is None else time - begin
            if not number:
                begin, seconds = seconds, 0.0
            ranking, heat = _answer(result, number)
            drawn = draw(image, headline, f"{seconds:.1f} s", ranking, heat)
            if not number:
                encoder.height, encoder.width = drawn.shape[:2]
                encoder.codec_context.sample_aspect_ratio = _sample_aspect_ratio(stream, image)
            target.mux(encoder.encode(av.VideoFrame.from_ndarray(drawn, "rgb24")))
        target.mux(encoder.encode())


def _readable(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[tuple]:
    """Yield `pictures` that are not damaged, until the file breaks off."""
    with contextlib.suppress(av.FFmpegError, ValueError):
        for image, seconds, _ in pictures(container, stream):
            if image is not None:
                yield image, seconds


def _sample_aspect_ratio(stream: av.VideoStream, image: np.ndarray) -> Fraction:
    """Return the width of an upright picture's pixels by their height; 0 if the file tells none.

    DVDs and DV have pixels that are no squares.
    """
    ratio = stream.sample_aspect_ratio or Fraction(0)
    turned = (image.shape[0] > image.shape[1]) != (stream.height > stream.width)
    return 1 / ratio if ratio and turned else ratio


def _answer(result: Prediction, number: int) -> tuple[list, np.ndarray | None]:
    """Return the ranking of a decoded image's window, and the image's map, if it is in one."""
    place = max(0, int(np.searchsorted(result.images, number, side="right")) - 1)
    window = max(0, int(np.searchsorted(result.starts, place, side="right")) - 1)
    maps, offset = result.maps, place - result.starts[window]
    heat = maps[window, offset] if maps is not None and 0 <= offset < maps.shape[1] else None
    return result.by.ranking(result.track[window]), heat
