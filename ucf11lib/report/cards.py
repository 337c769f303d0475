"""A model card for each trained model (Mitchell et al. 2019, arXiv:1810.03993): what is computed.

The rest of the template `report/card.md` is read from the run folder.
"""

import shlex
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ucf11lib.runs import Run, RunConfig
from ucf11lib.text import percent

OPTIONS = ("recipe", "profile", "source", "data", "split", "fold", "seed", "precision")


def machine(run: Run) -> str:
    """Return the processor, its instruction sets, cores and devices of a run."""
    one = run.environment
    sets = ", ".join(one["instruction_sets"])
    return f"{one['processor']} ({sets}), {one['cores']} cores, {', '.join(one['devices'])}"


def train_command(config: RunConfig) -> str:
    """Return the command that repeats a run."""
    flat = config.flat()
    words = ["python", "-m", "ucf11lib", "train", flat.pop("model")]
    for name in OPTIONS:
        if (value := flat.pop(name, "")) != "":
            words += [f"--{name}", str(value)]
    if not flat.pop("health", True):
        words.append("--no-health")
    if flat.pop("deterministic", False):
        words.append("--deterministic")
    for name, value in flat.items():
        words += ["--set", f"{name}={value}"]
    return shlex.join(words)


def extremes(per_class: Sequence[float | None], classes: Sequence[str]) -> dict[str, str]:
    """Return the `best` and the `worst` class that occurs, with its accuracy."""
    pairs = zip(per_class, classes, strict=True)
    known = [(accuracy, name) for accuracy, name in pairs if accuracy is not None]
    named = {"best": max(known), "worst": min(known)}
    return {key: f"{name} {percent(value, 1)}" for key, (value, name) in named.items()}


def frequent_errors(confusion: ArrayLike, classes: Sequence[str], most: int = 3) -> str:
    """Return the most frequent confusions, "walking predicted as biking (7 of 50)", or "none"."""
    counts = np.asarray(confusion)
    wrong = counts * ~np.eye(len(classes), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    errors = []
    for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if count := wrong[true, predicted]:
            share = f"{count} of {counts[true].sum()}"
            errors.append(f"{classes[true]} predicted as {classes[predicted]} ({share})")
    return "; ".join(errors) or "none"
