"""What takes longer than the main job: each experiment leaves one small table under report/results/.

A table is a JSON file with its rows, and with the command, commit, machine, data source and date that they came from.
Finished trainings are kept under `runs/` and found again, so an experiment that was stopped goes on where it was.
"""

import datetime
import itertools
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

from ucf11lib import ablation, autopsy, baselines, explain, jobs, paths, recipes, runs
from ucf11lib.config import RunConfig
from ucf11lib.data import sources, splits
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError
from ucf11lib.style import shown_name


def run(names: Sequence[str] = (), *, videos: str | None = None, force: bool = False) -> None:
    """Run experiments and write their tables.

    Args:
        names: of `EXPERIMENTS`, all by default.
        videos: the folder that holds `weizmann/`; `../shared/videos` beside the checkout by default.
        force: run again what has a table already.

    Raises:
        UserError: an unknown name, or videos that are not there.
    """
    for name in names:
        recipes.check(name, tuple(EXPERIMENTS), "experiment")
    folder = Path(videos) if videos else paths.ROOT.parent / "shared" / "videos"
    for name in names or EXPERIMENTS:
        path = paths.RESULTS / f"{name}.json"
        if path.exists() and not force:
            print(f"{name}: has {paths.shown(path)} already; --force runs it again")
            continue
        print(f"{name}: {EXPERIMENTS[name].__doc__.splitlines()[0]}", flush=True)
        table = EXPERIMENTS[name](folder)
        environment = runs.environment()
        runs.write_json(
            path,
            {
                "command": f"python -m ucf11lib experiments {name} --force",
                "commit": environment["commit"],
                "machine": f"{environment['cores']} cores, {platform.machine()}, {_memory()} GiB, no GPU"
                if not any("GPU" in device for device in environment["devices"])
                else f"{environment['cores']} cores, {', '.join(environment['devices'])}",
                "date": datetime.date.today().isoformat(),
                **table,
            },
        )


def load(name: str) -> dict:
    """Return the table of an experiment.

    Raises:
        UserError: it has none yet.
    """
    path = paths.RESULTS / f"{name}.json"
    if (found := runs.read_json(path)) is None:
        raise UserError(f"{paths.shown(path)}: no such table; make it with 'python -m ucf11lib experiments {name}'")
    return found


def checks(videos: Path) -> dict:
    """Hold the synthetic data against its bars: neither trivial nor hopeless, and hard for the right reasons."""
    group = {model: jobs.ensure(RunConfig(model)) for model in recipes.MODELS}
    random = {model: jobs.ensure(RunConfig(model, split="random")) for model in recipes.MODELS}
    store = ClipStore.open(group["c3d"].config["store"])
    split = splits.split(store, "group", 0)
    accuracy = {model: run_.metrics["accuracy"] for model, run_ in group.items()}
    width = recipes.profile("quick", "cnn_lstm").width
    one = baselines.frame_cnn_accuracy(store, split, width, bag=False, epochs=20)
    bag = baselines.frame_cnn_accuracy(store, split, width, bag=True, epochs=6)
    histogram = baselines.histogram_accuracy(store, split)
    rows = [
        _row("logistic regression on one frame's colour histogram", histogram, "at most 25 %", histogram <= 0.25),
        _row("one-frame CNN of CNN+LSTM's size", one, "10 points below CNN+LSTM", one <= accuracy["cnn_lstm"] - 0.1),
        _row(
            "the same, averaged over all 30 frames", bag, "10 points below CNN+LSTM", bag <= accuracy["cnn_lstm"] - 0.1
        ),
    ]
    for model, value in accuracy.items():
        rows.append(_row(f"{shown_name(model)}, group split", value, "75 % to 99.5 %", 0.75 <= value < 0.995))
    for model in ("c3d", "cnn_lstm"):
        found = explain.accuracy_under(group[model].model(), store, split.validation, "frames shuffled")
        rows.append(
            _row(
                f"{shown_name(model)}, frames shuffled at test time",
                found,
                "10 points lower",
                found <= accuracy[model] - 0.1,
            )
        )
    leaks = {model: run_.metrics["accuracy"] - accuracy[model] for model, run_ in random.items()}
    for model, leak in leaks.items():
        rows.append(_row(f"{shown_name(model)}, random split minus group split", leak, "", None))
    mean = sum(leaks.values()) / len(leaks)
    rows.append(_row("mean of the three, random split minus group split", mean, "above 0", mean > 0))
    return {"source": "synthetic", "rows": rows}


def ablation_(videos: Path) -> dict:
    """Add the repairs one at a time, and take each out again: three models, three seeds."""
    return {"source": "synthetic", "split": "group", "profile": "quick", "rows": ablation.measure()}


def autopsy_(videos: Path) -> dict:
    """Open C3D and VGG9 of 2019 at full width: losses, gradients, signal, and what the learning rate could do."""
    return dissect(_synthetic_store(), _weizmann_store(videos))


def dissect(store: ClipStore, real: ClipStore, *, width: float = 1.0, steps: int = 50, profile: str = "quick") -> dict:
    """Return the autopsy's tables.

    Args:
        store: synthetic data.
        real: real video.
        width: of the networks whose first steps are traced, and whose signal is measured.
        steps: of each trace, and of each cell of the grid.
        profile: of the whole trainings of the factorial, of the grid, and of the lattice at batch 16.
    """
    lattices = [
        _lattice(data, _c3d(f"width={width}", "batch_size=2"), of, classes, steps)
        for data, of, classes in (
            ("synthetic data", store, 11),
            ("Weizmann, 11 outputs as for UCF-11", real, 11),
            ("Weizmann, its own 10 outputs", real, 10),
        )
    ]
    lattices.append(_lattice("synthetic data", _c3d(profile=profile), store, 11, steps))
    starts = {
        recipe: autopsy.trace(RunConfig("vgg9", recipe=recipe, settings=f"width={width},batch_size=4"), store, steps)
        for recipe in ("2019", "repaired")
    }
    grids = {
        recipe: autopsy.grid(RunConfig("c3d", recipe=recipe, profile=profile), store, steps)
        for recipe in ("2019", "repaired")
    }
    return {
        "source": "synthetic, and real video (Weizmann) where it says so",
        "width": width,
        "steps": steps,
        "profile": profile,
        "rows": lattices,
        "cells": [_cell(store, *factors, width, steps, profile) for factors in FACTORS],
        "signals": _signals(store, width),
        "vgg9": {recipe: found.to_dict("list") for recipe, found in starts.items()},
        "grid": grids,
    }


def _c3d(*settings: str, health: bool = True, profile: str = "quick") -> RunConfig:
    return RunConfig("c3d", recipe="2019", settings=",".join(settings), health=health, profile=profile)


def _lattice(data: str, config: RunConfig, store: ClipStore, classes: int, steps: int) -> dict:
    found, (recipe, profile) = autopsy.trace(config, store, steps, classes), config.resolved()
    row = {"data": data, "classes": classes, "batch_size": recipe.batch_size, "width": profile.width}
    return row | autopsy.on_lattice(found, classes, recipe.batch_size) | {"trace": found.to_dict("list")}


def _cell(store: ClipStore, inputs: str, head: str, init: str, width: float, steps: int, profile: str) -> dict:
    """One cell of the factorial: the first steps, and a whole training."""
    values = {"head": (head, "softmax"), "init": (init, "normal"), "inputs": (inputs, "dataset")}
    changed = [f"{name}={value}" for name, (value, original) in values.items() if value != original]
    found = autopsy.trace(_c3d(f"width={width}", "batch_size=2", *changed), store, steps)
    whole = jobs.ensure(_c3d("target_accuracy=none", *changed, health=head != "softmax", profile=profile))
    return {
        "head": head,
        "init": init,
        "inputs": inputs,
        "first_loss": float(found["loss"].iloc[0]),
        "first_norm": float(found["gradient_norm"].iloc[0]),
        "median_norm": float(found["gradient_norm"].iloc[1:].median()),
        "without_gradient": float((found["gradient_norm"].iloc[1:] == 0).mean()),
        "accuracy": whole.metrics["accuracy"],
        "status": whole.metrics["status"],
        "last_loss": float(whole.history["loss"].iloc[-1]),
        "run": whole.path.name,
        "trace": found.to_dict("list"),
    }


def _signals(store: ClipStore, width: float) -> list[dict]:
    rows = []
    for model in recipes.MODELS:
        for recipe, *settings in (("2019",), ("2019", "init=he"), ("repaired",)):
            config = RunConfig(model, recipe=recipe, settings=",".join([f"width={width}", *settings]))
            found = autopsy.signal(config, store)
            row = {"model": model, "recipe": " + ".join([recipe, *settings]), "first_loss": found.attrs["loss"]}
            rows.append(row | found.to_dict("list"))
    return rows


def _synthetic_store() -> ClipStore:
    return sources.ensure("synthetic", profile=recipes.profile("quick", "c3d"))


def _weizmann_store(videos: Path) -> ClipStore:
    data = videos / "weizmann"
    if not data.is_dir():
        raise UserError(f"{data}: no such folder; give the folder that holds weizmann/ with --videos")
    return sources.ensure("videos", data=str(data), profile=recipes.profile("quick", "c3d"))


def weizmann(videos: Path) -> dict:
    """Train the repaired models on real video: Weizmann, ten actions, on people that they have not seen."""
    store = _weizmann_store(videos)
    data = videos / "weizmann"
    rows = []
    for model in recipes.MODELS:
        config = RunConfig(model, source="videos", data=str(data))
        metrics = jobs.ensure(config).metrics
        keys = (
            "model",
            "recipe",
            "profile",
            "split",
            "seed",
            "n_train",
            "n_val",
            "accuracy",
            "macro_f1",
            "seconds",
            "seconds_to_75",
        )
        rows.append({key: metrics[key] for key in keys})
    groups = sorted(set(store.groups[splits.split(store, "group", 0).validation]))
    return {"source": "real video: Weizmann actions (Blank et al., ICCV 2005)", "held_out": groups, "rows": rows}


EXPERIMENTS: dict[str, Callable[[Path], dict]] = {
    "checks": checks,
    "ablation": ablation_,
    "autopsy": autopsy_,
    "weizmann": weizmann,
}
# The factorial's inputs, heads and initialisations, that of 2019 first.
FACTORS = tuple(itertools.product(("dataset", "raw"), ("softmax", "logits"), ("normal", "he")))


def _row(check: str, value: float, bar: str, holds: bool | None) -> dict:
    """One line of `checks`; `holds` is None for a value that stands beside another's bar."""
    return {"check": check, "value": value, "bar": bar, "holds": None if holds is None else bool(holds)}


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
