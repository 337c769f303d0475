"""Why could C3D of 2019 not learn at any learning rate, and what does a softmax in the head do?

A softmax that gives one class probability 1, softmaxed again by the loss, puts every loss on a
lattice and leaves no gradient. Parts: `lattice`, first steps of C3D at full width; `factorial`,
input, head and weights changed; `memorise`, eight sequences at every learning rate of the report;
`overfit`, the same of each model; `vgg9_start`, VGG9's first steps.

Expect: losses within 1e-7 of the lattice from step 2 on; no cell of recipe 2019 memorises.

    python -m ucf11lib study autopsy --videos DIR   # an hour on 2 cores
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from ucf11lib import figures
from ucf11lib.backend import tf
from ucf11lib.data import ClipStore, open_or_prepare, split
from ucf11lib.runs import REPORTED, RunConfig
from ucf11lib.studies.overfit import overfit
from ucf11lib.studies.study import Axis, Study, in_turn, over, weizmann
from ucf11lib.training import Trainer
from ucf11lib.training.health import Signals, lattice, off_lattice
from ucf11lib.training.step import loss_of

REPORTED_LOSSES = (2.453, 1.453, 1.953)  # 2019 report, section 3.1
RATES = tuple(10.0**-power for power in range(1, 9))  # section 3.1: "from 0.1 to 1e-8"
STEPS = 50


def trace(
    config: RunConfig, store: ClipStore, steps: int = STEPS, classes: int | None = None
) -> pd.DataFrame:
    """Return step, loss, accuracy and gradient_norm of the first steps of a training."""
    config = config.with_(health=True)
    sides = split(store, config)
    trainer = Trainer.of(config, store, sides, classes=classes, log=lambda line: None)
    size = config.recipe.batch_size
    rows = []
    for step, batch in enumerate(trainer.batches(0, steps), 1):
        signals = Signals.of(np.asarray(trainer.step(*batch)), size)
        rows.append((step, signals.loss, signals.right / size, signals.gradient_norm))
    return pd.DataFrame(rows, columns=["step", "loss", "accuracy", "gradient_norm"])


def rates_table(config: RunConfig, store: ClipStore, steps: int = 5) -> pd.DataFrame:
    """Return, for each rate of the report, the losses from step 2 on and the gradient norms."""
    rows = []
    for rate in RATES:
        first = trace(config.with_(learning_rate=rate), store, steps)
        losses = ", ".join(f"{loss:.4f}" for loss in sorted(set(first["loss"][1:].round(4))))
        norms = first["gradient_norm"]
        rows.append((f"{rate:g}", losses, norms[0], norms[1:].max()))
    columns = ["learning rate", "losses from step 2 on", "gradient at step 1", "largest later"]
    return pd.DataFrame(rows, columns=columns)


def readings_table() -> pd.DataFrame:
    """Compare the report's three losses with the lattice of each number of classes and batch size.

    Columns: `worst`, the largest distance of the three to their nearest points; `by_chance`, the
    most that it can be; `points`, how many the lattice has in their range. The best come first.
    """
    rows = []
    for n, size in itertools.product(range(8, 13), (1, 2, 4, 8, 16)):
        worst = float(off_lattice(np.array(REPORTED_LOSSES), n, size).max())
        low, high = min(REPORTED_LOSSES) - worst, max(REPORTED_LOSSES) + worst
        points = sum(low <= point <= high for point in lattice(n, size))
        rows.append((n, size, worst, 0.5 / size, points))
    table = pd.DataFrame(rows, columns=["classes", "batch_size", "worst", "by_chance", "points"])
    return table.round({"worst": 6}).sort_values(["worst", "points"], ignore_index=True)


def largest_gradient(gaps: Sequence[float], classes: int = 11) -> pd.DataFrame:
    """Return the largest entry of the loss's gradient in the logits, as float32 computes it.

    One wrong class leads all others by `gap` logits. Through one softmax (`once`) the entry tends
    to 1; through two (`twice`) it falls as exp(-gap), and float32 makes it zero.
    """
    logits = tf.constant(np.outer(gaps, np.eye(classes)[0]), tf.float32)
    labels = tf.ones(len(logits), tf.int32)
    columns = {"gap": np.asarray(gaps, float)}
    for name, head in (("once", tf.identity), ("twice", tf.nn.softmax)):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = loss_of(labels, head(logits))
        columns[name] = np.abs(tape.gradient(losses, logits).numpy()).max(axis=1)
    return pd.DataFrame(columns)


def lattice_rows(config: RunConfig) -> list[dict]:
    """Trace first steps with 11 outputs, and with the store's own number of classes."""
    store = open_or_prepare(config.data)
    size = config.recipe.batch_size
    rows = []
    for classes in dict.fromkeys((11, len(store.classes))):
        first = trace(config, store, classes=classes)
        row = {"classes": classes, "batch_size": size, "width": config.profile.width}
        row["off_lattice"] = float(off_lattice(first["loss"][1:].to_numpy(), classes, size).max())
        row["first_gradient_norm"] = first["gradient_norm"][0]
        row["gradient_norm"] = first["gradient_norm"][1:].max()
        rows.append(row | {"trace": first.to_dict("list")})
    return rows


def factorial_row(config: RunConfig) -> list[dict]:
    """Trace first steps, and tell whether the profile's own width memorises eight sequences."""
    first = trace(config, open_or_prepare(config.data))
    own = RunConfig.of(model=config.model, profile=config.profile.name).profile.width
    few = overfit(config.with_(width=own, health=False), max_steps=2 * STEPS)
    later = first["gradient_norm"][1:]
    row = {"first_loss": first["loss"][0], "median_norm": later.median()}
    row |= {"without_gradient": float((later == 0).mean()), "memorised": few.accuracy}
    return [row | {"memorise_steps": few.steps, "trace": first.to_dict("list")}]


def trace_row(config: RunConfig) -> list[dict]:
    """Trace first steps."""
    return [{"trace": trace(config, open_or_prepare(config.data)).to_dict("list")}]


def memorise_row(config: RunConfig) -> list[dict]:
    """Tell how much of eight sequences is memorised in `STEPS` steps."""
    few = overfit(config.with_(health=False), max_steps=STEPS)
    return [{"accuracy": few.accuracy, "loss": few.loss if math.isfinite(few.loss) else None}]


def draw(table: pd.DataFrame, note: str):
    """Draw the losses of C3D's first steps on their lattice."""
    rows = table[table["part"] == "lattice"].astype({"classes": int, "batch_size": int})
    points = [lattice(*row) for row in rows[["classes", "batch_size"]].itertuples(index=False)]
    return figures.lattice(rows.assign(points=points).to_dict("records"), note=note)


def draw_gradients(table: pd.DataFrame, note: str):
    """Draw the loss's gradient through one and two softmaxes, and C3D's gradient norms."""
    cells = table[(table["part"] == "factorial") & (table["inputs"] == "dataset")]
    gaps = largest_gradient(np.arange(0.0, 121.0, 2.0))
    return figures.gradients(gaps, cells.to_dict("records"), note=note)


def draw_memorised(table: pd.DataFrame, note: str):
    """Draw which optimiser and learning rate memorise eight sequences, a panel a recipe."""
    part = table[table["part"] == "memorise"]
    axes = {"rows": "optimizer", "columns": "learning_rate", "panel": "recipe"}
    return figures.heat_map(part, **axes, note=note)


def _part(name: str, measure, axes: dict[str, Axis], **base) -> Study:
    question = "Why could C3D of 2019 not learn at any learning rate?"
    config = RunConfig.of(**{"model": "c3d", "recipe": "2019"} | base)
    axes = {"part": {name: {}}} | axes
    return Study("autopsy", question, config, axes, (), measure=measure, figure=draw, videos=True)


WIDE = {"width": 1.0, "batch_size": 2}
RECIPES = over("recipe", ("2019", "repaired"))
LATTICES = {"synthetic": WIDE, "Weizmann": lambda c, v: WIDE | weizmann(c, v), "quick": {}}
CAUSES = {"inputs": ("dataset", "raw"), "head": ("softmax", "logits"), "init": ("normal", "he")}
CAUSES = {name: over(name, values) for name, values in CAUSES.items()}
TRIED = {"recipe": RECIPES, "optimizer": over("optimizer", ("adam", "sgd")),
         "learning_rate": over("learning_rate", RATES)}  # fmt: skip
ALL_MODELS = {"model": over("model", REPORTED), "recipe": RECIPES}
STARTS = {"recipe": RECIPES | {"2019 + He": {"recipe": "2019", "init": "he"}}}
STUDY = in_turn(
    _part("lattice", lattice_rows, {"data": LATTICES}),
    _part("factorial", factorial_row, CAUSES, **WIDE),
    _part("memorise", memorise_row, TRIED),
    _part("overfit", lambda config: [asdict(overfit(config))], ALL_MODELS),
    _part("vgg9_start", trace_row, STARTS, model="vgg9", **WIDE),
)
