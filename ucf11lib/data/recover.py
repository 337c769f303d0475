"""Clips and groups for sequences that come without: the course's files keep neither, but keep the order of cutting.

Sequences of one clip follow each other, and two things tell where a new one begins. Motion: within a clip the jump from
one sequence to the next is a step like any other. Coding: a file begins with a whole picture and has one every
`REFRESH` frames, at which even what stands still is drawn anew. 30 frames on they stand in other places, so two
neighbours that both have them where a file's first sequence has are of two files, even if of one continuous video.

Clips were cut in order of name, so clips of one group are neighbours too, and look alike. All are estimates, and are
called so wherever they are shown.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ucf11lib.data.store import WINDOW

STEPS = 2  # a cut changes more than the motion of this many frames,
REPEATED = 0.1  # not counting those that change less than this share of the usual: many films show frames twice,
SHARE = 0.9  # and the usual is what this share of the time keeps to: a clip that pauses, or jerks, is not cut there
STILL = 0.5  # grey levels: less motion than this is noise
REFRESH = 12  # frames, FFmpeg's default, in the files of UCF-11 and UCF-101 at hand; at any other motion alone tells
LUCK = math.log(math.comb(WINDOW - 5, 2))  # log odds against a sequence's two greatest changes being there by chance
ALIKE = 5  # percentile of the distances between clips of different classes, which surely are of different groups


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
    _goes_on: list[bool] = field(default_factory=list)  # from the clip before, by motion
    _last: np.ndarray | None = None
    _motion: float = 0.0
    _refreshed: bool = False

    def add(self, frames: np.ndarray, label: int) -> None:
        """Take the next sequence, uint8 (30, 64, 64, 3), of class `label`."""
        blurred = _blurred(frames)
        motion, refreshed = _motion(blurred), _refreshed(frames)
        begins, confidence, jump = True, 1.0, math.inf
        if self._labels and label == self._labels[-1]:
            jump = 4 * math.log(max(_change(blurred[:1], self._last)[0], 1e-6) / max(motion, self._motion, STILL))
            odds = jump + LUCK * (self._refreshed and refreshed)  # one of them may be chance
            begins, confidence = odds > 0, 1 / (1 + math.exp(-abs(odds)))
        if begins:
            self._labels.append(label)
            self._medians.append([])
            self._goes_on.append(jump <= 0)
        five = np.sort(frames[::7, ::4, ::4], axis=0)
        self._medians[-1].append(five[len(five) // 2].astype(np.int16))
        self._last, self._motion, self._refreshed = blurred[-1:], motion, refreshed
        self.clips.append(len(self._labels) - 1)
        self.confidence.append(confidence)

    @property
    def position(self) -> int:
        """Sequences before the last one taken in its clip."""
        return len(self._medians[-1]) - 1

    def groups(self) -> list[int]:
        """Return the number of each sequence's group: clips of a class that are alike, and a clip between two of them.

        Alike is nearer, in the median frame, than all but `ALIKE` % of pairs of clips from different classes. That
        merges too much rather than too little: two groups in one cost training data, one group in two leaks.
        """
        medians = np.stack([np.median(parts, axis=0).astype(np.int16) for parts in self._medians])
        labels = np.array(self._labels)
        most = _alike(medians, labels)

        def alike(i: int, j: int) -> bool:
            inside = i >= 0 and j < len(labels) and labels[i] == labels[j]
            return inside and np.abs(medians[i] - medians[j]).mean() <= most

        number, of_clip = 0, [0]
        for k in range(1, len(medians)):
            joined = self._goes_on[k] or any(alike(i, j) for i, j in ((k - 1, k), (k - 2, k), (k - 1, k + 1)))
            number += not (joined and labels[k] == labels[k - 1])
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


def _blurred(frames: np.ndarray) -> np.ndarray:
    """Return sums over 4 x 4 pixels, in half of the rows for speed, int16 (T, n): noise goes, motion stays."""
    rows = frames[:, ::8].astype(np.int16)
    for i in (1, 2, 3):
        rows += frames[:, i::8].astype(np.int16)
    pairs = rows[:, :, 1:] + rows[:, :, :-1]
    return (pairs[:, :, 2:] + pairs[:, :, :-2]).reshape(len(frames), -1)


def _change(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return how far blurred frames (T, n) differ, grey levels (T,)."""
    return np.abs(one - two).sum(axis=1, dtype=np.int32) / (16 * one.shape[1])


def _motion(blurred: np.ndarray) -> float:
    """Return how much `STEPS` frames of motion usually change, grey levels."""
    steps = _change(blurred[1:], blurred[:-1])
    shown = blurred[1:][steps > REPEATED * _usual(steps)]
    return _usual(_change(shown[STEPS:], shown[:-STEPS]))


def _usual(changes: np.ndarray) -> float:
    return float(np.sort(changes)[int(SHARE * len(changes))]) if len(changes) else 0.0


def _refreshed(frames: np.ndarray) -> bool:
    """Tell whether the refreshes of a sequence are seen, and are where they are in a clip's first, third, ... sequence.

    At a refresh fewer pixels than in the frames around it are left exactly as they were.
    """
    rows = frames[:, ::4].reshape(len(frames), -1)
    same = (rows[1:] == rows[:-1]).view(np.uint8).sum(axis=1, dtype=np.uint16) / rows.shape[1]
    drawn = -np.log(same + 0.01)
    around = np.sort([drawn[i : len(drawn) - 4 + i] for i in (0, 1, 3, 4)], axis=0)[1:3].mean(axis=0)
    strongest = np.argsort(drawn[2:-2] - around)[-2:] + 3  # of frames 3 to 27, which have two around on either side
    return set(strongest.tolist()) == {REFRESH, 2 * REFRESH}


def _alike(medians: np.ndarray, labels: np.ndarray, pairs: int = 4000) -> float:
    """Return the distance, grey levels, below which two clips are taken for one group's; 0 for one class."""
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, len(medians), (2, pairs))
    differ = labels[one] != labels[two]
    distances = [np.abs(medians[a] - medians[b]).mean() for a, b in zip(one[differ], two[differ], strict=True)]
    return float(np.percentile(distances, ALIKE)) if distances else 0.0
