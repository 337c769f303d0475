"""A model card for each trained model (Mitchell et al. 2019, arXiv:1810.03993), from its run folder alone."""

import numpy as np

from ucf11lib.runs import Run
from ucf11lib.style import percent, shown_name

ERRORS = 3
MEASURES = (
    *("n_train", "n_val", "parameters", "epochs", "status"),
    *("accuracy", "accuracy_clip", "accuracy_batch_mean", "top2", "macro_f1", "ece"),
)


def card(run: Run) -> dict:
    """Return what the template `report/card.md` shows of a run."""
    config, environment, metrics = run.config, run.environment, run.metrics
    classes, profile, packages = metrics["classes"], config["profile_fields"], environment["packages"]
    return {
        "name": shown_name(config["model"]),
        "folder": f"runs/{run.path.name}",
        "command": command(config),
        "data": f"{config['data_kind']}, {config['split']} split, seed {config['seed']}",
        "synthetic": config["source"] == "synthetic",
        "held_out_groups": len(set(run.held_out["groups"])),
        "store": config["store_sha256"]["frames"][:12],
        "width": profile["width"],
        "steps": profile["steps_per_epoch"],
        "recipe": ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in config["recipe_fields"].items()),
        "machine": f"{environment['cores']} cores, {', '.join(environment['devices'])}",
        "python": environment["python"],
        "tensorflow": packages["tensorflow"],
        "keras": packages["keras"],
        "commit": environment["commit"] or "unknown",
        **{key: config[key] for key in ("window", "size", "seed")},
        **{key: metrics[key] for key in MEASURES},
        "classes": len(classes),
        "seconds": round(metrics["seconds"]),
        "interval": shown_interval(metrics["interval"]),
        **extremes(metrics["per_class_accuracy"], classes),
        "errors": frequent_errors(np.array(metrics["confusion"]), classes),
    }


def command(config: dict) -> str:
    """Return the command that makes the same run."""
    options = [f"--{name} {config[name]}" for name in ("recipe", "profile", "source", "data", "split") if config[name]]
    options += [f"--set {setting}" for setting in config["settings"].split(",") if setting]
    return " ".join(["python -m ucf11lib train", config["model"], *options, f"--seed {config['seed']}"])


def shown_interval(interval: list[float] | None) -> str:
    """Return a 95 % interval as a reader wants it."""
    if interval is None:
        return "one group held out: no interval"
    return f"95 % interval over groups {100 * interval[0]:.1f} to {100 * interval[1]:.1f} %"


def extremes(per_class: list[float | None], classes: list[str]) -> dict[str, str]:
    """Return the `best` and the `worst` class that occurs, with its accuracy."""
    known = [(accuracy, name) for accuracy, name in zip(per_class, classes, strict=True) if accuracy is not None]
    (best, best_name), (worst, worst_name) = max(known), min(known)
    return {"best": f"{best_name} {percent(best, 1)}", "worst": f"{worst_name} {percent(worst, 1)}"}


def frequent_errors(confusion: np.ndarray, classes: list[str], most: int = ERRORS) -> str:
    """Return the most frequent confusions, "walking taken for biking (7 of 50)", at most `most`; "none" of none."""
    wrong = confusion * ~np.eye(len(classes), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    rows = [(*np.unravel_index(place, wrong.shape), int(wrong.flat[place])) for place in order]
    found = [f"{classes[t]} taken for {classes[p]} ({n} of {confusion[t].sum()})" for t, p, n in rows if n]
    return "; ".join(found) or "none"
