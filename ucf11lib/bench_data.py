"""What the data layer costs, each part against what it has to beat, in one run.

What is measured by its memory runs in a process of its own, into which nothing brings TensorFlow that does not need it.
"""

import pickle
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ucf11lib.data import course, recover, videos
from ucf11lib.data.store import WINDOW, ClipStore
from ucf11lib.timing import alone, forget, peak_mb

WORKERS = 2
LOST = (0, 1, 2, 4, 8, 16, 29)  # frames between two clips of one video that are in neither's sequences
FFMPEG_SCALE = "scale={size}:{size}:flags=area+accurate_rnd+full_chroma_int+bitexact"  # as `videos.AREA`


def pickles(store: ClipStore) -> list[dict]:
    """Read a store's pickles into a store again, against a plain copy of their bytes plus a plain `pickle.load`.

    Returns:
        A row a pickle protocol (2 is what `course.export` writes, 4 what today's Python does by itself): the larger
        part's size, peak memory of the reading process, seconds of it and of what it is held against, and their ratio.
    """
    rows = []
    with tempfile.TemporaryDirectory(dir=store.path.parent) as scratch:
        folder = Path(scratch)
        course.export(store, folder / "2")
        alone(_rewritten, folder / "2", folder / "4")
        for protocol in (2, 4):
            files = [folder / str(protocol) / name for name in course.PARTS]
            plain = alone(_copied_and_loaded, files, folder / "copy")
            made = alone(_prepared, folder / "made", folder / str(protocol))
            same = made.value == store.info["sha256"]["frames"]
            shutil.rmtree(folder / "made")
            rows.append({"protocol": protocol, "larger_mb": max(f.stat().st_size for f in files) / 2**20,
                         "peak_mb": made.peak, "seconds": made.seconds, "plain_seconds": plain.seconds,
                         "ratio": made.seconds / plain.seconds, "same_bytes": same})  # fmt: skip
    return rows


def _rewritten(folder: Path, to: Path) -> None:
    to.mkdir()
    for name in course.PARTS:
        part = pickle.loads((folder / name).read_bytes())
        with (to / name).open("wb") as file:
            pickle.dump(part, file, 4)


def _copied_and_loaded(files: list[Path], to: Path) -> None:
    for file in files:
        with file.open("rb") as source, to.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    for file in files:
        with file.open("rb") as source:
            pickle.load(source)
    to.unlink()


def _prepared(path: Path, folder: Path) -> str:
    return course.prepare(path, folder).info["sha256"]["frames"]


def epoch(path: Path, batch_size: int = 16) -> dict:
    """Draw two epochs of batches, the first from a store that is on the disk only, the second from the system's memory.

    Returns:
        batch_size; `cold_batches_a_second` and `batches_a_second`, after each epoch's first; `above_mb`, peak memory
        above TensorFlow's own.
    """
    forget(path / "frames.npy")
    cold, cost = (alone(_drawn, path, batch_size) for _ in range(2))
    return {
        "batch_size": batch_size,
        "above_mb": cost.peak - cost.value["before"],
        "cold_batches_a_second": cold.value["rate"],
        "batches_a_second": cost.value["rate"],
    }


def _drawn(path: Path, batch_size: int) -> dict:
    from ucf11lib.backend import tf
    from ucf11lib.data import batches

    tf.constant(0)
    before, store = peak_mb(), ClipStore.open(path)
    stream, steps = batches.Stream(np.arange(len(store)), 0), len(store) // batch_size
    drawn = iter(batches.training_batches(store, stream, batch_size, first_step=0, steps=steps))
    next(drawn)
    start = time.perf_counter()
    taken = sum(1 for _ in drawn)
    return {"before": before, "rate": taken / (time.perf_counter() - start)}


def decoding(files: list[Path], turns: int = 3, size: int = 64) -> dict:
    """Decode and scale videos with two workers, and with one `ffmpeg` process a file, two at a time.

    Returns:
        files, frames, and the median over `turns` of our seconds, ffmpeg's, and their ratio.
    """

    def by_ffmpeg(file: Path) -> int:
        command = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-i", file]
        command += ["-vf", FFMPEG_SCALE.format(size=size), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        return len(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) // (3 * size * size)

    taken = []
    for _ in range(turns):
        start = time.perf_counter()
        ours = sum(len(frames) for frames, _ in videos.read_all(files, size, WORKERS))
        middle = time.perf_counter()
        with ThreadPoolExecutor(WORKERS) as pool:
            theirs = sum(pool.map(by_ffmpeg, files))
        taken.append((middle - start, time.perf_counter() - middle))
        if ours != theirs:
            raise AssertionError(f"{ours} frames here, {theirs} from ffmpeg")
    seconds, ffmpeg = np.median(taken, axis=0)
    ratio = np.median([ours / theirs for ours, theirs in taken])
    return {"files": len(files), "frames": ours, "seconds": float(seconds), "ffmpeg_seconds": float(ffmpeg),
            "ratio": float(ratio)}  # fmt: skip


def boundaries(store: ClipStore) -> dict:
    """Forget a store's clips and groups, estimate them, and hold the estimates against the truth.

    Returns:
        sequences, and precision and recall of the boundaries between clips, and between groups, within a class.
    """
    found = recover.Recovery()
    for i, label in enumerate(store.labels):
        found.add(store.take([i])[0], int(label))
    clips = recover.scores(store.clips, found.clips, store.labels)
    groups = recover.scores(store.groups, found.groups(), store.labels)
    return {"sequences": len(store), "clips": clips, "groups": groups}


def gaps(files: list[Path]) -> list[dict]:
    """Cut continuous videos into two sequences with frames lost between them, and count how many pass for two clips.

    Returns:
        A row per number of frames `lost`: `cuts`, and the share of them that is `told`, of none lost by mistake. The
        last is for sequences that both begin where the coder drew a whole picture, as files do (`coded`).
    """
    clips = [videos.decode(file) for file in files]
    rows = []
    for lost, step in [*((lost, 7) for lost in LOST), (recover.REFRESH // 2, recover.REFRESH)]:
        told = [are_two(*pair) for frames in clips for pair in _pairs(frames, lost, step)]
        rows.append({"lost": lost, "coded": step == recover.REFRESH, "cuts": len(told), "told": float(np.mean(told))})
    return rows


def _pairs(frames: np.ndarray, lost: int, step: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(frames) - 2 * WINDOW - lost + 1, step):
        second = start + WINDOW + lost
        yield frames[start : start + WINDOW], frames[second : second + WINDOW]


def are_two(*sequences: np.ndarray) -> bool:
    """Tell whether sequences that follow each other are taken for more than one clip."""
    found = recover.Recovery()
    for frames in sequences:
        found.add(frames, 0)
    return found.clips[-1] > 0
