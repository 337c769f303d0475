"""Which input normalisation serves which data: a still camera, a moving one, the synthetic data?

A sequence's own mean frame removes a background that does not move. Weizmann's camera is on a
tripod, UCF-11's pan and shake. So Weizmann is filmed once more: cropped by a window that swings.

Expect: `sequence` adds about 30 points where the camera is still and hardly any where it moves.

    python -m ucf11lib study inputs --force --videos DIR  # 45 trainings, about 20 min on 2 cores
"""

from pathlib import Path

import av
import numpy as np
from tqdm import tqdm

from ucf11lib import figures, paths
from ucf11lib.runs import RunConfig
from ucf11lib.runs.environment import code_digest
from ucf11lib.studies.study import Study, over, weizmann

CROP = 5 / 6  # of the picture's sides; the camera moves over the rest
PERIODS = (25, 90)  # frames a swing
NORMALISED = ("dataset", "sequence")


def moved_camera(_: RunConfig, videos: Path) -> dict[str, str]:
    """Return the changes for Weizmann seen by a moving camera, filmed on first use."""
    folder = videos / "weizmann"
    clips = sorted(folder.glob("*/*.avi"))
    digits = f"{paths.fingerprint(folder, clips)}-{code_digest('studies/inputs.py')}"
    target = paths.data_dir() / f"moved-{digits}" / "weizmann_moved"
    if folder.is_dir() and not target.exists():
        with paths.atomic_dir(target) as temporary:
            files = enumerate(tqdm(clips, "moving camera", disable=None))
            for number, file in files:
                path = temporary / file.relative_to(folder)
                path.parent.mkdir(exist_ok=True)
                film(file, path, np.random.default_rng([0, number]))
    return {"source": "videos", "data": str(target)}


def film(file: Path, target: Path, rng: np.random.Generator) -> None:
    """Write a video again, losslessly, as seen by a window that swings over its picture."""
    with av.open(str(file)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    sides = np.array(frames[0].shape[:2])
    height, width = 2 * np.rint(sides * CROP / 2).astype(int)
    tops = _swing(len(frames), sides[0] - height, rng)
    lefts = _swing(len(frames), sides[1] - width, rng)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("ffv1", rate=25, options={"threads": "1"})
        stream.height, stream.width, stream.pix_fmt = int(height), int(width), "bgr0"
        for image, top, left in zip(frames, tops, lefts, strict=True):
            cut = np.ascontiguousarray(image[top : top + height, left : left + width], np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, "rgb24")))
        container.mux(stream.encode())


def _swing(n: int, room: int, rng: np.random.Generator) -> np.ndarray:
    """Return n offsets in 0..room, pixels: two swings of different length and phase."""
    periods = rng.uniform(*PERIODS, 2)
    phases = rng.uniform(0, 2 * np.pi, 2)
    swing = np.sin(2 * np.pi * np.arange(n)[:, None] / periods + phases).mean(axis=1)
    return np.rint((swing + 1) / 2 * room).astype(int)


STUDY = Study(
    name="inputs",
    question="Which input normalisation serves which data?",
    base=RunConfig.of(model="cnn_lstm", batch_size=16, steps_per_epoch=80, epochs=2),
    axes={
        "data": {"synthetic": {}, "Weizmann": weizmann, "Weizmann, camera moved": moved_camera},
        "condition": over("inputs", ("unit", *NORMALISED))
        | {f"{kind}, batch norm": {"inputs": kind, "norm": "batch"} for kind in NORMALISED},
    },
    metrics=("accuracy", "n_train", "n_val"),
    figure=lambda table, note: figures.dots(table, condition="condition", panel="data", note=note),
    videos=True,
)
