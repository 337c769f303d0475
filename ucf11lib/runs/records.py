"""What `config.json` and `metrics.json` of a run folder hold, as types."""

from dataclasses import dataclass
from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from ucf11lib.runs.recipes import Share

Seconds = Annotated[float, Meta(ge=0, le=1e10)]
Text = Annotated[str, Meta(max_length=1 << 20)]
Count = Annotated[int, Meta(ge=0, le=10**15)]


@dataclass(frozen=True)
class StoreRecord:
    """What `config.json` says of the data and devices, beside the configuration itself."""

    store: str  # folder
    store_sha256: dict[str, str]  # of `frames` and `index`
    data_kind: Text  # "synthetic data" or which real video, to be beside every number
    classes: tuple[Text, ...]  # display names in label order
    window: int  # frames a sequence
    size: int  # pixels a side
    code: Text = ""  # digest of the code that trained it; runs before it have none
    strategy: str = "one"  # or `mirrored`, `multiworker`
    workers: int = 1
    replicas: int = 1


class Environment(TypedDict):
    """The contents of `environment.json`, see `ucf11lib.runs.environment`."""

    python: str
    system: str
    packages: "Packages"
    devices: list[str]
    processor: str
    instruction_sets: list[str]
    cores: int
    commit: str | None
    uncommitted_changes: bool


class Packages(TypedDict):
    """The versions that a report shows; there are more."""

    tensorflow: str
    keras: str


class Metrics(TypedDict):
    """The contents of `metrics.json`; None is "never" or "does not occur"."""

    model: str
    recipe: str
    profile: str
    source: str
    split: str
    fold: str
    seed: int
    precision: Literal["float32", "bfloat16", "float16"]
    classes: list[str]
    n_train: Count
    n_val: Count
    parameters: Count
    epochs: Count
    accuracy: Share
    accuracy_batch_mean: Share
    accuracy_clip: Share
    interval: list[Share] | None
    top2: Share
    macro_f1: Share
    ece: Share | None
    per_class_accuracy: list[Share | None]
    per_class_precision: NotRequired[list[Share | None]]  # runs before it have none
    confusion: list[list[Count]]
    val_loss: float | None
    seconds: Seconds
    seconds_to_75: Seconds | None
    sequences_to_75: Count | None
    sequences_per_second: float
    peak_rss_mb: float
    status: str
    findings: list[str]
    sha256: NotRequired[dict[str, str]]  # of the other files
