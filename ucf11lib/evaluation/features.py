"""Features of a frozen network, of some frames of each sequence, cached beside the stores.

A cache is data/features-<store>-<network>-<stream>.npy, named by the checksum of the store's
frames. It appears complete or not at all, and may be deleted at any time.
"""

import numpy as np
from tqdm import tqdm

from ucf11lib import paths
from ucf11lib.backend import keras
from ucf11lib.data.store import ClipStore
from ucf11lib.runs.environment import code_digest
from ucf11lib.runs.parsing import damage_in_one_line

STREAMS = ("frames", "differences")
FRAMES = 8  # of a sequence, evenly spread
LAG = 3  # frames between the two of a difference
MID_GREY = 127  # a difference of zero, which the network's input scaling maps to zero
READ_SEQUENCES = 16  # at a time


def pictures(frames: np.ndarray, stream: str) -> np.ndarray:
    """Return what the network sees of sequences: uint8 (n, T, H, W, 3) -> float32 (n, 8, H, W, 3).

    Of the stream `frames` they are frames; of `differences` each minus the one `LAG` before it,
    around mid-grey, not clipped.
    """
    last = frames.shape[1] - 1
    late = np.linspace(min(LAG, last), last, FRAMES).round().astype(int)
    shown = frames[:, late].astype(np.float32)
    if stream == "differences":
        shown = MID_GREY + shown - frames[:, np.maximum(late - LAG, 0)]
    return shown


def features(
    store: ClipStore, network: keras.Model, stream: str, mirrored: bool = False
) -> np.ndarray:
    """Return the features of all sequences of a store: float16 (N, 8, F), from the cache if there.

    `network` maps pictures (n, H, W, 3), 0..255, to features (n, F); its name is part of the
    cache's, and a digest of the code that makes them. `mirrored` swaps left and right. Raises a
    `UserError` for a damaged cache.
    """
    code = code_digest("evaluation/features.py", "models/lite0.py")
    what = "-".join([store.info.sha256["frames"][:12], network.name, code, stream])
    path = paths.data_dir() / f"features-{what}{'-mirrored' if mirrored else ''}.npy"
    if not path.exists():
        computed = _computed(store, network, stream, mirrored)
        with paths.atomic_file(path) as temporary:
            np.save(temporary, computed)
    with damage_in_one_line(path, "delete it, and it is computed again"):
        cached = np.load(path, allow_pickle=False)
        if cached.shape != (len(store), FRAMES, network.output_shape[-1]):
            raise ValueError(f"shape {cached.shape}")
    return cached


def _computed(store: ClipStore, network: keras.Model, stream: str, mirrored: bool) -> np.ndarray:
    parts = []
    starts = range(0, len(store), READ_SEQUENCES)
    for start in tqdm(starts, f"{network.name}, {stream}", leave=False, disable=None):
        frames = store.frames[start : start + READ_SEQUENCES]
        shown = pictures(frames[:, :, :, ::-1] if mirrored else frames, stream)
        flat = network.predict_on_batch(shown.reshape(-1, *shown.shape[2:]))
        parts.append(flat.reshape(*shown.shape[:2], -1).astype(np.float16))
    return np.concatenate(parts)
