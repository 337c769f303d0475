"""The explorer: one HTML page that plays every held-out sequence with the answers of some runs.

The page loads nothing: styles, script, numbers and videos are in it. Names that run folders and
stores bring along are data there, never markup.
"""

import base64
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ucf11lib import paths
from ucf11lib.backend import keras
from ucf11lib.errors import UserError
from ucf11lib.evaluation.predict import own_store
from ucf11lib.evaluation.saliency import grad_cam
from ucf11lib.figures.motion import encode, overlaid
from ucf11lib.report.targets import check_own
from ucf11lib.runs import Run
from ucf11lib.runs.parsing import damage_in_one_line
from ucf11lib.text import display_name

TEMPLATES = Path(__file__).with_name("templates")
MARK = "<!-- written by python -m ucf11lib explore -->"  # in the template's first lines
CRF = 30  # of the embedded videos: some 4 KiB each
MAPS = 50  # answers of each run, those of the highest loss, that get Grad-CAM
LEAST = 1e-7  # probability of the true class in a loss; float32 networks return 0

Load = Callable[[Run], keras.Model]


def explore(runs: Sequence[Run], load: Load, path: Path | None = None) -> Path:
    """Write the explorer of one run or several of one store; return its path.

    Args:
        runs: the first is shown at first, and the second is compared with it.
        load: returns a run's network.
        path: `explorer.html` in the first run's folder by default.

    Raises `UserError` for runs of different stores, a store that is missing or changed, a damaged
    run, or a path of something that is no explorer.
    """
    path = path or runs[0].path / "explorer.html"
    check_own(path, MARK)
    text = json.dumps(_contents(runs, load), separators=(",", ":"), allow_nan=False)
    parts = {"data": text.replace("<", "\\u003c")}  # no string of it ends the script element
    page = re.sub(r"{{([\w.]+)}}", lambda name: parts.get(name[1]) or _template(name[1]),
                  _template("explorer.html"))  # fmt: skip
    with paths.atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _contents(runs: Sequence[Run], load: Load) -> dict:
    """Return what the page shows; lists are a sequence an element, `positions` point into them."""
    store = own_store(runs[0])
    store.verify()
    for run in runs:
        if run.data.store_sha256 != store.info.sha256:
            other = f"was trained on another store than {runs[0].path}"
            raise UserError(f"{run.path}: {other}; explore runs of one store")
        with damage_in_one_line(run.path / "predictions.npz", "train again"):
            saved = run.predictions
            if not np.array_equal(store.labels[saved["index"]], saved["y_true"]):
                raise ValueError("labels that are not its store's")
            if not np.isfinite(saved["y_prob"]).all():
                raise ValueError("probabilities that are not finite")
    index = np.unique(np.concatenate([run.predictions["index"] for run in runs]))
    models = [display_name(run.config.model) for run in runs]
    folders = [f"{number}: {run.path.name}" for number, run in enumerate(runs, 1)]
    names = models if len(set(models)) == len(runs) else folders
    rows = store.index.iloc[index]
    return {
        "classes": store.classes,
        "kind": store.kind,
        "window": store.info.window,
        "labels": store.labels[index].tolist(),
        "groups": rows["group"].tolist(),
        "clips": rows["clip"].tolist(),
        "starts": rows["first_frame"].astype(int).tolist(),
        "videos": [_video(store.frames[i]) for i in tqdm(index, "videos", disable=None)],
        "runs": [_answers(run, name, load(run), store.frames, index)
                 for run, name in zip(runs, names, strict=True)],
    }  # fmt: skip


def _answers(
    run: Run, name: str, model: keras.Model, frames: np.ndarray, index: np.ndarray
) -> dict:
    """Return a run's answers, and Grad-CAM of those of the highest loss."""
    saved = run.predictions
    positions = np.searchsorted(index, saved["index"])
    y_prob = saved["y_prob"].astype(np.float64)
    true = np.take_along_axis(y_prob, saved["y_true"][:, None], axis=1)[:, 0]
    loss = -np.log(np.maximum(true, LEAST))
    worst = np.argsort(-loss, kind="stable")[:MAPS]
    sequences = frames[saved["index"][worst]]
    pictures = map(overlaid, sequences, grad_cam(model, sequences))
    maps = {int(positions[row]): _video(one) for row, one in zip(worst, pictures, strict=True)}
    return {
        "name": name,
        "note": run.note,
        "positions": positions.tolist(),
        "predicted": y_prob.argmax(axis=1).tolist(),
        "loss": loss.round(4).tolist(),
        "probabilities": y_prob.round(4).tolist(),
        "maps": maps,
    }


def _video(frames: np.ndarray) -> str:
    """Return uint8 (T, H, W, 3) as an mp4 in base64."""
    return base64.b64encode(encode(frames, crf=CRF)).decode()
