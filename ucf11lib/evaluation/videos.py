"""Answers of a trained model on video files: one, or a folder of them."""

import itertools
import math
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ucf11lib import paths
from ucf11lib.backend import keras
from ucf11lib.data.videos import Decoded, decode, decode_all, named_video, walk
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.evaluation.predict import EVALUATION_BATCH, failure_in_one_line, shares_of
from ucf11lib.evaluation.saliency import grad_cam
from ucf11lib.runs import Run
from ucf11lib.text import percent

MIN_SHARE = 0.25  # of a window that a video must fill: with less, most answers were wrong


@dataclass(frozen=True)
class Classifier:
    """A run and its network, which classifies videos and streams."""

    run: Run
    model: keras.Model
    test_flip: bool = False  # the mean of each sequence's probabilities and its mirror image's

    def __call__(self, sequences: np.ndarray) -> np.ndarray:
        """Return probabilities, (n, classes), of uint8 (n, window, size, size, 3)."""
        views = [sequences, sequences[..., ::-1, :]] if self.test_flip else [sequences]
        with failure_in_one_line(self.run):
            outputs = [self.model.predict(v, batch_size=EVALUATION_BATCH, verbose=0) for v in views]
        return np.mean([shares_of(self.run, one) for one in outputs], axis=0)

    def ranking(self, shares: np.ndarray) -> list[tuple[str, float]]:
        """Return classes and their probabilities, (classes,), the likeliest first."""
        order = np.argsort(-shares, kind="stable")
        return [(self.run.data.classes[i], float(shares[i])) for i in order]


@dataclass(frozen=True)
class Prediction:
    """The answer of a run's network to a video."""

    video: Path
    by: Classifier
    frames: int  # at the run's rate
    padded: int  # frames that were added to get one window
    trouble: str  # which frames are damaged; empty for none
    images: Sequence[int]  # the number of the decoded image that each frame shows
    starts: np.ndarray  # first frame of each window of consecutive frames, int (windows,)
    track: np.ndarray  # probabilities of each window, (windows, classes)
    maps: np.ndarray | None  # Grad-CAM of each window, (windows, window, size, size), if asked for

    def ranking(self) -> list[tuple[str, float]]:
        """Return classes and their mean probabilities over the windows, the likeliest first."""
        return self.by.ranking(self.track.mean(axis=0))

    def notes(self) -> list[str]:
        """Return what a reader must know of how the answer came about."""
        padding = f"{self.padded} frames added by playing it backwards and forwards"
        notes = [self.trouble] if self.trouble else []
        notes += [padding] if self.padded else []
        return [*notes, "mean with its mirror image"] if self.by.test_flip else notes

    def as_dict(self) -> dict:
        """Return what `predict --json` prints."""
        windows = []
        classes = self.by.run.data.classes
        for first, row in zip(self.starts.tolist(), self.track.tolist(), strict=True):
            shares = dict(zip(classes, row, strict=True))
            windows.append({"first_frame": first, "probabilities": shares})
        return {
            "video": str(self.video),
            "frames": self.frames,
            "padded": self.padded,
            "damage": self.trouble or None,
            "test_flip": self.by.test_flip,
            "prediction": self.ranking()[0][0],
            "probabilities": dict(self.ranking()),
            "windows": windows,
            "run": str(self.by.run.path),
            "trained_on": self.by.run.note,
        }

    def formatted(self, written: str | None = None) -> str:
        """Return a line on the video, and one for each class, the likeliest first.

        A last line names the video that was `written`, if there is one.
        """
        notes = "".join(f"; {note}" for note in self.notes())
        sequences = f"{len(self.track)} sequence{'s' * (len(self.track) > 1)}"
        size = f"{self.frames} frames, {sequences}{notes}"
        lines = [f"{self.video}: {size}; trained on {self.by.run.note}"]
        lines += [f"  {name:20s} {percent(share, 1):>7s}" for name, share in self.ranking()]
        return "\n".join(lines + ([f"video: {written}"] if written else []))


def predict_video(video: Path | str, by: Classifier, *, explain: bool = False) -> Prediction:
    """Classify a video; damaged frames are left out. `explain` adds Grad-CAM's maps.

    Raises a `UserError` if it is too short, or no video.
    """
    data = by.run.data
    return _prediction(Path(video), decode(video, data.size, by.run.config.data.fps), by, explain)


def predict_folder(folder: Path | str, by: Classifier) -> pd.DataFrame:
    """Classify each file below a folder but hidden ones, links to folders included.

    Columns: file, prediction, confidence, frames, note. A file without an answer has no prediction,
    and its note says why. Raises a `UserError` for no file.
    """
    names = walk(Path(folder)) if Path(folder).is_dir() else ()
    listed = sorted(item for item in names if not item[0].name.startswith("."))
    files = [path for path, reason in listed if not reason]
    if not files:
        raise UserError(f"{folder}: no file in it; give a folder of videos")
    workers = min(len(files), len(os.sched_getaffinity(0)))
    videos = decode_all(files, workers, by.run.data.size, by.run.config.data.fps)
    bar = tqdm(videos, "videos", len(files), leave=False, disable=None)
    # A folder without files, as UCF-11's annotations, is no file that failed; others are.
    unread = [(p, reason) for p, reason in listed if reason not in ("", "an empty folder")]
    unread = [(p, reason) for p, reason in unread if reason != "annotations" or _has_videos(p)]
    rows: list[tuple] = []
    rows += [(str(path.relative_to(folder)), None, None, 0, reason) for path, reason in unread]
    for file, decoded in zip(files, bar, strict=True):
        answer: tuple[str | None, float | None] = (None, None)
        note = decoded.trouble
        try:
            if decoded:
                result = _prediction(file, decoded, by)
                answer, note = result.ranking()[0], "; ".join(result.notes())
        except UserError as error:
            note = str(error).removeprefix(f"{file}: ")
        rows.append((str(file.relative_to(folder)), *answer, len(decoded), note))
    columns = ["file", "prediction", "confidence", "frames", "note"]
    return pd.DataFrame(sorted(rows, key=lambda row: row[0]), columns=columns)


def _has_videos(folder: Path) -> bool:
    return any(named_video(path) for path in folder.rglob("*"))


def write_predictions(folder: Path | str, by: Classifier, out: str | None) -> None:
    """Write `predict_folder`'s table as CSV, to standard output by default.

    Where `out` cannot be a file it fails at once, not after the work. Raises as `predict_folder`,
    and a `RunFailed` at the end if a file has no prediction.
    """
    with paths.atomic_file(Path(out), new=True) if out else nullcontext(sys.stdout) as target:
        table = predict_folder(folder, by)
        table.to_csv(target, index=False, float_format="%.4f", errors="backslashreplace")
    if out:
        print(f"table: {out}")
    if failed := int(table["prediction"].isna().sum()):
        raise RunFailed(f"{failed} of {len(table)} files have no prediction; see the column note")


def _prediction(video: Path, decoded: Decoded, by: Classifier, explain: bool = False) -> Prediction:
    starts, padded = decoded.starts(by.run.data.window), 0
    sequences = decoded.sequences(starts, by.run.data.window)
    if not len(sequences):
        starts, sequences, padded = _one_window(video, decoded, by.run.data.window)
    maps = grad_cam(by.model, sequences) if explain else None
    about = len(decoded), padded, decoded.trouble, decoded.images
    return Prediction(video, by, *about, starts, by(sequences), maps)


def _one_window(video: Path, decoded: Decoded, window: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return start, sequence (1, window, ...) and added frames of a video shorter than a window.

    The longest part without a gap is played forwards, backwards, forwards ... until it fills the
    window: unlike a held last frame it moves all the time, unlike a loop it has no jump.
    """
    ends = [0, *decoded.gaps, len(decoded)]
    first, end = max(itertools.pairwise(ends), key=lambda part: part[1] - part[0])
    n, least = end - first, math.ceil(MIN_SHARE * window)
    if n < least:
        damage = f"; {decoded.trouble}" if decoded.trouble else ""
        frames = f"{n} frames{damage}, but at least {least} in a row are needed"
        raise UserError(f"{video}: {frames}; give a longer video")
    margins = [(0, window - n), (0, 0), (0, 0), (0, 0)]
    sequence = np.pad(decoded[first:end], margins, mode="reflect")
    return np.array([first]), sequence[None], window - n
