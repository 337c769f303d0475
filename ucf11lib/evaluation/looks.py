"""More than one look at test time: more windows of a clip, and each one's mirror image."""

from dataclasses import dataclass, field

import numpy as np

from ucf11lib.data.store import ClipStore


@dataclass(frozen=True)
class Windows:
    """Sequences that are cut anew from a store's, each `rows` and `offsets` of its frames.

    `make_predict` reads it as it reads a store.
    """

    store: ClipStore = field(repr=False)
    rows: np.ndarray  # the store's sequence of each frame, int (n, window)
    offsets: np.ndarray  # and the frame's number in it, int (n, window)

    @classmethod
    def spread(cls, store: ClipStore, indices: np.ndarray, count: int) -> "Windows":
        """Cut at most `count` windows, evenly spread, from each clip's consecutive frames.

        Only frames of the sequences `indices` are used.
        """
        window = store.info.window
        starts = store.index["first_frame"].to_numpy()
        rows, offsets = [], []
        for clip in np.unique(store.clips[indices]):
            of_clip = indices[store.clips[indices] == clip]
            numbers = (starts[of_clip][:, None] + np.arange(window)).ravel()
            numbers, first = np.unique(numbers, return_index=True)
            ends = numbers[window - 1 :] - numbers[: len(numbers) - window + 1]
            begins = np.flatnonzero(ends == window - 1)  # no frame is missing in between
            places = np.linspace(0, len(begins) - 1, min(count, len(begins)))
            picked = np.unique(places.round().astype(int))
            for begin in begins[picked]:
                which, offset = np.divmod(first[begin : begin + window], window)
                rows.append(of_clip[which])
                offsets.append(offset)
        return cls(store, np.stack(rows), np.stack(offsets))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def frames(self) -> np.ndarray:
        """The store's, of which only the shape of a sequence is read."""
        return self.store.frames

    @property
    def index(self) -> np.ndarray:
        """The store's sequence that each window begins in: int (n,)."""
        return self.rows[:, 0]

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Read windows: uint8 (n, window, size, size, 3)."""
        return self.store.frames[self.rows[indices], self.offsets[indices]]


def mirrored(frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Swap left and right of uint8 (n, T, H, W, 3)."""
    return frames[:, :, :, ::-1]
