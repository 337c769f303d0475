"""Why could C3D of 2019 not learn at any learning rate, and what does a softmax in the head do?

A saturated softmax, softmaxed again by the loss, puts every loss on a lattice and leaves no
gradient. Parts: `lattice`, C3D's first steps at full width; `factorial`, input, head and weights
changed; `memorise`, eight sequences at every learning rate of the report.

Expect: losses within 1e-7 of the lattice from step 2 on; no cell of recipe 2019 memorises.

    python -m ucf11lib study autopsy --force --videos DIR  # half an hour on 2 cores
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ucf11lib import figures
from ucf11lib.backend import tf
from ucf11lib.data import ClipStore, open_or_prepare
from ucf11lib.runs import RunConfig
from ucf11lib.runs.recipes import named_profile
from ucf11lib.studies.overfit import overfit
from ucf11lib.studies.study import Axis, Changes, Study, new_trainer, over, weizmann
from ucf11lib.training import Trainer
from ucf11lib.training.health import Signals, lattice, off_lattice
from ucf11lib.training.step import loss_of

REPORTED_LOSSES = (2.453, 1.453, 1.953)  # 2019 report, section 3.1
RATES = tuple(10.0**-power for power in range(1, 9))  # section 3.1: "from 0.1 to 1e-8"
STEPS = 50


def trace(
    config: RunConfig, store: ClipStore, steps: int, classes: int | None = None
) -> pd.DataFrame:
    """Return step, loss, accuracy and gradient_norm of the first steps of a training."""
    return _first_steps(new_trainer(config.with_(health=True), store, classes=classes), steps)


def _first_steps(trainer: Trainer, steps: int) -> pd.DataFrame:
    size, rows = trainer.config.recipe.batch_size, []
    for step, batch in enumerate(trainer.batches(0, steps), 1):
        one = Signals.of(np.asarray(trainer.step(*batch)), size)
        rows.append((step, one.loss, one.right / size, one.gradient_norm))
    return pd.DataFrame(rows, columns=["step", "loss", "accuracy", "gradient_norm"])


def rates_table(config: RunConfig, store: ClipStore, steps: int = 5) -> pd.DataFrame:
    """Return, for each rate of the report, the losses from step 2 on and the gradient norms.

    The recipe's schedule must be constant.
    """
    trainer = new_trainer(config.with_(health=True), store)
    variables = [*trainer.model.variables, *trainer.optimizer.variables]
    initial = [variable.numpy() for variable in variables]
    rows = []
    for rate in RATES:  # from the same weights, by the same compiled step
        for variable, value in zip(variables, initial, strict=True):
            variable.assign(value)
        trainer.optimizer.learning_rate = rate
        first = _first_steps(trainer, steps)
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
        worst = float(off_lattice(REPORTED_LOSSES, n, size).max())
        low, high = min(REPORTED_LOSSES) - worst, max(REPORTED_LOSSES) + worst
        points = sum(low <= point <= high for point in lattice(n, size))
        rows.append((n, size, round(worst, 6), 0.5 / size, points))
    table = pd.DataFrame(rows, columns=["classes", "batch_size", "worst", "by_chance", "points"])
    return table.sort_values(["worst", "points"], ignore_index=True)


def largest_gradient(gaps: Sequence[float] | np.ndarray, classes: int = 11) -> pd.DataFrame:
    """Return the largest entry of the loss's gradient in the logits, as float32 computes it.

    One wrong class leads all others by `gap` logits. Through one softmax (`once`) the entry tends
    to 1; through two (`twice`) it falls as exp(-gap), and float32 makes it zero.
    """
    logits = tf.constant(np.outer(gaps, np.eye(classes)[0]), tf.float32)
    labels = tf.ones(len(logits), tf.int32)
    table = pd.DataFrame({"gap": np.asarray(gaps, float)})
    for name, head in (("once", tf.identity), ("twice", tf.nn.softmax)):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = loss_of(labels, head(logits))
        table[name] = np.abs(tape.gradient(losses, logits).numpy()).max(axis=1)
    return table


def first_steps(config: RunConfig, classes: int | None = None) -> dict:
    """Return a trace, and what it says of the losses and of the gradient's norm."""
    store = open_or_prepare(config.data)
    classes = classes or len(store.classes)
    size = config.recipe.batch_size
    first = trace(config, store, STEPS, classes)
    norm, *later = first["gradient_norm"]
    return {
        "classes": classes, "batch_size": size, "width": config.profile.width,
        "off_lattice": float(off_lattice(first["loss"][1:], classes, size).max()),
        "first_loss": first["loss"][0], "first_gradient_norm": norm,
        "gradient_norm": max(later), "median_norm": float(np.median(later)),
        "without_gradient": later.count(0) / len(later), "trace": first.to_dict("list"),
    }  # fmt: skip


def lattice_rows(config: RunConfig) -> list[dict]:
    """Trace first steps with 11 outputs, and with the store's own number of classes."""
    own = len(open_or_prepare(config.data).classes)
    return [first_steps(config, classes) for classes in dict.fromkeys((11, own))]


def factorial_row(config: RunConfig) -> list[dict]:
    """Trace first steps, and tell whether the profile's own width memorises eight sequences."""
    own = named_profile(config.profile.name, config.model).width
    few = overfit(config.with_(width=own, health=False), max_steps=2 * STEPS)
    return [first_steps(config) | {"memorised": few.accuracy, "memorise_steps": few.steps}]


def memorise_row(config: RunConfig) -> list[dict]:
    """Tell how much of eight sequences is memorised in `STEPS` steps."""
    few = overfit(config.with_(health=False), max_steps=STEPS)
    return [{"accuracy": few.accuracy, "loss": few.loss if math.isfinite(few.loss) else None}]


def draw(table: pd.DataFrame, note: str):
    """Draw the losses of C3D's first steps on their lattice."""
    rows = table[table["part"] == "lattice"].replace({"data": {"quick": "synthetic"}})
    rows = rows.astype({"classes": int, "batch_size": int})
    points = [lattice(*row) for row in rows[["classes", "batch_size"]].itertuples(index=False)]
    return figures.lattice(rows.assign(points=points).to_dict("records"), note=note)


def draw_gradients(table: pd.DataFrame, note: str):
    """Draw the loss's gradient through one and two softmaxes, and C3D's gradient norms."""
    cells = table.query("part == 'factorial' and inputs == 'dataset'").to_dict("records")
    note += "; here, right, synthetic data and width 1"  # a study's note names all of its data
    return figures.gradients(largest_gradient(np.arange(0.0, 121.0, 2.0)), cells, note=note)


def draw_memorised(table: pd.DataFrame, note: str):
    """Draw which optimiser and learning rate memorise eight sequences, a panel a recipe."""
    axes = {"rows": "optimizer", "columns": "learning_rate", "panel": "recipe"}
    note += f"; here synthetic data and width {LATTICE.base.profile.width:g}"
    return figures.heat_map(table[table["part"] == "memorise"], **axes, note=note)


WIDE = {"width": 1.0, "batch_size": 2}
LATTICES: Axis = {"synthetic": WIDE, "Weizmann": lambda c, v: WIDE | weizmann(c, v), "quick": {}}
TRIED = {"inputs": ("dataset", "raw"), "head": ("softmax", "logits"), "init": ("normal", "he")}
CAUSES = {name: over(name, values) for name, values in TRIED.items()}
RECIPES = over("recipe", ("2019", "repaired"))
SEARCHED = {"recipe": RECIPES, "optimizer": over("optimizer", ("adam", "sgd"))}
SEARCHED |= {"learning_rate": over("learning_rate", RATES)}
LATTICE = Study(
    name="autopsy",
    question="Why could C3D of 2019 not learn at any learning rate?",
    base=RunConfig.of(model="c3d", recipe="2019", precision="float32"),
    axes={"part": {"lattice": {}}, "data": LATTICES},
    seeds=(),
    measure=lattice_rows,
    figure=draw,
    videos=True,
)


def _part(name: str, changes: Changes, axes: Mapping[str, Axis], measure) -> Study:
    return replace(LATTICE, axes={"part": {name: changes}, **axes}, measure=measure)


STUDY = replace(
    LATTICE,
    then=(
        _part("factorial", WIDE, CAUSES, factorial_row),
        _part("memorise", {}, SEARCHED, memorise_row),
    ),
)
