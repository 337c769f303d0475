"""Any video file -> classes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ucf11lib import evaluation
from ucf11lib.data import videos
from ucf11lib.errors import UserError
from ucf11lib.runs import Run


@dataclass(frozen=True)
class Prediction:
    """What a run says of a video.

    Attributes:
        video: the file.
        frames: decoded frames.
        classes: display names.
        probabilities: float (classes,), the mean over the windows.
        track: float (windows, classes), one row a window of consecutive frames.
        window: frames a window.
    """

    video: Path
    frames: int
    classes: tuple[str, ...]
    probabilities: np.ndarray
    track: np.ndarray
    window: int

    def ranking(self) -> list[tuple[str, float]]:
        """Return classes and probabilities, the likeliest first."""
        order = np.argsort(-self.probabilities, kind="stable")
        return [(self.classes[i], float(self.probabilities[i])) for i in order]

    def as_dict(self) -> dict:
        """Return what `predict --json` prints."""
        return {
            "video": str(self.video),
            "frames": self.frames,
            "prediction": self.ranking()[0][0],
            "probabilities": dict(self.ranking()),
            "windows": [
                {
                    "first_frame": i * self.window,
                    "probabilities": dict(zip(self.classes, map(float, row), strict=True)),
                }
                for i, row in enumerate(self.track)
            ],
        }


def predict(video: Path | str, run: Run) -> Prediction:
    """Classify a video by the mean of its windows' probabilities.

    Args:
        video: any file that FFmpeg decodes.
        run: a finished run.

    Raises:
        UserError: a file that is no video, or shorter than one window.
    """
    window, size = run.config["window"], run.config["size"]
    frames = videos.decode(Path(video), size)
    if len(frames) < window:
        raise UserError(f"{video}: {len(frames)} frames, but one sequence is {window}; give a longer video")
    outputs = run.model().predict_on_batch(videos.windows(frames, window))
    track = evaluation.probabilities(np.asarray(outputs), run.recipe.head)
    return Prediction(Path(video), len(frames), tuple(run.config["classes"]), track.mean(axis=0), track, window)
