"""What would one use today, and what does it cost? Later networks, and features from ImageNet.

The report's three networks and three later ones of about their size, trained from scratch, and
heads on a frozen EfficientNet-Lite0's features (`studies.transfer`). `selected` is the head, and
its streams, of the least loss on an inner split of the training part; it is also fused with each
trained network, by the mean of a clip's probabilities. The later networks have CNN+LSTM's recipe.

A method's row has its accuracy by clip with a 95 % interval over groups, and of one sequence FLOPs
and milliseconds; weights include the frozen ones, seconds of training the features' computation.

Expect: R(2+1)D and TSM between 80 and 95 %, ViViT near 30 %.

    python -m ucf11lib study beyond --force  # 30 trainings, estimated 80 min on 2 cores
"""

import functools
import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ucf11lib import figures, models, paths
from ucf11lib.data import ClipStore, open_or_prepare, split
from ucf11lib.evaluation.calibration import rescaled
from ucf11lib.evaluation.metrics import HeldOut, measure_predictions, one_a_clip
from ucf11lib.models import lite0
from ucf11lib.models.flops import layer_flops
from ucf11lib.runs import REPORTED, Run, RunConfig
from ucf11lib.studies.folds import METRICS, SELECTED, joined
from ucf11lib.studies.study import Axis, Study, over
from ucf11lib.studies.transfer import METHODS, Transfer

CHOICE, SCALED = "selected", "selected, at its temperature"


def milliseconds(predict: Callable[[np.ndarray], object], frames: np.ndarray) -> float:
    """Return the time of `predict(frames)`, the median of five after a first."""
    seconds = timeit.repeat(lambda: predict(frames), repeat=6, number=1)
    return 1000 * float(np.median(seconds[1:]))


def measured(model: str, held_out: HeldOut, **more: object) -> dict:
    """Return the row of a method's answers: accuracies, interval of the one by clip, and `more`."""
    clips = one_a_clip(held_out)
    of_clips = measure_predictions(**clips)
    low, high = of_clips["interval"] or (None, None)
    row = {"model": model, "clips": len(clips["clips"]), "accuracy_clip": of_clips["accuracy"]}
    row |= {"accuracy": measure_predictions(**held_out)["accuracy"], "low": low, "high": high}
    return row | more


def fused(a: HeldOut, b: HeldOut) -> HeldOut:
    """Return the mean of two methods' probabilities, a row a clip; both have the same clips."""
    a, b = one_a_clip(a), one_a_clip(b)
    return a | {"y_prob": (a["y_prob"] + b["y_prob"]) / 2}


def trained_row(runs: Sequence[Run], held_out: HeldOut, example: np.ndarray) -> dict:
    """Return the row of one network, trained once or once a fold."""
    model = models.load(runs[0])
    costs = {"weights": model.count_params(), "flops": sum(layer_flops(model).values())}
    costs |= {"milliseconds": milliseconds(model.predict_on_batch, example)}
    costs["seconds"] = float(np.mean([run.metrics["seconds"] for run in runs]))
    return measured(runs[0].config.model, held_out, **costs)


def transfer_rows(store: ClipStore, parts: Sequence, seed: int) -> tuple[list[dict], HeldOut]:
    """Return a row a method of transfer, and one of the method selected in each of `parts`.

    Also returns the selected method's answers, at the temperature of the inner split, whose
    calibration error before and after that is in its row.
    """
    transfer = Transfer(store, seed)
    sides: dict[object, list[HeldOut]] = {method: [] for method in (*METHODS, CHOICE, SCALED)}
    choices = []
    for part in parts:
        method, temperature = transfer.select(part)
        answers: dict[object, np.ndarray] = dict(transfer.answers(part).items())
        answers[CHOICE] = answers[method]
        answers[SCALED] = rescaled(answers[method], temperature)
        choices.append(name_of(method))
        rows = part.validation
        about = {"y_true": store.labels[rows], "clips": store.clips[rows]}
        for key, prob in answers.items():
            sides[key].append(about | {"y_prob": prob, "groups": store.groups[rows]})
    together = {key: joined(one) for key, one in sides.items()}
    example = store.take(parts[-1].validation[:1])
    train = np.mean([len(part.train) for part in parts])
    rows = []
    for method in METHODS:
        costs = transfer.cost(method)
        costs["milliseconds"] = milliseconds(functools.partial(transfer.predict, method), example)
        costs["seconds"] += float(train * costs["milliseconds"] / 1000)
        row = measured(name_of(method), together[method], **costs)
        rows.append(row | {"pretrained": lite0.LICENCE})
    errors = {key: measure_predictions(**together[key])["ece"] for key in (CHOICE, SCALED)}
    about = {"choices": choices, "ece": errors[CHOICE], "ece_scaled": errors[SCALED]}
    return [*rows, measured(CHOICE, together[CHOICE], **about)], together[SCALED]


def name_of(method: tuple[str, Sequence[str]]) -> str:
    """Return a method's name, such as "linear, frames + differences"."""
    head, streams = method
    return f"{head}, {' + '.join(streams)}"


def compared(
    base: RunConfig, data: Axis, seeds: tuple[int, ...] = ()
) -> Callable[[pd.DataFrame], Study]:
    """Return a stage: all methods on the held-out sequences of the trainings so far on `data`.

    `base` is the trainings' base.
    """

    def stage(rows: pd.DataFrame) -> Study:
        own = rows[rows["data"].isin(data) & rows["run"].notna()]
        if "candidate" in own:
            own = own[own["candidate"].isna() | (own["candidate"] == SELECTED)]

        def measure(config: RunConfig) -> list[dict]:
            part = own[own["seed"] == config.seed]
            return compare({
                str(model): [Run.open(paths.runs_dir() / name) for name in runs["run"]]
                for model, runs in part.groupby("model", sort=False)
            }, config)  # fmt: skip

        axes = {"data": data}
        return replace(STUDY, base=base, axes=axes, seeds=seeds, measure=measure, then=())

    return stage


def compare(trained: Mapping[str, Sequence[Run]], config: RunConfig) -> list[dict]:
    """Return the rows of trained networks, of transfer, and of the selected head with each network.

    The heads have the splits of the first network's runs, on the store of `config`.
    """
    store = open_or_prepare(config.data)
    splits = [run.config.split for run in next(iter(trained.values()))]
    parts = [split(store, replace(config, split=one)) for one in splits]
    rows, selected = transfer_rows(store, parts, config.seed)
    for runs in trained.values():
        held_out = joined([run.held_out for run in runs])
        row = trained_row(runs, held_out, store.take(parts[-1].validation[:1]))
        rows += [row, measured(f"{CHOICE} + {row['model']}", fused(selected, held_out))]
    return rows


LATER = ("r2plus1d", "tsm", "vivit")
KNOWN = (*REPORTED, *LATER, *map(name_of, METHODS))


def draw(table: pd.DataFrame, note: str):
    """Draw accuracy by clip over the inference's FLOPs, a panel a kind of data."""
    names = {"flops": "FLOPs of one sequence", "accuracy_clip": "accuracy by clip"}
    rows = table.dropna(subset=["flops"]).rename(columns=names)
    columns = dict(zip("xy", names.values(), strict=True)) | {"label": "model", "panel": "data"}
    return figures.scatter(rows, **columns, known=KNOWN, note=note)


BASE = RunConfig.of(model="c3d")
SEEDS = (0, 1, 2, 3, 4)
SYNTHETIC: Axis = {"synthetic": {}}
MODELS = over("model", (*REPORTED, *LATER))
STUDY = Study(
    name="beyond",
    question="What would one use today, and what does it cost?",
    base=BASE,
    axes={"data": SYNTHETIC, "model": MODELS},
    seeds=SEEDS,
    metrics=METRICS,
    then=(compared(BASE, SYNTHETIC, SEEDS),),
    figure=draw,
)
