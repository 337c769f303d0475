"""A tree of videos -> a clip store: UCF-11's own layout, or any folder of class folders.

    <folder>/<class>/<group>/<clip>.mpg    UCF-11's archive, with or without UCF11_updated_mpg/ above it
    <folder>/<class>/<clip>.avi            UCF-101, Weizmann, or your own

Frames are counted by decoding them, since headers lie, and scaled by area averaging, since skipping pixels
makes small things flicker. A clip that cannot be used is left out and listed in `store.json`.
"""

import itertools
import multiprocessing
import os
import re
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from pebble import ProcessExpired, ProcessFuture, ProcessPool
from tqdm import tqdm

from ucf11lib import paths
from ucf11lib.data import store
from ucf11lib.data.motions import MOTIONS
from ucf11lib.errors import UserError

SUFFIXES = (".mpg", ".mpeg", ".avi", ".mp4", ".mov", ".mkv", ".webm", ".m4v")
BROKEN = 0.02  # of the clips; if more are undecodable, it is the tree that is broken
PATIENCE, SLOWEST = 60, 1e5  # seconds, and bytes a second: a decoder that takes longer is taken for one that hangs
# Plain AREA is 1.5 grey levels too dark, and rounds as the processor pleases.
AREA = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
# What is searched in <class>/[<folder>/]<clip>.<suffix>, and what it makes the group.
RULES = {
    "UCF-101 names": (r"(?i)^([^/]+)/(?:.+/)?v_[^/]+_(g\d+)_c\d+\.\w+$", r"\1/\2"),
    "group folders or UCF-11 names": (r"^([^/]+)/(?:([^/]+)/.+|(v_[^/]+_\d+)_\d+\.\w+)$", r"\1/\2\3"),
    "Weizmann names": (r"(?i)^([^/]+)/(?:.+/)?([^/]+)_\1\d?\.\w+$", r"\2"),
}
OWN = "each clip its own"


def _read(file: Path, size: int) -> tuple[np.ndarray, str]:
    """Return the frames before the first trouble, and what the trouble was: empty if there was none."""
    pixels, n, trouble = bytearray(), 0, "cannot be opened: "
    try:
        # An absolute name is never taken for a URL, and a title in odd bytes is no reason to refuse a video.
        with av.open(str(file.absolute()), metadata_errors="replace") as container:
            stream = container.streams.best("video")
            if stream is None or stream.codec_context is None:
                raise ValueError("no video stream that FFmpeg knows")
            stream.codec_context.thread_count = 1  # whole clips run in parallel instead
            trouble = "no frame decodes: "
            scaler = VideoReformatter()  # one a file: one a frame takes five times as long
            for frame in container.decode(stream):  # turned as it says, since phones film on their side
                trouble = f"frame {n} is damaged"
                if frame.is_corrupt:  # what the decoder then shows is its own guess
                    break
                square = scaler.reformat(frame, size, size, "rgb24", interpolation=AREA, threads=1)
                pixels += np.rot90(square.to_ndarray(), round(frame.rotation / 90)).tobytes()
                n += 1
                trouble = f"broke off after {n} frames: "
            else:
                trouble = "" if n else "no frame decodes"
    except (av.FFmpegError, ValueError) as error:
        trouble += str(getattr(error, "strerror", None) or error)
    return np.frombuffer(pixels, np.uint8).reshape(n, size, size, 3), trouble


def decode(path: Path | str, size: int = store.SIZE) -> np.ndarray:
    """Return a video file's frames, squashed to a square: uint8 (n, size, size, 3), RGB, n >= 1.

    Raises:
        UserError: the file cannot be opened, has no video stream, or does not decode to its end.
    """
    frames, trouble = _read(Path(path), size)
    if trouble:
        raise UserError(f"{paths.shown(path)}: {trouble}; give a video that FFmpeg decodes, such as .mpg")
    return frames


def windows(frames: np.ndarray, window: int = store.WINDOW, stride: int | None = None) -> np.ndarray:
    """Cut (n, size, size, 3) into (sequences, window, size, size, 3) that begin every `stride` frames.

    The stride is the window by default: no overlap. A rest shorter than a window is dropped.
    """
    starts = np.arange(0, len(frames) - window + 1, stride or window)
    return frames[starts[:, None] + np.arange(window)]


def find_groups(names: list[str], pattern: str | None = None) -> tuple[list[str], str]:
    """Return each clip's group, by the first rule that fits all of them, and that rule.

    Args:
        names: files as seen from the tree's root, `<class>/[<folder>/]<clip>.<suffix>`.
        pattern: searched in them instead; what its group called `group`, or else its first, holds.

    Raises:
        UserError: `pattern` does not compile, has no capture group, or does not match all names.
    """
    rules = RULES
    if pattern is not None:
        rules = {f"--group-pattern {pattern}": (pattern, r"\g<group>" if "?P<group>" in pattern else r"\1")}
    for rule, (regex, template) in rules.items():
        try:
            groups = [match.expand(template) if (match := re.search(regex, name)) else "" for name in names]
        except (re.error, IndexError) as error:
            raise UserError(f"{rule}: {error}; give a regular expression with (...) in it") from None
        if all(groups):
            return groups, rule
        if pattern is not None:
            missed = f"{groups.count('')} of {len(names)} clips, the first: {names[groups.index('')]}"
            raise UserError(f"{rule}: finds no group in {missed}; it must fit all")
    return [str(PurePosixPath(name).with_suffix("")) for name in names], OWN


def _entries(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.name[0] != "." and f.name.lower() != "annotation")


def _videos(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        if entry.is_dir():
            yield from _videos(entry)
        elif entry.suffix.lower() in SUFFIXES:
            yield entry


def _scan(folder: Path, source: str) -> tuple[Path, dict[str, list[Path]]]:
    """Return the tree's root and, in label order, the videos of each class."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no folder there; give --data the one that holds the class folders")
    below = [f for f in _entries(folder) if f.is_dir()]
    if [f.name for f in below] == ["UCF11_updated_mpg"]:
        return _scan(below[0], source)
    found = {f.name: files for f in below if (files := list(_videos(f)))}
    if not found:
        raise UserError(f"{folder}: no class folder with videos in it; expected <class>/<clip>.mpg or "
                        f"<class>/<group>/<clip>.mpg, any of {' '.join(SUFFIXES)}")  # fmt: skip
    order = MOTIONS if source == "ucf11" else found
    if unknown := sorted(found.keys() - order.keys()):
        raise UserError(f"{folder}: not classes of UCF-11: {', '.join(unknown)}; try --source videos")
    return folder, {name: found[name] for name in order if name in found}


def _clip_names(names: list[str]) -> list[str]:
    """Return the names without their suffixes, which must still tell the files apart."""
    clips: dict[str, str] = {}
    for name in names:
        first = clips.setdefault(str(PurePosixPath(name).with_suffix("")), name)
        if first != name:
            raise UserError(f"{first} and {name}: one clip by their names; rename or remove one")
    return list(clips)


def read_all(files: list[Path], size: int, workers: int) -> Iterator[tuple[np.ndarray, str]]:
    """Decode files, in order, in processes of their own: a decoder may crash or never end.

    Yields:
        A file's frames before the first trouble, uint8 (n, size, size, 3), and what it was: empty if there was none.
    """
    context = multiprocessing.get_context("forkserver")  # a process with TensorFlow's threads must not be forked
    context.set_forkserver_preload([__name__])
    ahead = iter(files)
    with ProcessPool(workers, context=context) as pool:
        try:
            pending = deque(_schedule(pool, file, size) for file in itertools.islice(ahead, 2 * workers))
            while pending:
                result = _result(pending.popleft())
                pending.extend(_schedule(pool, file, size) for file in itertools.islice(ahead, 1))
                yield result
        finally:
            pool.stop()


def _schedule(pool: ProcessPool, file: Path, size: int) -> ProcessFuture:
    return pool.schedule(_read, (file, size), timeout=PATIENCE + file.stat().st_size / SLOWEST)


def _result(future: ProcessFuture) -> tuple[np.ndarray, str]:
    try:
        return future.result()
    except TimeoutError:
        trouble = "the decoder did not come to an end"
    except ProcessExpired as error:
        trouble = f"the decoder crashed (exit code {error.exitcode})"
    return np.empty((0, 0, 0, 3), np.uint8), trouble


def prepare(
    path: Path | str,
    folder: Path | str,
    *,
    source: str = "videos",
    group_pattern: str | None = None,
    window: int = store.WINDOW,
    stride: int | None = None,
    size: int = store.SIZE,
    broken: float = BROKEN,
    workers: int | None = None,
) -> store.ClipStore:
    """Decode a tree of videos into a new store at `path` and open it.

    Args:
        path: the store's folder, which must not exist.
        folder: the class folders, or `UCF11_updated_mpg` with them.
        source: `ucf11` (only UCF-11's class folders, in its order) or `videos` (any, sorted).
        group_pattern: how to read a clip's group from its name; see `find_groups`.
        window: frames a sequence.
        stride: frames from one sequence's start to the next's; the window by default.
        size: pixels a side.
        broken: share of the clips that may be undecodable; more of them, or more than one in a small tree, mean that
            it is the tree that is broken.
        workers: processes that decode, as many as processors by default; the store is the same with any number.

    Raises:
        UserError: no such tree, classes or groups that do not fit, too many undecodable clips, or no use of a number.
    """
    stride, workers = window if stride is None else stride, os.cpu_count() or 1 if workers is None else workers
    _check(window=window, stride=stride, size=size, workers=workers)
    if not 0 <= broken <= 1:
        raise UserError(f"--broken {broken}: give a share, 0 to 1")
    root, tree = _scan(Path(folder), source)
    classes, files = list(tree), [file for found in tree.values() for file in found]
    names = [file.relative_to(root).as_posix() for file in files]
    clips, (groups, rule) = _clip_names(names), find_groups(names, group_pattern)
    if rule == OWN:
        print("warning: no groups in the names: each clip is its own; see --group-pattern", file=sys.stderr)
    origin = {"folder": str(root.absolute()), "groups": rule, "av": av.__version__}
    dates = [[file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    made = {"source": source, "classes": classes, "origin": origin, "inputs": [names, dates]}
    with store.create(path, **made, window=window, stride=stride, size=size) as out:
        first = len(out.done)  # of the clips that an interrupted try did not come to
        found = read_all(files[first:], size, workers)
        bar = tqdm(found, total=len(files), initial=first, desc="decoding", unit="clip", disable=None)
        for clip, group, (frames, trouble) in zip(clips[first:], groups[first:], bar, strict=True):
            if trouble or len(frames) < window:
                reason = trouble or f"{len(frames)} frames, fewer than {window}"
                out.leave_out(clip, reason, frames_read=len(frames), damaged=bool(trouble))
                continue
            label = classes.index(clip.split("/")[0])
            sequences = windows(frames, window, stride)
            out.add(sequences, label=label, group=group, clip=clip, stride=stride, frames_read=len(frames))
        _count_broken(root, out.left_out, len(files), broken)
    return store.ClipStore.open(path)


def _check(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise UserError(f"--{name} {number}: give 1 or more")


def _count_broken(root: Path, left_out: list[dict], n: int, share: float) -> None:
    broken = [item for item in left_out if item["damaged"]]
    if len(broken) > max(1, share * n):
        first = f"{broken[0]['clip']} ({broken[0]['reason']})"
        raise UserError(f"{root}: {len(broken)} of {n} clips cannot be decoded, the first: {first}; repair or remove "
                        f"them, or allow more with --broken {_next_percent(len(broken) / n):g}")  # fmt: skip


def _next_percent(share: float) -> float:
    return -(-share // 0.01) / 100
