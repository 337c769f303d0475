"""Checks of a training while it runs, on a few numbers that the step returns beside the loss."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

CHECK_EVERY_STEPS = 8  # to look is to wait for the device; also how many steps make a habit
MAX_FIRST_LOSS_RATIO = 10.0  # of the first loss to ln(classes), or of ln(classes) to it
DEAD_GRADIENT_NORM = 1e-7  # moves nothing in float32
MEMORISED_LOSS = 0.05  # below it a small gradient means success
MIN_PREDICTIONS_A_CLASS = 10  # before "all of one class" means anything
MIN_DISTRIBUTIONS = 2  # rows of outputs that sum to 1, in steps one after the other
MAX_SCALING_STEPS = 24  # float16's loss scale, 2^15 at first, halves at each that is not finite
INPUT_RMS_RANGE = (0.01, 10.0)  # of normalised frames
LATTICE_TOLERANCE = 0.01  # of the distance between two points

CHECKS = {  # what a finding usually means, and what to change
    "frames": "frames that are black, were scaled before they were stored, or are not normalised; "
    "change: a store of frames of 0 to 255, and inputs=sequence or inputs=dataset",
    "first_loss": "weights that amplify their input, large inputs, or weights that were trained "
    "before; change: init=he, and inputs=sequence or inputs=dataset",
    "double_softmax": "a softmax in the head, which the loss applies again; change: head=logits",
    "lattice": "a double softmax that is saturated and has no gradient left; change: head=logits",
    "dead_gradient": "outputs that are saturated or layers that died, which no learning rate "
    "revives; change: head=logits and init=he, or a lower learning_rate from the start",
    "one_class": "ReLUs that died under too high a learning rate, or inputs without information; "
    "change: a lower learning_rate, or the input after a look at notebooks/00_data.ipynb",
    "non_finite": "too high a learning rate, or numbers that half precision cannot hold; "
    "change: a lower learning_rate, schedule=cosine with warmup=0.05, init=he, "
    "or precision=float32",
}
STOPPING = ("double_softmax", "lattice", "dead_gradient", "non_finite")  # no training recovers


@dataclass(frozen=True)
class Finding:
    """A key of `CHECKS`, and the line for the log."""

    check: str
    line: str


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


def off_lattice(losses: Sequence[float] | np.ndarray, classes: int, batch_size: int) -> np.ndarray:
    """Return each loss's distance to the nearest point of `lattice`, in nats."""
    return np.abs(np.asarray(losses)[..., None] - lattice(classes, batch_size)).min(axis=-1)


@dataclass
class Monitor:
    """Watches one training; `log` gets the line of each finding, one a check."""

    classes: int
    batch_size: int
    log: Callable[[str], None] = print
    scaled: bool = False  # the optimiser scales the loss, and some gradients are not finite
    findings: list[Finding] = field(default_factory=list)  # a resumed training adds to its own

    def __post_init__(self):
        self.begin_epoch(0)

    @property
    def stopped(self) -> bool:
        """Whether a finding ends the training."""
        return self.status.startswith("stopped")

    @property
    def status(self) -> str:
        """`ok`, `warned: <checks>` or `stopped: <check>`."""
        checks = [finding.check for finding in self.findings]
        for check in checks:
            if check in STOPPING:
                return f"stopped: {check}"
        return f"warned: {', '.join(checks)}" if checks else "ok"

    def frames(self, frames: np.ndarray, inputs: np.ndarray) -> None:
        """Check the first batch before and after the normalisation, both (N, T, H, W, 3)."""
        rms = float(np.sqrt(np.mean(np.square(inputs, dtype=np.float64))))
        low, high = INPUT_RMS_RANGE
        if frames.max() <= 1:
            self._add("frames", f"no grey level is above {frames.max()}")
        elif not low <= rms <= high:
            self._add("frames", f"the inputs' root mean square is {rms:.3g}, not {low} to {high}")

    def begin_epoch(self, steps: int) -> None:
        """Start an epoch after `steps` steps; what it shows counts only within it."""
        self._first_step = steps
        self._epoch: list[Signals] = []

    def look(self, rows: Sequence, last: bool) -> bool:
        """Check the epoch's new steps, if it is time; return whether the training must stop.

        `rows` are the vectors of all its steps so far, `last` is whether it ends here.
        """
        if len(rows) == 1 or len(rows) % CHECK_EVERY_STEPS == 0 or last:
            for row in rows[len(self._epoch) :]:
                self._epoch.append(Signals.of(np.asarray(row), self.batch_size))
                self._check_step(self._epoch[-1])
                if len(self._epoch) >= CHECK_EVERY_STEPS:
                    self._check_steps(self._epoch[-CHECK_EVERY_STEPS:])
        if last or self.stopped:
            self._check_predictions(np.sum([one.predicted for one in self._epoch], axis=0))
        return self.stopped

    def _check_step(self, signals: Signals) -> None:
        """Check what a single step proves."""
        loss, norm, chance = signals.loss, signals.gradient_norm, math.log(self.classes)
        ratio = max(loss / chance, chance / max(loss, 1e-30))
        if self._first_step + len(self._epoch) == 1 and ratio > MAX_FIRST_LOSS_RATIO:
            self._add("first_loss", f"the loss is {loss:.4g}, and that of a guess {chance:.4f}")
        # A single row of a guess may sum to 1 by chance.
        recent = self._epoch[-math.ceil(MIN_DISTRIBUTIONS / self.batch_size) :]
        if sum(one.distributions for one in recent) == max(MIN_DISTRIBUTIONS, self.batch_size):
            floor = f"so no loss is below {lattice(self.classes, 1)[1]:.4f}"
            seen = f"each sequence's outputs already sum to 1 under a loss from logits, {floor}"
            self._add("double_softmax", seen)
        if not math.isfinite(loss) or not (math.isfinite(norm) or self.scaled):
            self._add("non_finite", f"the loss is {loss:.4g}, the gradient norm {norm:.4g}")

    def _check_steps(self, steps: Sequence[Signals]) -> None:
        """Check what several steps prove together."""
        losses = np.array([signals.loss for signals in steps])
        norms = np.array([signals.gradient_norm for signals in steps])
        distances = off_lattice(losses, self.classes, self.batch_size)
        if (distances < LATTICE_TOLERANCE / self.batch_size).all():
            top = lattice(self.classes, 1)[0]
            self._add("lattice", f"{len(steps)} losses lie on {top:.4f} - k/{self.batch_size}")
        if (norms < DEAD_GRADIENT_NORM).all() and losses.min() > MEMORISED_LOSS:
            norm = f"{norms.max():.1e} for {len(steps)} steps"
            self._add("dead_gradient", f"the gradient norm is {norm} at a loss of {losses[-1]:.4f}")
        scaling = [one.gradient_norm for one in self._epoch[-MAX_SCALING_STEPS:]]
        if self.scaled and len(scaling) == MAX_SCALING_STEPS and not np.isfinite(scaling).any():
            self._add("non_finite", f"no gradient was finite for {MAX_SCALING_STEPS} steps")

    def _check_predictions(self, predicted: np.ndarray) -> None:
        """Check an epoch's predictions a class."""
        total, most = predicted.sum(), predicted.max()
        if most == total >= MIN_PREDICTIONS_A_CLASS * self.classes:
            self._add("one_class", f"all {total:.0f} predictions are class {predicted.argmax()}")

    def _add(self, check: str, seen: str) -> None:
        """Log and keep a finding at the current step, unless its check has one."""
        if check not in {finding.check for finding in self.findings}:
            step = self._first_step + len(self._epoch)  # 0 before the first
            line = f"health: {check} at step {step}: {seen}; usually {CHECKS[check]}"
            self.findings.append(Finding(check, line))
            self.log(f"{line}; stopped, --no-health continues" if check in STOPPING else line)
