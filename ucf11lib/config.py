"""What one training is asked to be."""

from dataclasses import dataclass, fields
from pathlib import Path

from ucf11lib import recipes
from ucf11lib.data import sources, splits
from ucf11lib.errors import UserError


@dataclass(frozen=True)
class RunConfig:
    """What a training is asked to be; its fields are the command line's options and the notebooks' parameters.

    Attributes:
        model: `c3d`, `vgg9` or `cnn_lstm`.
        recipe: `2019` or `repaired`.
        profile: `smoke`, `quick` or `full`.
        source: `synthetic`, `course`, `ucf11` or `videos`.
        data: the folder that the source reads; empty for `synthetic`.
        split: `random`, `video` or `group`.
        seed: of the split, the weights, the order, the augmentation and the dropout.
        mixed_precision: compute in float16 on GPUs, bfloat16 elsewhere, where that is safe; weights stay float32.
    """

    model: str
    recipe: str = "repaired"
    profile: str = "quick"
    source: str = "synthetic"
    data: str = ""
    split: str = "group"
    seed: int = 0
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        recipes.recipe(self.recipe, self.model)
        recipes.profile(self.profile, self.model)
        recipes.check(self.source, sources.SOURCES, "source")
        recipes.check(self.split, splits.SPLITS, "split")

    @classmethod
    def of(cls, **parameters) -> "RunConfig":
        """Build from flat parameters; a name that is none of the fields raises a UserError."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(parameters) - known):
            raise UserError(f"unknown parameter {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        return cls(**parameters)

    @property
    def name(self) -> str:
        """A folder name that says what the run is."""
        source = f"{self.source}_{Path(self.data).resolve().name}" if self.data else self.source
        parts = [self.model, self.recipe, self.profile, source, self.split, f"seed{self.seed}"]
        return "-".join(parts + ["mixed"] * self.mixed_precision)
