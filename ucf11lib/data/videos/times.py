"""What the times of frames tell: where frames are missing, and which is seen when."""

import numpy as np

MAX_PAUSE = 1.0  # seconds between two frames that one sequence may have


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


def joins(times: np.ndarray) -> np.ndarray:
    """Return the frames after which the times go back, as they do where files were joined."""
    steps = np.diff(times)
    forward = steps[steps > 0]
    return np.flatnonzero(steps < -2.5 * np.median(forward)) if len(forward) else np.zeros(0, int)


def steady(times: np.ndarray) -> np.ndarray:
    """Return times that never go back, as they do where files were joined."""
    steps = np.diff(times)
    usual = np.median(steps[steps > 0]) if (steps > 0).any() else 0.0
    return times[0] + np.append(0, np.cumsum(np.where(steps > 0, steps, usual)))


def resampled(times: np.ndarray, fps: float) -> np.ndarray:
    """Return which frame is seen at each multiple of 1 / fps seconds after the first."""
    length = times[-1] - times[0] + (times[-1] - times[0]) / max(len(times) - 1, 1)
    ticks = times[0] + np.arange(max(1, round(length * fps))) / fps
    return np.clip(np.searchsorted(times, ticks + 1e-6, side="right") - 1, 0, len(times) - 1)
