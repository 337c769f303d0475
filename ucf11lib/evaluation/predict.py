"""Answers of a trained model: on a store, on a run's own held-out part, on a video file."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import softmax

from ucf11lib.backend import keras, tf
from ucf11lib.data.batches import evaluation_batches
from ucf11lib.data.store import ClipStore
from ucf11lib.data.videos import decode
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.evaluation.metrics import measure_predictions
from ucf11lib.runs import Run
from ucf11lib.runs.parsing import damage_in_one_line
from ucf11lib.text import percent

EVALUATION_BATCH = 16  # sequences


def make_predict(model: keras.Model) -> Callable[..., np.ndarray]:
    """Return `predict(store, indices, change=None)`, with `change` as in `evaluation_batches`.

    It returns the last layer's outputs, float32 (n, classes).
    """

    @tf.function(autograph=False, reduce_retracing=True)
    def forward(frames):
        return model(frames, training=False)

    def predict(store: ClipStore, indices: np.ndarray, change: Callable | None = None):
        batches = evaluation_batches(store, indices, EVALUATION_BATCH, change)
        return np.concatenate([forward(frames).numpy() for (frames,) in batches])

    return predict


def probabilities(outputs: np.ndarray, head: str) -> np.ndarray:
    """Return outputs of a recipe's `head` as probabilities, both (n, classes); float64."""
    outputs = outputs.astype(np.float64)
    with np.errstate(invalid="ignore"):  # of a training that diverged, outputs may be infinite
        return softmax(outputs, axis=1) if head == "logits" else outputs


@contextlib.contextmanager
def _failure_in_one_line(run: Run) -> Iterator[None]:
    """Turn what a run's network fails of into one line: a stranger's may be any program."""
    path = run.path / "model.keras"
    with damage_in_one_line(path, "train again"):
        try:
            yield
        except (MemoryError, tf.errors.ResourceExhaustedError):
            raise RunFailed(f"{path}: out of memory; free some, or use a smaller network") from None


def own_store(run: Run) -> ClipStore:
    """Open the store that a run was trained on; a `UserError` if it is missing or changed since."""
    store = ClipStore.open(run.data.store)
    if store.info.sha256 != run.data.store_sha256:
        raise UserError(f"{store.path}: changed since {run.path} was trained; train again")
    return store


def evaluate(run: Run, model: keras.Model, store_path: Path | str | None = None) -> dict:
    """Evaluate a finished run's network on its validation part, or on all of another store.

    Returns store, n (sequences), classes, and the keys of `measure_predictions`. Raises a
    `UserError` for a store of other classes or shapes, one that changed since the run, or a network
    that does not run, and a `RunFailed` if memory is exhausted.
    """
    store, data = ClipStore.open(store_path) if store_path else own_store(run), run.data
    if (store.classes, *store.frames.shape[1:3]) != (data.classes, data.window, data.size):
        remedy = f"give a store of the same classes, of {data.window} frames of {data.size} pixels"
        raise UserError(f"{store.path}: classes or shape are not those of {run.path}; {remedy}")
    index = np.arange(len(store)) if store_path else run.predictions["index"]
    if index.max() >= len(store):
        raise UserError(f"{run.path / 'predictions.npz'}: not of {store.path}; train again")
    store.verify()
    with _failure_in_one_line(run):
        y_prob = probabilities(make_predict(model)(store, index), run.config.recipe.head)
    about = {"store": str(store.path), "n": len(index), "classes": list(store.classes)}
    clips, groups = store.clips[index], store.groups[index]
    return about | measure_predictions(store.labels[index], y_prob, clips, groups)


def formatted(result: dict) -> str:
    """Return a line on what `evaluate` returned, then one with the accuracy of each class."""
    accuracy = f"accuracy {percent(result['accuracy'], 1)}, macro F1 {result['macro_f1']:.3f}"
    shares = zip(result["classes"], result["per_class_accuracy"], strict=True)
    return _lines(f"{result['n']} sequences of {result['store']}: {accuracy}", shares)


def _lines(title: str, shares: Iterable[tuple[str, float | None]]) -> str:
    """Return a title, then a line for each class and its share."""
    texts = [(name, "none" if share is None else percent(share, 1)) for name, share in shares]
    return "\n".join([title, *(f"  {name:20s} {text:>7s}" for name, text in texts)])


@dataclass(frozen=True)
class Prediction:
    """The answer of a run's network to a video."""

    video: Path
    run: Run
    frames: int  # that were decoded
    trouble: str  # which frames are damaged; empty for none
    starts: np.ndarray  # first frame of each window of consecutive frames, int (windows,)
    track: np.ndarray  # probabilities of each window, (windows, classes)

    def ranking(self) -> list[tuple[str, float]]:
        """Return classes and their mean probabilities over the windows, the likeliest first."""
        means = self.track.mean(axis=0)
        order = np.argsort(-means, kind="stable")
        return [(self.run.data.classes[i], float(means[i])) for i in order]

    def as_dict(self) -> dict:
        """Return what `predict --json` prints."""
        windows = []
        for first, row in zip(self.starts.tolist(), self.track.tolist(), strict=True):
            shares = dict(zip(self.run.data.classes, row, strict=True))
            windows.append({"first_frame": first, "probabilities": shares})
        return {
            "video": str(self.video),
            "frames": self.frames,
            "damage": self.trouble or None,
            "prediction": self.ranking()[0][0],
            "probabilities": dict(self.ranking()),
            "windows": windows,
            "run": str(self.run.path),
            "trained_on": self.run.note,
        }

    def formatted(self) -> str:
        """Return a line on the video, then one for each class, the likeliest first."""
        damage = f" ({self.trouble})" if self.trouble else ""
        size = f"{self.frames} frames{damage}, {len(self.track)} sequences"
        return _lines(f"{self.video}: {size}; trained on {self.run.note}", self.ranking())


def predict_video(video: Path | str, run: Run, model: keras.Model) -> Prediction:
    """Classify a video with a run's network; damaged frames are left out, and `trouble` says so.

    Raises a `UserError` if it is too short, or no video.
    """
    window = run.data.window
    decoded = decode(Path(video), run.data.size, run.config.data.fps)
    starts, sequences = decoded.windows(window)
    n = len(decoded.frames)
    if not len(sequences):
        damage = f"; {decoded.trouble}" if decoded.trouble else ""
        frames = f"{n} frames{damage}, but one sequence is {window} in a row"
        raise UserError(f"{video}: {frames}; give a longer video")
    with _failure_in_one_line(run):
        outputs = model.predict(sequences, batch_size=EVALUATION_BATCH, verbose=0)
        track = probabilities(outputs, run.config.recipe.head)
    return Prediction(Path(video), run, n, decoded.trouble, starts, track)
