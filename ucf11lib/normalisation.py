"""Which input normalisation serves which data: a camera that stands, one that moves, and the drawn data.

Subtracting a sequence's own mean frame takes a background away that does not move. On Weizmann, whose camera stands on
a tripod, that is all of it; UCF-11's cameras pan and shake. So Weizmann is filmed once more, by a camera that moves.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pandas as pd
from tqdm import tqdm

from ucf11lib import jobs, paths
from ucf11lib.config import RunConfig
from ucf11lib.style import mean_and_range

SEEDS = (0, 1, 2)
MODEL, LENGTH = "cnn_lstm", "batch_size=16,steps_per_epoch=80,epochs=2"  # short: it leads or it does not
# Inputs and batch normalisation change separately: the lead that this follows up had changed both at once.
CELLS = ("unit none", "dataset none", "sequence none", "dataset batch", "sequence batch")
KEPT = 5 / 6  # of the picture's sides; the camera moves over the rest
PERIODS = (25, 90)  # frames a swing


def measure(weizmann: Path, say: Callable[[str], None] = print) -> list[dict]:
    """Train what is not trained yet; return data, model, inputs, norm and, a seed each, the held-out accuracy.

    Args:
        weizmann: the folder of Weizmann's class folders.
        say: gets the lines of the trainings.
    """
    moved = moved_camera(weizmann, paths.data_dir() / "weizmann_moved")
    rows = []
    for data, source, folder in (
        ("synthetic", "synthetic", ""),
        ("Weizmann, camera standing", "videos", str(weizmann)),
        ("Weizmann, camera moved", "videos", str(moved)),
    ):
        for inputs, norm in map(str.split, CELLS):
            settings = f"{LENGTH},inputs={inputs},norm={norm}"
            configs = [RunConfig(MODEL, source=source, data=folder, settings=settings, seed=seed) for seed in SEEDS]
            runs = [jobs.ensure(config, say=say) for config in configs]
            metrics = {key: [run.metrics[key] for run in runs] for key in ("accuracy", "n_train", "n_val")}
            rows.append({"model": MODEL, "data": data, "inputs": inputs, "norm": norm, "seeds": list(SEEDS), **metrics})
    return rows


def moved_camera(folder: Path, to: Path) -> Path:
    """Film a tree of videos again with a camera that moves, losslessly; return the new tree, kept if it is there.

    Each clip is cropped to `KEPT` of its sides by a window that swings smoothly over the whole picture.
    """
    if to.exists():
        return to
    files = sorted(folder.glob("*/*.avi"))
    with paths.whole_dir(to) as made:
        for number, file in enumerate(tqdm(files, desc="moving the camera", unit="clip", disable=None)):
            target = made / file.relative_to(folder)
            target.parent.mkdir(exist_ok=True)
            _film(file, target, np.random.default_rng([0, number]))
    return to


def _film(file: Path, target: Path, rng: np.random.Generator) -> None:
    with av.open(str(file)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    n, height, width = frames.shape[:3]
    kept = [2 * round(side * KEPT / 2) for side in (height, width)]
    tops, lefts = (_path(n, side - part, rng) for side, part in zip((height, width), kept, strict=True))
    with av.open(str(target), "w") as container:
        stream = container.add_stream("ffv1", rate=25, options={"threads": "1"})
        stream.height, stream.width, stream.pix_fmt = *kept, "bgr0"
        for image, top, left in zip(frames, tops, lefts, strict=True):
            cut = np.ascontiguousarray(image[top : top + kept[0], left : left + kept[1]])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, "rgb24")))
        container.mux(stream.encode())


def _path(n: int, room: int, rng: np.random.Generator) -> np.ndarray:
    """Return n whole pixels in 0..room: two swings of different length and phase."""
    periods, phases = rng.uniform(*PERIODS, 2), rng.uniform(0, 2 * np.pi, 2)
    swing = np.sin(2 * np.pi * np.arange(n)[:, None] / periods + phases).mean(axis=1)
    return np.rint((swing + 1) / 2 * room).astype(int)


def table(rows: Sequence[dict]) -> pd.DataFrame:
    """Return the rows of `measure` as a reader wants them: a line a normalisation, a column a data set."""
    found = pd.DataFrame(
        {
            "input": row["inputs"],
            "batch normalisation": {"none": "no", "batch": "yes"}[row["norm"]],
            "data": row["data"],
            "accuracy": mean_and_range(row["accuracy"]),
        }
        for row in rows
    )
    return found.pivot_table("accuracy", ["input", "batch normalisation"], "data", "first", sort=False).reset_index()


def effects(rows: Sequence[dict]) -> pd.DataFrame:
    """Return, a data set a row, what each of the two changes does to the mean accuracy, in points, alone and together.

    Columns are the changes; all are against data-set statistics without batch normalisation.
    """
    mean = {(row["data"], row["inputs"], row["norm"]): float(np.mean(row["accuracy"])) for row in rows}
    changes = {
        "sequence input": ("sequence", "none"),
        "batch normalisation": ("dataset", "batch"),
        "both": ("sequence", "batch"),
    }
    found = []
    for data in dict.fromkeys(row["data"] for row in rows):
        points = {change: 100 * (mean[data, *cell] - mean[data, "dataset", "none"]) for change, cell in changes.items()}
        found.append({"data": data} | {change: f"{value:+.1f}" for change, value in points.items()})
    return pd.DataFrame(found)
