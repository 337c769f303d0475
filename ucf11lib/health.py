"""What a sick training looks like, and what to say.

The compiled step hands out a few numbers beside the loss; `Monitor` reads them every few steps on the host. A finding
is one line: what was seen, what it usually means, what to change. Some stop the training, some only warn.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

EVERY = 8  # steps between two looks, and how many in a row make a habit
FAR = 10.0  # a first loss this many times ln(classes) is no guess any more
DEAD = 1e-7  # gradient norm that moves nothing in float32
FITTED = 0.05  # loss below which a small gradient means success
ENOUGH = 10  # predictions a class before "all of one class" says anything
INPUT_RMS = (0.01, 10.0)  # of normalised frames

# Of each check: whether the training stops, what the finding usually means, and what to change.
CHECKS = {
    "frames": (
        False,
        "frames that are black, that were scaled before they were stored, or that are not normalised",
        "prepare the store from frames of 0 to 255, and take inputs=sequence or inputs=dataset",
    ),
    "first_loss": (
        False,
        "weights so large that each layer amplifies its input, or weights that were trained before",
        "init=he",
    ),
    "double_softmax": (True, "a softmax in the head, which the loss applies again", "head=logits"),
    "lattice": (True, "a double softmax that is saturated, and has no gradient left", "head=logits"),
    "dead_gradient": (
        True,
        "outputs that are saturated or layers that died, which no learning rate brings back",
        "head=logits and init=he, or a lower learning_rate from the start",
    ),
    "one_class": (
        False,
        "ReLUs that died under too high a learning rate, or inputs that say nothing",
        "a lower learning_rate, or the input after a look at notebooks/00_data.ipynb",
    ),
    "non_finite": (
        True,
        "too high a learning rate, or numbers that half precision cannot hold",
        "a lower learning_rate, warmup=0.05, init=he, or no --mixed-precision",
    ),
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        check: `frames`, `first_loss`, `double_softmax`, `lattice`, `dead_gradient`, `one_class` or `non_finite`.
        step: 1, 2, ...; 0 before the first.
        stops: whether the training cannot recover from it.
        line: what was seen, what it usually means, what to change.
    """

    check: str
    step: int
    stops: bool
    line: str


@dataclass(frozen=True)
class Signals:
    """What one step hands out.

    Attributes:
        loss: mean over the global batch.
        right: sequences classified rightly.
        gradient_norm: of all trainable weights together, before the optimiser; with several replicas the root of the
            sum of their squared shares' norms.
        distributions: outputs of the batch that are not negative and sum to 1 (within 1e-4).
        predicted: sequences predicted a class, (classes,).
    """

    loss: float
    right: int
    gradient_norm: float
    distributions: int
    predicted: np.ndarray

    @classmethod
    def of(cls, row: np.ndarray, batch_size: int) -> "Signals":
        """Read the vector that `training.make_step` returns."""
        return cls(float(row[0]) / batch_size, int(row[1]), math.sqrt(max(row[2], 0)), int(row[3]), row[4:])


def lattice(classes: int, batch_size: int) -> np.ndarray:
    """Return the losses that a saturated double softmax can have, descending, (batch_size + 1,).

    The softmax of a one-hot vector gives its 1 the probability e / (e + n - 1), each 0 gets 1 / (e + n - 1). So a wrong
    sequence costs ln(e + n - 1), a right one exactly 1 less, and a batch with k of B right has the loss
    ln(e + n - 1) - k / B.
    """
    return math.log(math.e + classes - 1) - np.arange(batch_size + 1) / batch_size


def off_lattice(losses: np.ndarray, classes: int, batch_size: int) -> np.ndarray:
    """Return each loss's distance to the nearest point of `lattice`, in nats."""
    return np.abs(np.asarray(losses)[..., None] - lattice(classes, batch_size)).min(axis=-1)


class Monitor:
    """Watches one training.

    Args:
        classes, batch_size: of the training.
        say: gets the line of each finding, once a check.
        loss_scaling: whether single non-finite gradients are the optimiser's way to find its scale.
        findings: those of the training so far, when it is resumed.
    """

    def __init__(
        self,
        classes: int,
        batch_size: int,
        say: Callable[[str], None] = print,
        *,
        loss_scaling: bool = False,
        findings: list[Finding] | None = None,
    ):
        self.classes, self.batch_size, self.say, self.loss_scaling = classes, batch_size, say, loss_scaling
        self.findings = list(findings or [])
        self.begin_epoch()

    @property
    def stopped(self) -> Finding | None:
        """The finding that ends the training, if there is one."""
        return next((finding for finding in self.findings if finding.stops), None)

    @property
    def status(self) -> str:
        """`ok`, `warned: <checks>` or `stopped: <check>`."""
        if self.stopped:
            return f"stopped: {self.stopped.check}"
        return f"warned: {', '.join(finding.check for finding in self.findings)}" if self.findings else "ok"

    def begin_epoch(self) -> None:
        """Forget the steps seen: habits are looked for within an epoch, so that a resumed run finds the same."""
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._predicted = np.zeros(self.classes)

    def frames(self, frames: np.ndarray, inputs: np.ndarray) -> None:
        """Look at a batch before and after the normalisation, both (N, T, H, W, 3)."""
        rms = float(np.sqrt(np.mean(np.square(inputs, dtype=np.float64))))
        if frames.max() <= 1:
            self._find("frames", 0, f"no grey level is above {frames.max()}")
        elif not INPUT_RMS[0] <= rms <= INPUT_RMS[1]:
            low, high = INPUT_RMS
            self._find("frames", 0, f"the network's inputs have a root mean square of {rms:.3g}, not {low} to {high}")

    def steps(self, first: int, rows: list[np.ndarray]) -> None:
        """Look at the vectors of steps `first`, `first + 1`, ... of the training, counted from 1."""
        for step, row in enumerate(rows, first):
            seen = Signals.of(row, self.batch_size)
            self._losses.append(seen.loss)
            self._norms.append(seen.gradient_norm)
            self._predicted += seen.predicted
            if step == 1:
                self._first_loss(seen)
            self._broken(step, seen)
            if len(self._losses) >= EVERY:
                self._habits(step, np.array(self._losses[-EVERY:]), np.array(self._norms[-EVERY:]))

    def end_epoch(self, step: int) -> None:
        """Look at an epoch as a whole, which ended with `step`."""
        total, most = self._predicted.sum(), self._predicted.max()
        if total >= ENOUGH * self.classes and most == total:
            self._find("one_class", step, f"all {total:.0f} answers of an epoch are class {self._predicted.argmax()}")

    def _first_loss(self, seen: Signals) -> None:
        chance = math.log(self.classes)
        if seen.loss > FAR * chance or seen.loss < chance / FAR:
            self._find(
                "first_loss", 1, f"the first loss is {seen.loss:.4g}; a guess has ln({self.classes}) = {chance:.4f}"
            )

    def _broken(self, step: int, seen: Signals) -> None:
        """Find what a single step proves."""
        if seen.distributions == self.batch_size:
            floor = lattice(self.classes, 1)[1]
            self._find("double_softmax", step, "each sequence's outputs already sum to 1 under a loss from logits, "
                       f"so no loss is below {floor:.4f}")  # fmt: skip
        if not math.isfinite(seen.loss) or not (math.isfinite(seen.gradient_norm) or self.loss_scaling):
            self._find("non_finite", step, f"the loss is {seen.loss:.4g}, the gradient norm {seen.gradient_norm:.4g}")

    def _habits(self, step: int, losses: np.ndarray, norms: np.ndarray) -> None:
        """Find what the last steps prove together."""
        if (off_lattice(losses, self.classes, self.batch_size) < 0.01 / self.batch_size).all():
            top = lattice(self.classes, 1)[0]
            self._find("lattice", step, f"the last {EVERY} losses all lie on {top:.4f} - k/{self.batch_size}")
        if (norms < DEAD).all() and losses.min() > FITTED:
            norm, loss = norms.max(), losses[-1]
            self._find(
                "dead_gradient", step, f"the gradient norm is {norm:.1e} for {EVERY} steps at a loss of {loss:.4f}"
            )
        if self.loss_scaling and not np.isfinite(norms).any():
            self._find("non_finite", step, f"no gradient was finite for {EVERY} steps of loss scaling")

    def _find(self, check: str, step: int, seen: str) -> None:
        if check in {finding.check for finding in self.findings}:
            return
        stops, means, change = CHECKS[check]
        line = f"health: {check} at step {step}: {seen}; usually {means}; change: {change}"
        self.findings.append(Finding(check, step, stops, line))
        self.say(line + ("; stopped, --no-health goes on" if stops else ""))
