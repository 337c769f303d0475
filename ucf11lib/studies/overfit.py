"""The shortest question about a model: can it memorise a few sequences?"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from ucf11lib.data import ClipStore, Split, first_of_each_class, open_or_prepare, split
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs import RunConfig
from ucf11lib.training import Trainer
from ucf11lib.training.health import MEMORISED_LOSS

CHECK_EVERY_STEPS = 10
UNREGULARISED = {"flip": False, "shift": 0, "brightness": 0, "dropout": 0, "schedule": "constant"}


@dataclass(frozen=True)
class Overfit:
    """How far a model memorised."""

    loss: float
    accuracy: float
    steps: int
    memorised: bool  # the loss is below `MEMORISED_LOSS`


def overfit(
    config: RunConfig, count: int = 8, *,
    max_steps: int = 400, store: ClipStore | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Overfit:  # fmt: skip
    """Train on `count` sequences, a batch of all, until their loss is below 0.05; no run folder.

    Raises a `UserError` for no sequence, or more than there are to train on.
    """
    settings = UNREGULARISED | {"label_smoothing": 0, "target_accuracy": None, "batch_size": count}
    epochs = math.ceil(max_steps / CHECK_EVERY_STEPS)
    settings |= {"steps_per_epoch": CHECK_EVERY_STEPS, "epochs": epochs}
    store = store or open_or_prepare(config.data)
    train = split(store, config).train
    if not 1 <= count <= len(train):
        raise UserError(f"--overfit {count}: give 1 to {len(train)}, the training sequences")
    few = first_of_each_class(store, train, count)
    trainer = Trainer.of(config.with_(**settings), store, Split(few, few), log=log)
    for epoch in trainer.epochs():
        steps = trainer.progress.steps
        log(f"step {steps:4d}  loss {epoch.val_loss:.4f}")
        if memorised := epoch.val_loss < MEMORISED_LOSS:
            break
    return Overfit(epoch.val_loss, epoch.val_accuracy, steps, memorised)


def check_overfit(config: RunConfig, count: int, *, store: ClipStore | None = None) -> None:
    """Print whether a model memorises `count` sequences; raise a `RunFailed` if it does not."""
    result = overfit(config, count, store=store, log=print)
    last = f"the loss of {count} sequences is {result.loss:.4f}"
    if not result.memorised:
        raise RunFailed(f"{config.model}, recipe {config.recipe.name}, cannot memorise: {last}")
    print(f"{config.model} can learn: {last}")
