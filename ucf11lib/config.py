"""What one training is asked to be."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

from ucf11lib import recipes
from ucf11lib.data import sources, splits
from ucf11lib.data.store import ClipStore
from ucf11lib.errors import UserError


@dataclass(frozen=True)
class RunConfig:
    """What a training is asked to be; its fields are the command line's options and the notebooks' parameters.

    Attributes:
        model: `c3d`, `vgg9` or `cnn_lstm`.
        recipe: `2019`, `repaired`, or one of `recipes.PEERS`.
        profile: `smoke`, `quick` or `full`.
        source: `synthetic`, `course`, `ucf11` or `videos`.
        data: the folder that the source reads; empty for `synthetic`.
        split: `random`, `video`, `group` or `logo`.
        fold: which group index `logo` holds out, one of `splits.folds`; empty for the other splits.
        seed: of the split, the weights, the order, the augmentation and the dropout.
        settings: changes of the recipe and profile, such as `init=normal,learning_rate=0.01`.
        health: watch the training and stop one that cannot learn (`ucf11lib.health`).
        deterministic: only operations whose result does not depend on the order in which threads add; from then on in
            the whole process. TensorFlow: "note that determinism in general comes at the expense of lower performance"
            (https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_op_determinism).
        mixed_precision: compute in float16 on GPUs, bfloat16 elsewhere, where that is safe; weights stay float32.
    """

    model: str
    recipe: str = "repaired"
    profile: str = "quick"
    source: str = "synthetic"
    data: str = ""
    split: str = "group"
    fold: str = ""
    seed: int = 0
    settings: str = ""
    health: bool = True
    mixed_precision: bool = False
    deterministic: bool = False

    def __post_init__(self) -> None:
        self.resolved()
        recipes.check(self.source, sources.SOURCES, "source")
        recipes.check(self.split, (*splits.SPLITS, splits.LOGO), "split")
        if self.split == splits.LOGO and not self.fold:
            raise UserError("split logo holds one group index out: say which with --fold, or run all with crossval")
        if self.fold and self.split != splits.LOGO:
            raise UserError(f"fold {self.fold!r} goes with split logo, not with split {self.split}")

    @classmethod
    def of(cls, **parameters) -> "RunConfig":
        """Build from flat parameters; a name that is none of the fields raises a UserError."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(parameters) - known):
            raise UserError(f"unknown parameter {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        return cls(**parameters)

    def resolved(self) -> tuple[recipes.Recipe, recipes.Profile]:
        """Return the recipe and the profile with the settings in them.

        Raises:
            UserError: an unknown name, field or value.
        """
        both = recipes.recipe(self.recipe, self.model), recipes.profile(self.profile, self.model)
        pairs = dict(item.partition("=")[::2] for item in self.settings.split(",") if item)
        known = {field.name for values in both for field in fields(values)} - {"name"}
        if unknown := sorted(set(pairs) - known):
            raise UserError(f"unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        recipe, profile = (recipes.adjusted(values, pairs) for values in both)
        return recipe, profile

    def having(self, *settings: str) -> "RunConfig":
        """Return the same with further settings, such as `init=normal`; a later one of a field counts."""
        return replace(self, settings=",".join(filter(None, [self.settings, *settings])))

    def parts(self, store: ClipStore) -> splits.Split:
        """Divide a store's sequences as this run does.

        Raises:
            UserError: a store that cannot be divided so, or does not have the fold.
        """
        if self.split == splits.LOGO:
            return splits.leave_out(store, self.fold)
        return splits.split(store, self.split, self.seed)

    @property
    def name(self) -> str:
        """A folder name that says what the run is."""
        source = f"{self.source}_{Path(self.data).resolve().name}" if self.data else self.source
        recipe = "+".join([self.recipe, *filter(None, self.settings.split(","))])
        split = "_".join(filter(None, [self.split, self.fold]))
        parts = [self.model, recipe, self.profile, source, split, f"seed{self.seed}"]
        marks = {"unwatched": not self.health, "mixed": self.mixed_precision, "deterministic": self.deterministic}
        return "-".join(parts + [mark for mark, holds in marks.items() if holds])
