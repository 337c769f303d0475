"""Checks of a training while it runs, on a few numbers that the step returns beside the loss."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

CHECK_EVERY_STEPS = 8  # to look is to wait for the device; also how many steps make a habit
MAX_FIRST_LOSS_RATIO = 10.0  # of the first loss to ln(classes), or of ln(classes) to it
DEAD_GRADIENT_NORM = 1e-7  # moves nothing in float32
MEMORISED_LOSS = 0.05  # below it a small gradient means success
MIN_PREDICTIONS_A_CLASS = 10  # before "all of one class" means anything
INPUT_RMS_RANGE = (0.01, 10.0)  # of normalised frames
LATTICE_TOLERANCE = 0.01  # of the distance between two points

CHECKS = {  # what a finding usually means, and what to change
    "frames": "frames that are black, were scaled before they were stored, or are not normalised; "
    "change: a store of frames of 0 to 255, and inputs=sequence or inputs=dataset",
    "first_loss": "weights that amplify their input, or were trained before; change: init=he",
    "double_softmax": "a softmax in the head, which the loss applies again; change: head=logits",
    "lattice": "a double softmax that is saturated and has no gradient left; change: head=logits",
    "dead_gradient": "outputs that are saturated or layers that died, which no learning rate "
    "revives; change: head=logits and init=he, or a lower learning_rate from the start",
    "one_class": "ReLUs that died under too high a learning rate, or inputs without information; "
    "change: a lower learning_rate, or the input after a look at notebooks/00_data.ipynb",
    "non_finite": "too high a learning rate, or numbers that half precision cannot hold; "
    "change: a lower learning_rate, warmup=0.05, init=he, or precision=float32",
}
STOPPING = ("double_softmax", "lattice", "dead_gradient", "non_finite")  # no training recovers


@dataclass(frozen=True)
class Finding:
    """A key of `CHECKS`, the step (1, 2, ...; 0 before the first), and the line for the log."""

    check: str
    step: int
    line: str

    @property
    def stops(self) -> bool:
        """Whether it ends the training."""
        return self.check in STOPPING


@dataclass(frozen=True)
class Signals:
    """What one step returns."""

    loss: float  # the mean
    right: int  # sequences classified rightly
    gradient_norm: float  # of all weights: root of the replicas' sum of squares
    distributions: int  # outputs that are not negative and sum to 1
    predicted: np.ndarray  # predictions a class, (classes,)

    @classmethod
    def of(cls, row: np.ndarray, batch_size: int) -> "Signals":
        """Read the vector of a watched step, see `step.make_step`."""
        loss, norm = float(row[0]) / batch_size, math.sqrt(max(row[2], 0))
        return cls(loss, int(row[1]), norm, int(row[3]), row[4:])


def lattice(classes: int, batch_size: int) -> np.ndarray:
    """Return the losses that a saturated double softmax can have, descending, (batch_size + 1,).

    The softmax of a one-hot vector is e / (e + n - 1) at its 1, and 1 / (e + n - 1) elsewhere. So a
    batch with k of B right has the loss ln(e + n - 1) - k / B.
    """
    return math.log(math.e + classes - 1) - np.arange(batch_size + 1) / batch_size


def off_lattice(losses: np.ndarray, classes: int, batch_size: int) -> np.ndarray:
    """Return each loss's distance to the nearest point of `lattice`, in nats."""
    return np.abs(np.asarray(losses)[..., None] - lattice(classes, batch_size)).min(axis=-1)


class Monitor:
    """Watches one training; `log` gets the line of each finding, one a check.

    `scaled`: the optimiser scales the loss, so that some gradients are not finite. A resumed
    training is given its `findings` of before.
    """

    def __init__(self, classes: int, batch_size: int, log: Callable = print, scaled: bool = False):
        self.classes, self.batch_size, self.scaled = classes, batch_size, scaled
        self.findings: list[Finding] = []
        self._log = log
        self.begin_epoch(0)

    @property
    def stopped(self) -> Finding | None:
        """The finding that ends the training, if any."""
        return next((finding for finding in self.findings if finding.stops), None)

    @property
    def status(self) -> str:
        """`ok`, `warned: <checks>` or `stopped: <check>`."""
        if self.stopped:
            return f"stopped: {self.stopped.check}"
        checks = ", ".join(finding.check for finding in self.findings)
        return f"warned: {checks}" if checks else "ok"

    def frames(self, frames: np.ndarray, inputs: np.ndarray) -> None:
        """Check a batch before and after the normalisation, both (N, T, H, W, 3)."""
        rms = float(np.sqrt(np.mean(np.square(inputs, dtype=np.float64))))
        low, high = INPUT_RMS_RANGE
        if frames.max() <= 1:
            self._add("frames", 0, f"no grey level is above {frames.max()}")
        elif not low <= rms <= high:
            seen = "the network's inputs have a root mean square of"
            self._add("frames", 0, f"{seen} {rms:.3g}, not {low} to {high}")

    def begin_epoch(self, steps: int) -> None:
        """Start an epoch after `steps` steps; what it shows counts only within it."""
        self._first_step = steps
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._predicted = np.zeros(self.classes)

    def look(self, rows: Sequence, last: bool) -> bool:
        """Check the epoch's new steps, if it is time; return whether the training must stop.

        `rows` are the vectors of all its steps so far, `last` is whether it ends here.
        """
        if len(rows) == 1 or len(rows) % CHECK_EVERY_STEPS == 0 or last:
            for row in rows[len(self._losses) :]:
                self._step(Signals.of(np.asarray(row), self.batch_size))
        if last or self.stopped:
            self._epoch_end()
        return self.stopped is not None

    def _step(self, signals: Signals) -> None:
        """Check what a single step proves, and with those before it."""
        loss, norm = signals.loss, signals.gradient_norm
        self._losses.append(loss)
        self._norms.append(norm)
        self._predicted += signals.predicted
        step = self._first_step + len(self._losses)
        chance = math.log(self.classes)
        ratio = max(loss / chance, chance / max(loss, 1e-30))
        if step == 1 and ratio > MAX_FIRST_LOSS_RATIO:
            guess = f"a guess has ln({self.classes}) = {chance:.4f}"
            self._add("first_loss", step, f"the first loss is {loss:.4g}; {guess}")
        if signals.distributions == self.batch_size:
            floor = f"so no loss is below {lattice(self.classes, 1)[1]:.4f}"
            seen = f"each sequence's outputs already sum to 1 under a loss from logits, {floor}"
            self._add("double_softmax", step, seen)
        if not math.isfinite(loss) or not (math.isfinite(norm) or self.scaled):
            self._add("non_finite", step, f"the loss is {loss:.4g}, the gradient norm {norm:.4g}")
        if len(self._losses) >= CHECK_EVERY_STEPS:
            self._habits(step)

    def _habits(self, step: int) -> None:
        """Check what the last `CHECK_EVERY_STEPS` steps prove together."""
        losses, norms = np.array([self._losses, self._norms])[:, -CHECK_EVERY_STEPS:]
        distances = off_lattice(losses, self.classes, self.batch_size)
        if (distances < LATTICE_TOLERANCE / self.batch_size).all():
            points = f"{lattice(self.classes, 1)[0]:.4f} - k/{self.batch_size}"
            self._add("lattice", step, f"the last {len(losses)} losses all lie on {points}")
        if (norms < DEAD_GRADIENT_NORM).all() and losses.min() > MEMORISED_LOSS:
            seen = f"the gradient norm is {norms.max():.1e} for {len(norms)} steps"
            self._add("dead_gradient", step, f"{seen} at a loss of {losses[-1]:.4f}")
        if self.scaled and not np.isfinite(norms).any():
            seen = f"no gradient was finite for {len(norms)} steps of loss scaling"
            self._add("non_finite", step, seen)

    def _epoch_end(self) -> None:
        total = self._predicted.sum()
        if total >= MIN_PREDICTIONS_A_CLASS * self.classes and self._predicted.max() == total:
            seen = f"all {total:.0f} predictions of an epoch are class {self._predicted.argmax()}"
            self._add("one_class", self._first_step + len(self._losses), seen)

    def _add(self, check: str, step: int, seen: str) -> None:
        if check in {finding.check for finding in self.findings}:
            return
        line = f"health: {check} at step {step}: {seen}; usually {CHECKS[check]}"
        finding = Finding(check, step, line)
        self.findings.append(finding)
        self._log(f"{line}; stopped, --no-health continues" if finding.stops else line)
