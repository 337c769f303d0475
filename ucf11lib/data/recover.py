"""Clips and groups for sequences that come without: the course's files keep neither, but keep the order of cutting.

Sequences of one clip follow each other, and the first frame of one continues the last frame of the one before: the jump
between them is a step of motion like any other. At a new clip it is a cut. Clips were cut in order of name, so clips of
one group are neighbours too, and look alike. Both are estimates, and are called so wherever they are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

STEPS = 3  # a cut changes more than the motion of this many frames,
SHARE = 90  # percentile, in either neighbour: a clip that stands still for a while, or stutters, is not cut there
STILL = 0.5  # grey levels: less motion than this is noise
ALIKE = 10  # percentile of the distances between clips of different classes, which surely are of different groups


@dataclass
class Recovery:
    """Takes sequences in file order; `clips`, `confidence` and `groups()` have one entry a sequence.

    Attributes:
        clips: number of the clip, counted over all classes.
        confidence: 0.5..1, of the boundary before the sequence or of its absence; 1 where a class begins.
    """

    clips: list[int] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    _labels: list[int] = field(default_factory=list)  # a clip each
    _medians: list[list[np.ndarray]] = field(default_factory=list)  # of a clip's sequences
    _last: np.ndarray | None = None
    _motion: float = 0.0

    def add(self, frames: np.ndarray, label: int) -> None:
        """Take the next sequence, uint8 (T, H, W, 3), of class `label`."""
        small = frames[:, ::4, ::4].astype(np.int16)  # a sixteenth of the pixels tells as much
        motion = _motion(small)
        begins, confidence = True, 1.0
        if self._labels and label == self._labels[-1]:
            jump = float(np.abs(small[0] - self._last).mean())
            ratio = jump / max(motion, self._motion, STILL)
            begins, confidence = ratio > 1, 1 / (1 + min(ratio, 1 / max(ratio, 1e-6)) ** 4)
        if begins:
            self._labels.append(label)
            self._medians.append([])
        five = np.sort(frames[::7, ::4, ::4], axis=0)
        self._medians[-1].append(five[len(five) // 2].astype(np.int16))
        self._last, self._motion = small[-1], motion
        self.clips.append(len(self._labels) - 1)
        self.confidence.append(confidence)

    @property
    def position(self) -> int:
        """Sequences before the last one taken in its clip."""
        return len(self._medians[-1]) - 1

    def groups(self) -> list[int]:
        """Return the number of each sequence's group: neighbouring clips of a class whose median frames are alike.

        Alike is nearer than all but `ALIKE` % of pairs of clips from different classes. That merges too much
        rather than too little: two groups in one cost training data, one group in two leaks.
        """
        medians = np.stack([np.median(parts, axis=0).astype(np.int16) for parts in self._medians])
        labels = np.array(self._labels)
        most = _alike(medians, labels)
        number, of_clip = 0, [0]
        for k in range(1, len(medians)):
            near = np.abs(medians[k] - medians[k - 1]).mean() <= most
            number += not (near and labels[k] == labels[k - 1])
            of_clip.append(number)
        return [of_clip[clip] for clip in self.clips]


def scores(truth: Sequence, found: Sequence, labels: np.ndarray) -> dict:
    """Hold boundaries found against true ones, within the classes: a class begins a clip and a group in any case.

    Args:
        truth, found: clips or groups of n sequences in file order, of any kind.
        labels: int (n,).

    Returns:
        `true`, `found` and `both`, counts of boundaries, with their `precision` and `recall`, None of none.
    """
    inner = labels[1:] == labels[:-1]
    true, said = (inner & (np.asarray(units)[1:] != np.asarray(units)[:-1]) for units in (truth, found))
    n_true, n_said, both = int(true.sum()), int(said.sum()), int((true & said).sum())
    return {"true": n_true, "found": n_said, "both": both,
            "precision": both / n_said if n_said else None, "recall": both / n_true if n_true else None}  # fmt: skip


def _motion(frames: np.ndarray) -> float:
    """Return how much `STEPS` frames of motion change, grey levels: the `SHARE`th percentile over the sequence."""
    return float(np.percentile(np.abs(frames[STEPS:] - frames[:-STEPS]).mean(axis=(1, 2, 3)), SHARE))


def _alike(medians: np.ndarray, labels: np.ndarray, pairs: int = 4000) -> float:
    """Return the distance, grey levels, below which two clips are taken for one group's; 0 for one class."""
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, len(medians), (2, pairs))
    differ = labels[one] != labels[two]
    distances = [np.abs(medians[a] - medians[b]).mean() for a, b in zip(one[differ], two[differ], strict=True)]
    return float(np.percentile(distances, ALIKE)) if distances else 0.0
