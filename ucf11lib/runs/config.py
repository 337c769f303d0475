"""What one training is asked to be: nested, frozen, resolved once.

`RunConfig.of(**flat)` is the only reader of flat parameters (notebooks, command line, YAML).
"""

import hashlib
import json
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ucf11lib.errors import UserError
from ucf11lib.runs.parsing import field_types, read_text
from ucf11lib.runs.recipes import Profile, Recipe, named_profile, named_recipe
from ucf11lib.runs.specs import DataSpec, Seed, SplitSpec, data_spec, split_spec


@dataclass(frozen=True)
class RunConfig:
    """One training: a `model` of `ucf11lib.models.NETWORKS`, and how, how long and on what.

    `seed` is of the split, the weights, the order, the augmentation and the dropout. `precision` is
    the type of the matrix products and convolutions (`float16` with loss scaling); weights,
    normalisation, logits and loss stay float32. `health` stops a training that cannot learn
    (`ucf11lib.training.health`). `deterministic` allows only operations whose result does not
    depend on the order in which threads add, from then on in the whole process; slower
    (https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_op_determinism).
    """

    model: str
    recipe: Recipe
    profile: Profile
    data: DataSpec = field(default_factory=DataSpec)
    split: SplitSpec = field(default_factory=SplitSpec)
    seed: Seed = 0
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    health: bool = True
    deterministic: bool = False

    @classmethod
    def of(cls, **flat: Any) -> "RunConfig":
        """Build from flat parameters, whose values may be text.

        They are `model`, `recipe`, `profile`, `source`, `data` (the folder), `split`, `fold`,
        `inner`, `seed`, `precision`, `health`, `deterministic`, and any field of `Recipe`,
        `Profile` or `DataSpec`. Raises `UserError` on unknown names, on values that a field cannot
        have, and on parameters that do not fit each other.
        """
        check_flat_names(flat)
        if "model" not in flat:
            raise UserError("no model given; choose one such as c3d, vgg9 or cnn_lstm")
        model = str(flat["model"])
        recipe = named_recipe(str(flat.get("recipe", "repaired")), model)
        profile = named_profile(str(flat.get("profile", "quick")), model)
        own = {name: read_text(name, flat[name], _RUN[name]) for name in _RUN if name in flat}
        parts = (recipe, profile, data_spec(profile.name, flat))
        return cls(model, *(_with_fields(part, flat) for part in parts), split_spec(flat), **own)

    def with_(self, **flat: Any) -> "RunConfig":
        """Return the same with other flat parameters; a new recipe or profile keeps `overrides`."""
        return RunConfig.of(**(self.flat() | flat))

    def flat(self) -> dict[str, Any]:
        """Return the fewest flat parameters that build this configuration again."""
        flat = {"model": self.model, "recipe": self.recipe.name, "profile": self.profile.name}
        flat |= {"source": self.data.source, "data": self.data.folder}
        flat |= {"split": self.split.kind, "seed": self.seed}
        rare = [(self.split, name) for name in ("fold", "inner")]
        rare += [(self, name) for name in ("precision", "health", "deterministic")]
        for part, name in rare:
            if getattr(part, name) != getattr(type(part), name):  # the field's default
                flat[name] = getattr(part, name)
        return flat | self.overrides

    @property
    def overrides(self) -> dict[str, Any]:
        """The fields in which recipe, profile and data differ from the named ones."""
        flat = {"source": self.data.source, "data": self.data.folder}
        pairs = (
            (named_recipe(self.recipe.name, self.model), self.recipe),
            (named_profile(self.profile.name, self.model), self.profile),
            (data_spec(self.profile.name, flat), self.data),
        )
        changed = {}
        for default, actual in pairs:
            before, after = asdict(default), asdict(actual)
            changed |= {key: after[key] for key in after if after[key] != before[key]}
        return changed

    def as_dict(self) -> dict[str, Any]:
        """Return what `config.json` says of this configuration."""
        return asdict(self)

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that no other configuration has."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]

    @property
    def name(self) -> str:
        """A folder name that says what the run is, with the digest where that is not all."""
        source = self.data.source
        if self.data.folder:
            folder = re.sub(r"[^\w.-]", "_", Path(self.data.folder).name, flags=re.ASCII)
            source = f"{source}_{folder[:40]}"
        split = "_".join(filter(None, [self.split.kind, self.split.fold]))
        parts = [self.model, self.recipe.name, self.profile.name, source, split, f"seed{self.seed}"]
        marks = {
            "inner": self.split.inner,
            "unwatched": not self.health,
            self.precision: self.precision != "float32",
            "deterministic": self.deterministic,
            self.digest: bool(self.overrides or self.data.folder),
        }
        return "-".join(parts + [mark for mark, holds in marks.items() if holds])


def check_flat_names(flat: Mapping[str, object]) -> None:
    """Raise a `UserError` that lists the known names if `flat` has an unknown one."""
    known = {*_NAMED, *_RUN, *(name for types in _FIELDS.values() for name in types)}
    if unknown := sorted(set(flat) - known):
        names = ", ".join(unknown)
        raise UserError(f"unknown parameter {names}; known are {', '.join(sorted(known))}")


def _with_fields(values: Any, flat: Mapping[str, Any]) -> Any:
    """Return a dataclass with those of `flat` that are fields of it."""
    types = _FIELDS[type(values)]
    given = {name: read_text(name, flat[name], types[name]) for name in types if name in flat}
    return type(values)(**(asdict(values) | given))


_NAMED = ("model", "recipe", "profile", "source", "data", "split", "fold", "inner")
_RESOLVED = ("name", "source", "folder")  # the fields that `_NAMED` decide
_OWN = ("seed", "precision", "health", "deterministic")
_RUN = {name: field_types(RunConfig)[name] for name in _OWN}
_FIELDS = {
    kind: {name: of for name, of in field_types(kind).items() if name not in _RESOLVED}
    for kind in (Recipe, Profile, DataSpec)
}


def parse_settings(items: Iterable[str], reserved: Container[str] = ()) -> dict[str, str]:
    """Return flat parameters written as "learning_rate=0.001", of which a later one counts.

    Raises `UserError` on what is not FIELD=VALUE, and on names that are `reserved` for options.
    """
    settings = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or name in reserved:
            remedy = "write FIELD=VALUE, a field of recipe, profile or data"
            raise UserError(f"setting {item!r}: {remedy}")
        settings[name.strip()] = value.strip()
    return settings
