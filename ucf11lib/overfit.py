"""The shortest question to ask of a model: can it learn a handful of sequences by heart?"""

from collections.abc import Callable
from dataclasses import dataclass

from ucf11lib import health, jobs, training
from ucf11lib.backend import tf
from ucf11lib.config import RunConfig
from ucf11lib.data import sources, splits
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError

EVERY = 10  # steps between two looks at the loss
MOST = 400  # steps after which a model is given up
# Nothing that keeps a network from learning by heart, and nothing that ends the training.
PLAIN = "flip=false,shift=0,brightness=0,dropout=0,schedule=constant,warmup=0,target_accuracy=none"


@dataclass(frozen=True)
class Overfit:
    """What `overfit` found.

    Attributes:
        losses, accuracies: on the chosen sequences, every `EVERY` steps.
        fitted: whether the last loss is below `health.FITTED`.
        findings: lines of the health checks.
    """

    losses: list[float]
    accuracies: list[float]
    fitted: bool
    findings: list[str]


def overfit(
    config: RunConfig,
    count: int = 8,
    *,
    most: int = MOST,
    store: ClipStore | None = None,
    say: Callable[[str], None] = print,
) -> Overfit:
    """Train on a handful of sequences until their loss is below 0.05: what cannot do that cannot learn.

    No augmentation, no dropout, a constant learning rate, one batch of all of them; it leaves no run folder.

    Args:
        config: model, recipe, profile (for the width), source, seed.
        count: sequences, of different classes as far as there are.
        most: steps after which the model is given up.
        store: the data; the config's source is prepared or opened by default.
        say: gets a line every few steps, and the findings of the health checks.

    Raises:
        UserError: fewer training sequences than `count`.
    """
    length = f"batch_size={count},steps_per_epoch={EVERY},epochs={-(-most // EVERY)}"
    config = config.having(PLAIN, length)
    recipe, profile = config.resolved()
    store = store or sources.ensure(config.source, data=config.data, profile=profile)
    parts = config.parts(store)
    if not 1 <= count <= len(parts.train):
        raise UserError(f"--overfit {count}: the training part has {len(parts.train)} sequences; choose 1 to that")
    chosen = splits.one_a_class(store, parts.train, count)
    model, monitor = jobs.build(config, store, parts), jobs.monitor(config, store, say)
    same, strategy = splits.Split(chosen, chosen), tf.distribute.get_strategy()
    mixed = config.mixed_precision
    trainer = training.Trainer(model, store, same, recipe, profile, config.seed, strategy, mixed, monitor)
    losses, accuracies = [], []
    for epoch in trainer.epochs():
        losses.append(epoch.val_loss)
        accuracies.append(epoch.val_accuracy)
        if monitor and monitor.stopped:
            break
        say(f"step {epoch.epoch * EVERY:4d}  loss {epoch.val_loss:.4f}")
        if epoch.val_loss < health.FITTED:
            break
    lines = [finding.line for finding in monitor.findings] if monitor else []
    return Overfit(losses, accuracies, losses[-1] < health.FITTED, lines)
