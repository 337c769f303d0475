"""Moving pictures: sequences of frames as H.264 videos, small enough to be embedded in a page."""

import io

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

# Same frames, same bytes: one thread, and not x264's AVX-512 code, of which they differ by chance.
OPTIONS = {"preset": "medium", "crf": "26", "threads": "1", "x264-params": "keyint=300:asm=AVX2"}
# SEI units name the encoder's settings, and would be a fifth of the file.
WITHOUT_SEI = "filter_units=remove_types=6"


def encode(frames: np.ndarray, fps: float = 15) -> bytes:
    """Return uint8 (T, H, W, 3), RGB, as an H.264 mp4; same frames, same bytes.

    30 synthetic frames of 64x64 are some 4 KiB. An odd H or W is made even with the last pixels.
    """
    frames = np.pad(frames, [(0, 0), *((0, n % 2) for n in frames.shape[1:3]), (0, 0)], "edge")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as video:
        stream = video.add_stream("libx264", rate=round(fps), options=OPTIONS)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        filtered = BitStreamFilterContext(WITHOUT_SEI, stream)
        for picture in [*frames, None]:
            frame = picture if picture is None else av.VideoFrame.from_ndarray(picture, "rgb24")
            for packet in stream.encode(frame):
                video.mux(filtered.filter(packet))
        video.mux(filtered.filter(None))
    return file.getvalue()
