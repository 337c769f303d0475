"""What takes longer than the main job: each experiment leaves one small table under report/results/.

A table is a JSON file with its rows, and with the command, commit, machine, data source and date that they came from.
Finished trainings are kept under `runs/` and found again, so an experiment that was stopped goes on where it was.
"""

import datetime
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

from ucf11lib import (
    ablation,
    baselines,
    bench,
    bench_data,
    bench_step,
    crossval,
    devices,
    dissection,
    drills,
    explain,
    growth,
    jobs,
    leak,
    normalisation,
    paths,
    race,
    recipes,
    runs,
    sweep,
)
from ucf11lib.config import RunConfig
from ucf11lib.data import sources, splits
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError
from ucf11lib.style import shown_name

# Settings that each of Weizmann's subjects has a choice of; it is made with the quickest model.
CANDIDATES = ("", "stride=10", "stride=10,dropout=0.5", "stride=5,dropout=0.5")
WEIZMANN = "real video: Weizmann actions (Blank et al., ICCV 2005)"


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
        # TensorFlow adds up in another order with another number of threads, so whoever sets it is to be told.
        threads = "".join(f"{each}={os.environ[each]} " for each in sweep.THREADS if each in os.environ)
        command = f"{threads}python -m ucf11lib experiments {name} --force"
        runs.write_json(path, signed(command, EXPERIMENTS[name](folder)))


def signed(command: str, table: dict) -> dict:
    """Return a table with what it came from: command, commit, machine and date."""
    environment = runs.environment()
    return {
        "command": command,
        "commit": environment["commit"],
        "machine": f"{environment['cores']} cores, {platform.machine()}, {_memory()} GiB, no GPU"
        if not any("GPU" in device for device in environment["devices"])
        else f"{environment['cores']} cores, {', '.join(environment['devices'])}",
        "date": datetime.date.today().isoformat(),
        **table,
    }


def load(name: str) -> dict:
    """Return the table of an experiment.

    Raises:
        UserError: it has none yet.
    """
    path = paths.RESULTS / f"{name}.json"
    if (found := runs.read_json(path)) is None:
        raise UserError(f"{paths.shown(path)}: no such table; make it with 'python -m ucf11lib experiments {name}'")
    return found


def tables() -> dict[str, dict]:
    """Return the tables of all experiments that have been run."""
    return {name: load(name) for name in EXPERIMENTS if (paths.RESULTS / f"{name}.json").exists()}


def checks(videos: Path) -> dict:
    """Hold the synthetic data against its bars: neither trivial nor hopeless, and hard for the right reasons."""
    group = {model: jobs.ensure(RunConfig(model)) for model in recipes.MODELS}
    random = {model: jobs.ensure(RunConfig(model, split="random")) for model in recipes.MODELS}
    store = ClipStore.open(group["c3d"].config["store"])
    split = splits.split(store, "group", 0)
    accuracy = {model: run_.metrics["accuracy"] for model, run_ in group.items()}
    yardsticks = baselines.table(store, split)
    bag = float((baselines.frame_cnn(store, split, bag=True) == store.labels[split.validation]).mean())
    names = "colour histogram, logistic regression", "one frame, CNN of CNN+LSTM"
    histogram, one = (float(yardsticks.loc[name, "accuracy"]) for name in names)
    below = accuracy["cnn_lstm"] - 0.1
    rows = [
        _row(names[0], histogram, "at most 25 %", histogram <= 0.25),
        _row(names[1], one, "10 points below CNN+LSTM", one <= below),
        _row("the same, averaged over all 30 frames", bag, "10 points below CNN+LSTM", bag <= below),
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
    for model, above in leaks.items():
        rows.append(_row(f"{shown_name(model)}, random split minus group split", above, "", None))
    mean = sum(leaks.values()) / len(leaks)
    rows.append(_row("mean of the three, random split minus group split", mean, "above 0", mean > 0))
    return {"source": "synthetic", "rows": rows, "baselines": yardsticks.reset_index().to_dict("records")}


def ablation_(videos: Path) -> dict:
    """Add the repairs one at a time: three models, three seeds."""
    return {"source": "synthetic", "split": "group", "profile": "quick", "rows": ablation.measure()}


def autopsy_(videos: Path) -> dict:
    """Open C3D and VGG9 of 2019 at full width: losses, gradients, signal, and what the learning rate could do."""
    return dissection.dissect(_synthetic_store(), _weizmann_store(videos))


def _synthetic_store() -> ClipStore:
    return sources.ensure("synthetic", profile=recipes.profile("quick", "c3d"))


def _weizmann_folder(videos: Path) -> Path:
    folder = videos / "weizmann"
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder that holds weizmann/ with --videos")
    return folder


def _weizmann_store(videos: Path) -> ClipStore:
    return _store_of(_weizmann_folder(videos))


def _store_of(folder: Path) -> ClipStore:
    return sources.ensure("videos", data=str(folder), profile=recipes.profile("quick", "c3d"))


def health_cost(videos: Path) -> dict:
    """Time the training step with and without the health checks, turn about."""
    store = _synthetic_store()
    rows = [bench_step.watching(RunConfig(model), store, 96) for model in recipes.MODELS]
    return {"source": "synthetic", "rows": rows}


def weizmann(videos: Path) -> dict:
    """Train the repaired models on real video: Weizmann, ten actions, on people that they have not seen."""
    store = _weizmann_store(videos)
    keys = ("model", "recipe", "profile", "split", "seed", "n_train", "n_val", "accuracy", "macro_f1", "seconds",
            "seconds_to_75")  # fmt: skip
    rows = []
    for model in recipes.MODELS:
        metrics = jobs.ensure(RunConfig(model, source="videos", data=str(videos / "weizmann"))).metrics
        rows.append({key: metrics[key] for key in keys})
    groups = sorted(set(store.groups[splits.split(store, "group", 0).validation]))
    return {"source": WEIZMANN, "held_out": groups, "rows": rows}


def subjects(videos: Path) -> dict:
    """Leave each of Weizmann's nine subjects out once, with settings chosen on the other eight: CNN+LSTM."""
    model, data = "cnn_lstm", str(_weizmann_folder(videos))
    config = RunConfig(model, source="videos", data=data, settings=recipes.LONGER[model])
    folds = crossval.choose(config, CANDIDATES, workers=2)
    choice = {fold.config.fold: fold.losses for fold in folds}
    return _left_out(config, folds) | {"candidates": list(CANDIDATES), "choice": choice}


def subjects_others(videos: Path) -> dict:
    """The same for C3D and VGG9, with the settings that were chosen with CNN+LSTM."""
    data, rows = str(_weizmann_folder(videos)), []
    for model in ("c3d", "vgg9"):
        config = RunConfig(model, source="videos", data=data, settings=recipes.LONGER[model])
        folds = [crossval.Fold.like(config, kept) for kept in load("subjects")["rows"][0]["folds"]]
        found = _left_out(config, folds)
        rows += found["rows"]
    return found | {"rows": rows}


def _left_out(config: RunConfig, folds: Sequence[crossval.Fold]) -> dict:
    """Hold each fold out, and return what came of it as a table of one row; a fold's settings are beside `config`'s."""
    summary = crossval.summarise(sweep.run_all([fold.config for fold in folds], workers=2), folds)
    keys = ("model", "recipe", "profile", "seed", "n_val", "mean_accuracy", *crossval.POOLED)
    kept = [{key: fold[key] for key in crossval.COLUMNS[:6]} for fold in summary["folds"]]
    for fold in kept:
        fold["settings"] = fold["settings"].removeprefix(config.settings).removeprefix(",")
    return {
        "source": WEIZMANN,
        "split": "leave one subject out",
        "classes": summary["classes"],
        "rows": [{key: summary[key] for key in keys} | {"settings": config.settings, "folds": kept}],
    }


def leak_(videos: Path) -> dict:
    """Train one model under the random, the video and the group split, and look the nearest neighbour up."""
    rows = leak.measure(_weizmann_folder(videos))
    return {"source": "synthetic; Weizmann actions", "profile": "quick", "settings": leak.LENGTH, "rows": rows}


def data(videos: Path) -> dict:
    """Hold the data layer against its bars: memory, speed, and clips found again, at the course's size."""
    store = sources.ensure("synthetic", profile=recipes.profile("full", "c3d"))
    drawn = bench_data.epoch(store.path)
    configs = [RunConfig(model, settings=bench.BATCH) for model in recipes.MODELS]
    step = min(bench_step.watching(config, _synthetic_store(), 16)["unwatched"] for config in configs)
    files = sorted(file for file in videos.glob("**/*") if file.suffix in (".avi", ".mpg"))
    found = {
        "Weizmann": bench_data.boundaries(_weizmann_store(videos)),
        "UCF-101, eleven clips": bench_data.boundaries(_store_of(videos / "ucf101_sample")),
        "synthetic, the course's size": bench_data.boundaries(store),
    }
    return {
        "source": "synthetic, 7272 sequences; Weizmann and UCF-101 clips where it says so",
        "rows": [
            *bench_data.pickles(store),
            drawn | {"ratio": drawn["batches_a_second"] * step, "fastest_step": step},
            bench_data.decoding((files * 200)[:200]),
        ],
        "boundaries": found,
        "gaps": {
            "Weizmann": bench_data.gaps(sorted((videos / "weizmann").glob("**/*.avi"))),
            "UCF-101": bench_data.gaps(sorted((videos / "ucf101_sample").glob("**/*.avi"))),
        },
    }


def inputs(videos: Path) -> dict:
    """Hold the input normalisations against each other: drawn data, a camera that stands, a camera that moves."""
    rows = normalisation.measure(_weizmann_folder(videos))
    return {"source": "synthetic; Weizmann actions", "split": "group", "settings": normalisation.LENGTH, "rows": rows}


def sweep_(videos: Path) -> dict:
    """Sweep twelve smoke runs with one worker, and with two of which one is killed in the middle."""
    return {"source": "synthetic", "profile": "smoke", "rows": drills.sweep_with_a_kill()}


def survival(videos: Path) -> dict:
    """Kill a training and the main job at random moments, go on, and hold them against ones left alone."""
    killed = {"training": drills.training_killed(), "reproduce": drills.main_job_killed()}
    return {"source": "synthetic", "profile": "smoke", **killed}


def time_to_75(videos: Path) -> dict:
    """Race the repaired recipes to 75 % against that of 2019 and two peers': on a quiet machine, or it says nothing."""
    best = max(load("weizmann")["rows"], key=lambda row: row["accuracy"])["model"]
    real = RunConfig(best, source="videos", data=str(_weizmann_folder(videos)))
    rows = race.measure([*map(RunConfig, recipes.MODELS), real])
    return {"source": "synthetic; Weizmann actions", "split": "group", "profile": "quick", "rows": rows}


def sooner(videos: Path) -> dict:
    """Ask on a part of the training side whether another schedule, batch or normalisation gets to 75 % sooner."""
    config = RunConfig("cnn_lstm")
    return {"source": "synthetic", "model": config.model, "profile": config.profile, "rows": race.sooner(config)}


def bench_(videos: Path) -> dict:
    """Time start, step, inference and input of each model at full and quick width, on a quiet machine."""
    return bench.measure(recipes.MODELS, bench.PROFILES)


def bench_avx2(videos: Path) -> dict:
    """The same without AVX512, which most laptops lack; where it is there, oneDNN is told to leave it."""
    # https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html
    with paths.environment(ONEDNN_MAX_CPU_ISA="AVX2"):
        return bench_(videos)


def growth_(videos: Path) -> dict:
    """Time a training, and weigh it, over the number of sequences, the width and the batch size."""
    return {"source": "synthetic", "rows": growth.measure(_synthetic_store())}


def devices_(videos: Path) -> dict:
    """Train on one device, on two, and by two and three processes; lose one of three and go on with two."""
    return devices.measure(sources.ensure("synthetic", profile=recipes.profile("smoke", "cnn_lstm")))


EXPERIMENTS: dict[str, Callable[[Path], dict]] = {
    "checks": checks,
    "ablation": ablation_,
    "autopsy": autopsy_,
    "health": health_cost,
    "weizmann": weizmann,
    "subjects": subjects,
    "subjects_others": subjects_others,
    "leak": leak_,
    "inputs": inputs,
    "data": data,
    "sweep": sweep_,
    "survival": survival,
    "sooner": sooner,
    "time_to_75": time_to_75,
    "bench": bench_,
    "bench_avx2": bench_avx2,
    "growth": growth_,
    "devices": devices_,
}


def _row(check: str, value: float, bar: str, holds: bool | None) -> dict:
    """One line of `checks`; `holds` is None for a value that stands beside another's bar."""
    return {"check": check, "value": value, "bar": bar, "holds": None if holds is None else bool(holds)}


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
