"""Answers of a trained model: on a store, on a run's own held-out part."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.special import softmax

from ucf11lib.backend import keras, tf
from ucf11lib.data.batches import evaluation_batches
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.evaluation.looks import Windows, mirrored
from ucf11lib.evaluation.metrics import measure_predictions
from ucf11lib.runs import Run
from ucf11lib.runs.folder import are_probabilities
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
def failure_in_one_line(run: Run) -> Iterator[None]:
    """Turn what a run's network fails of into one line: a stranger's may be any program."""
    path = run.path / "model.keras"
    with damage_in_one_line(path, "train again"):
        try:
            yield
        except (MemoryError, tf.errors.ResourceExhaustedError):
            raise RunFailed(f"{path}: out of memory; free some, or use a smaller network") from None


def shares_of(run: Run, outputs: np.ndarray) -> np.ndarray:
    """Return the outputs of a run's network as probabilities; a `UserError` if they are none."""
    shares = probabilities(outputs, run.config.recipe.head)
    if not are_probabilities(shares):
        raise UserError(
            f"{run.path / 'model.keras'}: its answers are no probabilities; train again"
        )
    return shares


def held_out_index(run: Run, store: ClipStore) -> np.ndarray:
    """Return the held-out sequences of a run, of its store; a `UserError` if they are not."""
    index = run.predictions["index"]
    if index.max() >= len(store):
        raise UserError(f"{run.path / 'predictions.npz'}: not of {store.path}; train again")
    return index


def own_store(run: Run) -> ClipStore:
    """Open the store that a run was trained on; a `UserError` if it is missing or changed since."""
    store = ClipStore.open(run.data.store)
    if store.info.sha256 != run.data.store_sha256:
        raise UserError(f"{store.path}: changed since {run.path} was trained; train again")
    return store


def evaluate(
    run: Run,
    model: keras.Model,
    store_path: Path | str | None = None,
    *,
    flip: bool = False,
    windows: int | None = None,
) -> dict:
    """Evaluate a finished run's network on its validation part, or on all of another store.

    `flip` answers with the mean of a sequence and its mirror image, `windows` cuts as many evenly
    spread sequences from each clip's consecutive frames, which `accuracy_clip` averages. Returns
    store, n (sequences), n_clips, classes, and the keys of `measure_predictions`. Raises a
    `UserError` for a store of other classes or shapes, one that changed since the run, no windows,
    or a network that does not run, and a `RunFailed` if memory is exhausted.
    """
    store, data = ClipStore.open(store_path) if store_path else own_store(run), run.data
    if (store.classes, *store.frames.shape[1:3]) != (data.classes, data.window, data.size):
        remedy = f"give a store of the same classes, of {data.window} frames of {data.size} pixels"
        raise UserError(f"{store.path}: classes or shape are not those of {run.path}; {remedy}")
    if store.info.fps != run.config.data.fps:
        rates = f"--fps {store.info.fps} differs from {run.path}'s {run.config.data.fps}"
        raise UserError(f"{store.path}: {rates}; prepare a store with the same")
    if windows is not None and windows < 1:
        raise UserError(f"--windows {windows}: give 1 or more sequences a clip")
    index = np.arange(len(store)) if store_path else held_out_index(run, store)
    store.verify()
    looks: ClipStore | Windows = store
    rows = index
    if windows:
        looks = Windows.spread(store, index, windows)
        rows, index = np.arange(len(looks)), looks.index
    with failure_in_one_line(run):
        predict = make_predict(model)
        views = (None, mirrored) if flip else (None,)
        outputs = [predict(looks, rows, change) for change in views]
    y_prob = np.mean([shares_of(run, one) for one in outputs], axis=0)
    clips, groups = store.clips[index], store.groups[index]
    about = {"store": str(store.path), "n": len(index), "n_clips": len(np.unique(clips))}
    about["classes"] = list(store.classes)
    batch_size = run.config.recipe.batch_size
    return about | measure_predictions(store.labels[index], y_prob, clips, groups, batch_size)


def formatted(result: dict) -> str:
    """Return a line on what `evaluate` returned, then each class's precision and recall."""
    accuracies = f"accuracy {percent(result['accuracy'], 1)}"
    accuracies += f", by clip {percent(result['accuracy_clip'], 1)}"
    counts = f"{result['n']} sequences of {result['n_clips']} clips"
    title = f"{counts}, {result['store']}: {accuracies}"
    lines = [f"{title}, macro F1 {result['macro_f1']:.3f}", f"  {'':20s} precision  recall"]
    columns = ("classes", "per_class_precision", "per_class_accuracy")
    for name, *shares in zip(*(result[key] for key in columns), strict=True):
        texts = ["none" if share is None else percent(share, 1) for share in shares]
        lines.append(f"  {name:20s} {texts[0]:>9s} {texts[1]:>7s}")
    return "\n".join(lines)
