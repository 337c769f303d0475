"""Clips and groups for sequences that have none: the course's files keep the order of cutting.

Within a clip the jump from one sequence to the next is a step of motion like any other. Clips were
cut in order of name, so clips of one group are neighbours too, and look alike. Both are estimates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

MOTION_FRAMES = 2  # a cut changes more than the motion of so many frames
REPEATED_SHARE = 0.1  # of the usual change: less is a film that shows frames twice, not motion
USUAL_SHARE = 0.9  # of the time, so that a clip that pauses or jerks is not cut there
NOISE = 0.5  # grey levels: less motion than this is noise
PAIRS = 4000  # of clips, drawn to see how far apart other groups are
ALIKE_PERCENTILE = 5  # of the distances between clips of different classes, so of other groups


@dataclass
class Recovery:
    """Clips and groups of the sequences given to `add` in file order, sorted by class."""

    clips: list[int] = field(default_factory=list)  # of each sequence, counted over all classes
    position: int = -1  # of the last sequence in its clip, from 0
    _labels: list[int] = field(default_factory=list)  # a clip each
    _medians: list[list[np.ndarray]] = field(default_factory=list)  # of a clip's sequences
    _last: np.ndarray | None = None
    _motion: float = 0.0

    def add(self, frames: np.ndarray, label: int) -> None:
        """Add the next sequence, uint8 (30, 64, 64, 3), of class `label`."""
        blurred = _blurred(frames)
        motion = _motion(blurred)
        begins = True
        if self._last is not None and label == self._labels[-1]:
            begins = _change(blurred[:1], self._last)[0] > max(motion, self._motion, NOISE)
        if begins:
            self._labels.append(label)
            self._medians.append([])
        self.position = 0 if begins else self.position + 1
        five = np.sort(frames[::7, ::4, ::4], axis=0)
        self._medians[-1].append(five[len(five) // 2].astype(np.int16))
        self._last = blurred[-1:]
        self._motion = motion
        self.clips.append(len(self._labels) - 1)

    def groups(self) -> list[int]:
        """Return the number of each sequence's group: clips of a class that look alike.

        A clip between two alike ones belongs to them. Alike is nearer, in the median frame, than
        all but `ALIKE_PERCENTILE` % of pairs of clips from different classes. That merges too much
        rather than too little: two groups in one cost training data, one group in two leaks.
        """
        medians = np.stack([np.median(parts, axis=0).astype(np.int16) for parts in self._medians])
        labels = np.array(self._labels)
        one, two = np.random.default_rng(0).integers(0, len(medians), (2, PAIRS))
        differ = labels[one] != labels[two]
        distances = _distances(medians[one[differ]], medians[two[differ]])
        largest = np.percentile(distances, ALIKE_PERCENTILE) if len(distances) else 0.0

        def alike(apart: int) -> np.ndarray:
            """Return whether each clip and the one `apart` clips after it look alike."""
            near = _distances(medians[apart:], medians[:-apart]) <= largest
            return near & (labels[apart:] == labels[:-apart])

        joined = alike(1)  # each clip with the next
        joined[1:] |= alike(2)
        joined[:-1] |= alike(2)
        of_clip = np.append(0, np.cumsum(~joined))
        return of_clip[self.clips].tolist()


def boundary_scores(
    truth: Sequence | np.ndarray, estimate: Sequence | np.ndarray, labels: np.ndarray
) -> dict:
    """Compare estimated boundaries with true ones, within classes, where a boundary is sure.

    `truth` and `estimate` are clips or groups of n sequences in file order, `labels` int (n,).
    Returns `true`, `estimated` and `both`, counts of boundaries, and `precision` and `recall`, None
    where there are none.
    """
    inner = labels[1:] == labels[:-1]
    truth, estimate = np.array(truth), np.array(estimate)
    true = inner & (truth[1:] != truth[:-1])
    estimated = inner & (estimate[1:] != estimate[:-1])
    counts = {"true": true.sum(), "estimated": estimated.sum(), "both": (true & estimated).sum()}
    scores = {name: int(count) for name, count in counts.items()}
    precision = scores["both"] / scores["estimated"] if scores["estimated"] else None
    recall = scores["both"] / scores["true"] if scores["true"] else None
    return scores | {"precision": precision, "recall": recall}


def _blurred(frames: np.ndarray) -> np.ndarray:
    """Return sums over 4 x 4 pixels, in half of the rows for speed, int16 (T, n): no noise."""
    rows = frames[:, ::8].astype(np.int16)
    for i in (1, 2, 3):
        rows += frames[:, i::8].astype(np.int16)
    pairs = rows[:, :, 1:] + rows[:, :, :-1]
    return (pairs[:, :, 2:] + pairs[:, :, :-2]).reshape(len(frames), -1)


def _change(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return how far blurred frames (T, n) differ, grey levels (T,)."""
    return np.abs(one - two).sum(axis=1, dtype=np.int32) / (16 * one.shape[1])


def _motion(blurred: np.ndarray) -> float:
    """Return how much `MOTION_FRAMES` frames of motion usually change, grey levels."""
    steps = _change(blurred[1:], blurred[:-1])
    shown = blurred[1:][steps > REPEATED_SHARE * _usual(steps)]
    return _usual(_change(shown[MOTION_FRAMES:], shown[:-MOTION_FRAMES]))


def _usual(changes: np.ndarray) -> float:
    return float(np.sort(changes)[int(USUAL_SHARE * len(changes))]) if len(changes) else 0.0


def _distances(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return how far median frames (n, 16, 16, 3) differ, grey levels (n,)."""
    return np.abs(one - two).mean(axis=(1, 2, 3))
