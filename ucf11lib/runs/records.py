"""What `config.json` and `metrics.json` of a run folder hold, as types."""

from dataclasses import dataclass
from typing import NotRequired, TypedDict


@dataclass(frozen=True)
class StoreRecord:
    """What `config.json` says of the data and devices, beside the configuration itself."""

    store: str  # folder
    store_sha256: dict[str, str]  # of `frames` and `index`
    data_kind: str  # "synthetic data" or which real video, to be beside every number
    classes: tuple[str, ...]  # display names in label order
    window: int  # frames a sequence
    size: int  # pixels a side
    strategy: str = "one"  # or `mirrored`, `multiworker`
    workers: int = 1
    replicas: int = 1


class Environment(TypedDict):
    """The contents of `environment.json`, see `ucf11lib.runs.environment`."""

    python: str
    system: str
    packages: dict[str, str]
    devices: list[str]
    processor: str
    instruction_sets: list[str]
    cores: int
    commit: str | None
    uncommitted_changes: bool


class Metrics(TypedDict):
    """The contents of `metrics.json`; shares are 0..1, None is "never" or "does not occur"."""

    model: str
    recipe: str
    profile: str
    source: str
    split: str
    fold: str
    seed: int
    precision: str
    classes: list[str]
    n_train: int
    n_val: int
    parameters: int
    epochs: int
    accuracy: float
    accuracy_batch_mean: float
    accuracy_clip: float
    interval: list[float] | None
    top2: float
    macro_f1: float
    ece: float | None
    per_class_accuracy: list[float | None]
    per_class_precision: NotRequired[list[float | None]]  # runs before it have none
    confusion: list[list[int]]
    val_loss: float | None
    seconds: float
    seconds_to_75: float | None
    sequences_to_75: int | None
    sequences_per_second: float
    peak_rss_mb: float
    status: str
    findings: list[str]
    sha256: NotRequired[dict[str, str]]  # of the other files
