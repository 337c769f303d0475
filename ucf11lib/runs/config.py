"""What one training is asked to be: nested, frozen, resolved once.

`RunConfig.of(**flat)` is the only reader of flat parameters (notebooks, command line, YAML).
"""

import hashlib
import json
import re
import typing
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from ucf11lib.errors import UserError
from ucf11lib.runs.environment import fastest_precision
from ucf11lib.runs.parsing import read_text
from ucf11lib.runs.recipes import Profile, Recipe, named_profile, named_recipe
from ucf11lib.runs.specs import DataSpec, Seed, SplitSpec, data_spec, split_spec

AUTO = "auto"  # of precision


def _plain(name: str) -> str:
    """Return a name, or its beginning, as a part of a folder's name."""
    return re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)[:40]


@dataclass(frozen=True)
class RunConfig:
    """One training: a network, and how, how long and on what it is trained."""

    model: str  # of `ucf11lib.models.NETWORKS`
    recipe: Recipe
    profile: Profile
    data: DataSpec = field(default_factory=DataSpec)
    split: SplitSpec = field(default_factory=SplitSpec)
    seed: Seed = 0  # of the split, the weights, the order, the augmentation and the dropout
    # The type of the matrix products and convolutions (`float16` with loss scaling); weights,
    # normalisation, logits and loss stay float32.
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    health: bool = True  # stop a training that cannot learn, see `ucf11lib.training.health`
    # Only operations whose result does not depend on the order in which threads add, from then on
    # in the whole process; slower
    # (https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_op_determinism).
    deterministic: bool = False

    @classmethod
    def of(cls, **flat: Any) -> "RunConfig":
        """Build from flat parameters, whose values may be text.

        They are `model`, `recipe`, `profile`, `source`, `data` (the folder), `split`, `fold`,
        `inner`, `seed`, `precision`, `health`, `deterministic`, and any field of `Recipe`,
        `Profile` or `DataSpec`. Precision `auto`, the default, becomes this machine's
        `environment.fastest_precision`. Raises `UserError` on unknown names, on values that a field
        cannot have, and on parameters that do not fit each other.
        """
        known = {*NAMED, *_TYPES}
        if unknown := set(flat) - known:
            names = ", ".join(name or "''" for name in sorted(unknown))
            raise UserError(f"unknown parameter {names}; known are {', '.join(sorted(known))}")
        if "model" not in flat:
            raise UserError("no model given; choose one such as c3d, vgg9 or cnn_lstm")
        model = str(flat["model"])
        recipe = named_recipe(str(flat.get("recipe", "repaired")), model)
        profile = named_profile(str(flat.get("profile", "quick")), model)
        parts = (recipe, profile, data_spec(profile.name, flat), split_spec(flat))
        if auto := flat.get("precision", AUTO) == AUTO:
            flat.pop("precision", None)
        given = {name: read_text(name, flat[name], _TYPES[name]) for name in _TYPES if name in flat}
        if auto:  # after what may be refused: it starts TensorFlow
            given["precision"] = fastest_precision()
        return _with_fields(cls(model, *(_with_fields(part, given) for part in parts)), given)

    def with_(self, **flat: Any) -> "RunConfig":
        """Return the same with other flat parameters; a new recipe or profile keeps `overrides`."""
        return RunConfig.of(**(self.flat() | flat))

    def flat(self) -> dict[str, Any]:
        """Return flat parameters that build this configuration again, without default fields."""
        flat: dict[str, Any] = {"model": self.model, "recipe": self.recipe.name}
        flat |= {"profile": self.profile.name, "source": self.data.source, "data": self.data.folder}
        flat |= {"split": self.split.kind, "seed": self.seed, "precision": self.precision}
        if self.split.fold:
            flat["fold"] = self.split.fold
        default, own = RunConfig.of(**flat)._fields(), self._fields()
        return flat | {name: own[name] for name in own if own[name] != default[name]}

    def _fields(self) -> dict[str, Any]:
        """Return the value of each field in `_TYPES`."""
        parts = (self.recipe, self.profile, self.data, self.split, self)
        # Not of `vars`, which lacks what an older file does not tell.
        values = {one.name: getattr(part, one.name) for part in parts for one in fields(part)}
        return {name: values[name] for name in _TYPES}

    @property
    def overrides(self) -> dict[str, Any]:
        """The fields in which recipe, profile and data differ from the named ones."""
        named = (*NAMED, *_OF_THE_RUN)
        return {name: value for name, value in self.flat().items() if name not in named}

    def as_dict(self) -> dict[str, Any]:
        """Return what `config.json` says of this configuration."""
        return asdict(self)

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that tell this configuration from others."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """A folder name that says what the run is, with the digest where that is not all."""
        source = "_".join(filter(None, [self.data.source, _plain(Path(self.data.folder).name)]))
        split = "_".join(filter(None, [self.split.kind, _plain(self.split.fold)]))
        parts = [self.model, self.recipe.name, self.profile.name, source, split, f"seed{self.seed}"]
        marks = {
            "inner": self.split.inner,
            "unwatched": not self.health,
            self.precision: self.precision != "float32",
            "deterministic": self.deterministic,
            self.digest: bool(self.overrides or self.data.folder),
        }
        return "-".join(parts + [mark for mark, holds in marks.items() if holds])


def _with_fields(part: Any, given: Mapping[str, Any]) -> Any:
    """Return a dataclass with those of the given values that are fields of it."""
    return replace(part, **{name: given[name] for name in vars(part) if name in given})


NAMED = ("model", "recipe", "profile", "source", "data", "split", "fold")
_OF_THE_RUN = ("inner", "seed", "precision", "health", "deterministic")
_TYPES = {  # of the fields that a flat parameter of the same name sets
    name: kind
    for part in (Recipe, Profile, DataSpec, SplitSpec, RunConfig)
    for name, kind in typing.get_type_hints(part, include_extras=True).items()
    if name not in (*NAMED, "name", "folder", "kind")
}
_TYPES["precision"] = Literal[AUTO, "float32", "bfloat16", "float16"]


def parse_settings(items: Iterable[str], reserved: Container[str] = ()) -> dict[str, str]:
    """Return flat parameters written as "learning_rate=0.001", of which a later one counts.

    Raises `UserError` on what is not FIELD=VALUE, and on names that are `reserved` for options.
    """
    settings = {}
    for item in items:
        name, equals, value = map(str.strip, item.partition("="))
        if not equals or name in reserved:
            remedy = "write FIELD=VALUE, a field of recipe, profile or data,"
            remedy += " not one that an option or --store sets"
            raise UserError(f"setting {item!r}: {remedy}")
        settings[name] = value
    return settings
