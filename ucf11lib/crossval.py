"""Cross-validation: one group index held out at a time, a run each, so that every sequence is held out once.

It is UCF-11's own protocol (Liu, Luo and Shah 2009), with 25 folds; its accuracy can be compared to the literature's.

Settings can be chosen for each fold inside its training part (nested cross-validation; Varma and Simon, BMC
Bioinformatics 2006). The folds stand in a square, and each row and each column is left out together; a fold's settings
are those that do best on the others of its row and column, by trainings that have not seen the fold either. So 9 folds
take 6 trainings a candidate, not the 72 of leaving one more out in each. Best is the lowest log loss by clip:
candidates may cut clips into other sequences, and of few clips as many may be right by chance. A network that was
trained on mirrored sequences too may be asked about both, as is usual; whether it is, is chosen like a setting.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ucf11lib import evaluation, paths, sweep
from ucf11lib.config import RunConfig
from ucf11lib.data import sources, splits
from ucf11lib.errors import RunFailed, UserError

COLUMNS = ("fold", "n_val", "accuracy", "accuracy_clip", "settings", "test_flip", "status", "run")
POOLED = ("accuracy", "accuracy_clip", "interval", "macro_f1", "per_class_accuracy", "confusion")


@dataclass(frozen=True)
class Fold:
    """How one fold is recognised.

    Attributes:
        config: of the run that holds it out.
        test_flip: whether the answer is the mean over each sequence and its mirror image.
        losses: the log losses by clip that this was chosen by, a candidate each; empty if nothing was chosen.
    """

    config: RunConfig
    test_flip: bool = False
    losses: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def like(cls, config: RunConfig, row: Mapping) -> "Fold":
        """Return the fold of a row of `summarise` for `config`, with the settings and the test flip that it had."""
        settings = config.having(row["settings"])
        return cls(replace(settings, split=splits.LOGO, fold=row["fold"]), row["test_flip"])


def configs(config: RunConfig) -> list[RunConfig]:
    """Return a run a fold of the data of `config`, otherwise like it; all have one seed.

    Raises:
        UserError: data without folds.
    """
    _, profile = config.resolved()
    store = sources.ensure(config.source, data=config.data, profile=profile)
    return [replace(config, split=splits.LOGO, fold=fold) for fold in splits.folds(store)]


def blocks(folds: Sequence[str]) -> list[list[str]]:
    """Return the rows and columns of a square of folds, those of more than one; two of them share at most one fold."""
    side = math.ceil(math.sqrt(len(folds)))
    both = [folds[start : start + side] for start in range(0, len(folds), side)] + [folds[n::side] for n in range(side)]
    return [list(block) for block in both if len(block) > 1]


def choose(config: RunConfig, candidates: Sequence[str], **options) -> list[Fold]:
    """Choose each fold's settings inside its training part.

    Args:
        config: what each fold is; its split and fold are not looked at.
        candidates: settings to choose from, on top of those of `config`; each that trains on mirrored sequences is two,
            with and without `Fold.test_flip`. Of equals the first is taken.
        options: as for `sweep.run_all`.

    Raises:
        UserError: data without folds, fewer than two candidates, or what `sweep.run_all` refuses.
        RunFailed: a training has no result.
    """
    if len(candidates) < 2:
        raise UserError(f"--choose {candidates[0]!r}: nothing to choose from; give it twice or more, or take --set")
    plain = configs(config)
    tried = [(text, replace(config.having(text), split=splits.LOGO, fold="+".join(block)))
             for text in candidates for block in blocks([fold.fold for fold in plain])]  # fmt: skip
    outcomes = sweep.run_all([one for _, one in tried], **options)
    if lost := [outcome for outcome in outcomes if not outcome.run]:
        raise RunFailed(f"nothing is chosen: {len(lost)} of {len(outcomes)} trainings have no result; "
                        f"{lost[0].config.name}: {lost[0].status}")  # fmt: skip
    table = pd.concat(
        _losses(outcome.run, flip).assign(settings=text, test_flip=flip)
        for (text, _), outcome in zip(tried, outcomes, strict=True)
        for flip in (False, True)[: 1 + outcome.run.recipe.flip]
    )
    chosen = []
    for one in plain:
        unseen = np.array([one.fold in block.split("+") for block in table["block"]])
        others = table[unseen & (table["fold"] != one.fold)]
        found = others.groupby(["settings", "test_flip"], sort=False)["loss"].mean()
        text, flip = found.idxmin()
        named = {candidate_name(*key): float(loss) for key, loss in found.items()}
        chosen.append(Fold(one.having(text), bool(flip), named))
    return chosen


def candidate_name(settings: str, test_flip: bool) -> str:
    """Return how the losses of a fold name a candidate."""
    return ",".join(filter(None, [settings, "test flip" if test_flip else ""]))


def _losses(run, flip: bool) -> pd.DataFrame:
    """Return block (the folds that a run held out), fold and log loss of each clip."""
    from ucf11lib import jobs

    side = jobs.answers(run, flip)
    clips, y_true, y_prob = evaluation.by_clip(side["y_true"], side["y_prob"], side["clips"])
    group_of = dict(zip(side["clips"], side["groups"], strict=True))
    fold = [splits.fold_of(group_of[clip]) for clip in clips]
    loss = -np.log(np.maximum(y_prob[np.arange(len(clips)), y_true], np.finfo(np.float32).tiny))
    return pd.DataFrame({"block": run.config["fold"], "fold": fold, "loss": loss})


def crossval(
    config: RunConfig,
    *,
    candidates: Sequence[str] = (),
    workers: int | None = None,
    scheduler: str = "",
    out: Path | str | None = None,
    say: Callable[[str], None] = tqdm.write,
) -> Path:
    """Run all folds and leave `summary.json` and `summary.csv`; the same call goes on where it was.

    Args:
        config: what each fold is; its split and fold are not looked at.
        candidates: settings of which each fold is to have its own choice, see `choose`; none to choose nothing.
        workers, scheduler, say: as for `sweep.run_all`.
        out: the folder of the summary; `runs/crossval-...` by default.

    Returns:
        The folder of the summary.

    Raises:
        UserError: data without folds, or what `sweep.run_all` refuses.
        RunFailed: a fold did not succeed; the summary says which, and has no pooled numbers if one is missing.
    """
    whole = replace(config, split=splits.LOGO, fold="chosen" if candidates else "all")
    folder = Path(out) if out else paths.runs_dir() / f"crossval-{whole.name}"
    options = {"workers": workers, "scheduler": scheduler, "say": say}
    folds = choose(config, candidates, **options) if candidates else [Fold(one) for one in configs(config)]
    outcomes = sweep.run_all([fold.config for fold in folds], **options)
    choice = {fold.config.fold: fold.losses for fold in folds} if candidates else None
    summary = summarise(outcomes, folds) | {"settings": config.settings, "choice": choice}
    from ucf11lib import runs  # loads TensorFlow, see `sweep`

    runs.write_json(folder / "summary.json", summary)
    with paths.whole_file(folder / "summary.csv") as temporary:
        pd.DataFrame(summary["folds"]).to_csv(temporary, index=False)
    for line in lines(summary):
        say(line)
    say(f"summary: {paths.shown(folder)}")
    sweep.check(outcomes)
    return folder


def summarise(outcomes: Sequence[sweep.Outcome], folds: Sequence[Fold]) -> dict:
    """Return what the folds found.

    The interval takes the pooled predictions as they are: groups were drawn, networks were not. Folds share most of
    their training sequences, and no unbiased estimate of what that does to the variance exists (Bengio and Grandvalet,
    JMLR 2004).

    Args:
        outcomes: one a fold.
        folds: what `test_flip` is taken from, in the same order.

    Returns:
        The fields of the configuration that the folds share, folds (a row each: fold, n_val, accuracy by sequence,
        accuracy_clip, settings, test_flip, status, run) and complete (whether all have a run). Then, None unless
        complete: n_val, mean_accuracy (over folds), and over all held-out sequences accuracy, accuracy_clip, interval
        (95 %, over groups), macro_f1, per_class_accuracy, confusion; and classes and data_kind.
    """
    shared = {key: value for key, value in asdict(outcomes[0].config).items() if key not in ("fold", "settings")}
    from ucf11lib import jobs

    sides = [
        jobs.answers(outcome.run, fold.test_flip) if outcome.run else None
        for outcome, fold in zip(outcomes, folds, strict=True)
    ]
    rows = [_row(outcome, fold, side) for outcome, fold, side in zip(outcomes, folds, sides, strict=True)]
    found = [outcome.run for outcome in outcomes if outcome.run]
    complete = len(found) == len(outcomes)
    summary = shared | {"folds": rows, "complete": complete}
    if not complete:
        return summary | dict.fromkeys(("n_val", "mean_accuracy", *POOLED, "classes", "data_kind"))
    pooled = {key: np.concatenate([side[key] for side in sides]) for key in sides[0]}
    measured = evaluation.measure(**pooled)
    return summary | {
        "n_val": len(pooled["y_true"]),
        "mean_accuracy": float(np.mean([row["accuracy"] for row in rows])),
        **{key: measured[key] for key in POOLED},
        "classes": found[0].config["classes"],
        "data_kind": found[0].config["data_kind"],
    }


def _row(outcome: sweep.Outcome, fold: Fold, side: Mapping | None) -> dict:
    values = [None] * 3
    if side:
        _, y_true, y_prob = evaluation.by_clip(side["y_true"], side["y_prob"], side["clips"])
        answers = (side["y_true"], side["y_prob"]), (y_true, y_prob)
        values = [len(side["y_true"]), *(float((prob.argmax(axis=1) == true).mean()) for true, prob in answers)]
    config = outcome.config
    last = config.settings, fold.test_flip, outcome.status, config.name
    return dict(zip(COLUMNS, (config.fold, *values, *last), strict=True))


def lines(summary: Mapping) -> list[str]:
    """Return the summary as a reader wants it, the numbers last."""
    table = pd.DataFrame(summary["folds"])[list(COLUMNS[:7])]
    shown = table.to_string(index=False, float_format="{:.3f}".format).splitlines()
    if not summary["complete"]:
        return [*shown, "no pooled accuracy: a fold is missing"]
    low, high = summary["interval"] or (float("nan"), float("nan"))
    return [
        *shown,
        f"mean over {len(table)} folds: {summary['mean_accuracy']:.1%}",
        f"all {summary['n_val']} sequences, each held out once: {summary['accuracy']:.1%} (95 % interval over groups: "
        f"{low:.1%} to {high:.1%}); by clip: {summary['accuracy_clip']:.1%}",
        f"{summary['data_kind']}, recipe {summary['recipe']}, profile {summary['profile']}, seed {summary['seed']}",
    ]
