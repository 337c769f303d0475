"""What the times of frames tell: where frames are missing, and which is seen when."""

import numpy as np

MAX_PAUSE = 1.0  # seconds between two frames that one sequence may have
MAX_REORDERED = 16  # frames that a decoder may hold back, as H.264 and H.265 allow


def jump(steps: np.ndarray, fps: float | None, damaged: bool) -> float:
    """Return above how many seconds the next frame is no continuation of the one before.

    Steps of one length leave no doubt that frames are missing. Others are a pause, in which a
    player shows one picture, as `fps` does.
    """
    usual = float(np.median(steps)) if len(steps) else 0.0
    if damaged:
        return 1.5 * usual
    alike = (np.abs(steps - usual) < 0.2 * usual).mean() > 0.9 if usual else False
    return 2.5 * usual if alike and not fps else max(MAX_PAUSE, 5 * usual)


def rounding(tick: float, step: float) -> float:
    """Return by how many seconds times may be off, of frames `step` seconds apart.

    It is a `tick` of the file's clock, as in Matroska and GIF, or half a one where a frame takes
    two or three; but where it takes one, as in AVI, times are exact.
    """
    if 3 * tick >= step:
        tick = tick / 2 if 1.5 * tick < step else 0.0
    return tick + 1e-6


def sorted_if_reordered(times: np.ndarray) -> np.ndarray:
    """Return the times of frames in order, where the file has those of their decoding.

    AVI, ASF and MXF do with B-frames: each time is then there once, and hardly out of its place.
    """
    order = np.argsort(times, kind="stable")
    near = np.abs(order - np.arange(len(times))).max() <= MAX_REORDERED
    return times[order] if near and len(np.unique(times)) == len(times) else times


def joins(times: np.ndarray) -> np.ndarray:
    """Return the frames after which the times go back, as they do where files were joined."""
    steps = np.diff(times)
    forward = steps[steps > 0]
    return np.flatnonzero(steps < -2.5 * np.median(forward)) if len(forward) else np.zeros(0, int)


def steady(times: np.ndarray) -> np.ndarray:
    """Return times that rise, where they go back, as in joined files, or several are equal."""
    steps = np.diff(times)
    usual = np.median(steps[steps > 0]) if (steps > 0).any() else 0.0
    rising = times[0] + np.append(0, np.cumsum(np.where(steps < 0, usual, steps)))
    first = np.flatnonzero(np.append(1, np.diff(rising)))  # of those that are equal
    ends = [*first, len(times)], [*rising[first], rising[-1] + usual]
    return np.interp(np.arange(len(times)), *ends)


def resampled(times: np.ndarray, fps: float, tick: float = 0.0) -> np.ndarray:
    """Return which frame is seen at each multiple of 1 / fps seconds after the first.

    `tick` is that of the times' clock, seconds.
    """
    step = (times[-1] - times[0]) / max(len(times) - 1, 1)
    moments = times[0] + np.arange(max(1, round((times[-1] - times[0] + step) * fps))) / fps
    late = np.searchsorted(times, moments + rounding(tick, step), side="right")
    return np.clip(late - 1, 0, len(times) - 1)
