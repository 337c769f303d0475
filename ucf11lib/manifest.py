"""What `reproduce` has finished: what each step was made from, and what it left.

An output is a file or a folder of runs/, figures/, notebooks/ or report/, named so wherever it stands: in the working
folder, or in its place.
"""

import hashlib
import json
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from ucf11lib import paths, runs
from ucf11lib.data.store import ClipStore

KINDS = ("runs", "figures", "notebooks", "report")


def plan(parameters: Mapping[str, str], store: ClipStore) -> dict[str, str]:
    """Return what all steps are made from: parameters, data, library and packages; a change of one changes all."""
    lines = (paths.ROOT / "requirements.txt").read_text().splitlines()
    packages = {name: version(name) for name, _, _ in (line.partition("==") for line in lines)}
    return {
        "parameters": json.dumps(parameters),
        "data": json.dumps(store.info["sha256"]),
        "library": digest((paths.ROOT / "ucf11lib").rglob("*.py")),
        "packages": json.dumps({"python": platform.python_version(), **packages}),
    }


def digest(found: Iterable[Path], *values: object) -> str:
    """Return a hash of files and folders (names and contents of all that is not hidden) and of further values."""
    known = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for path in sorted(found):
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            name = file.relative_to(path.parent)
            if file.is_file() and not any(part.startswith(".") for part in name.parts):
                with file.open("rb") as opened:
                    known.update(f"{name} {hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
    return known.hexdigest()


@dataclass
class Manifest:
    """The finished steps of one plan.

    Attributes:
        plan: what all were made from.
        steps: by name: what it was made from beside the plan, a hash an output, and, of a
            notebook, where its seconds went (`notebooks.execute`).
    """

    plan: dict[str, str]
    steps: dict[str, dict] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path, plan: dict[str, str]) -> tuple["Manifest", list[str]]:
        """Return the steps of this plan that `file` knows, and in what its own plan differs, if it has one."""
        kept = runs.read_json(file) or {"plan": plan, "steps": {}}
        changed = [key for key in plan if kept["plan"].get(key) != plan[key]]
        return cls(plan, {} if changed else kept["steps"]), changed

    def write(self, file: Path) -> None:
        """Write the steps to `file`, whole or not at all."""
        runs.write_json(file, {"plan": self.plan, "steps": self.steps})

    def outputs(self, *kinds: str, before: str = "~") -> dict[str, str]:
        """Return the hash of each output of these kinds, of the steps before that name."""
        found = [kept["outputs"] for step, kept in self.steps.items() if step < before]
        return {name: value for kept in found for name, value in sorted(kept.items()) if name.split("/")[0] in kinds}

    def holds(self, step: str, made_from: str, where: Callable[[str], Path]) -> bool:
        """Return whether the step was made from just this, and its outputs stand as it left them."""
        kept = self.steps.get(step)
        return (
            kept is not None
            and kept["made_from"] == made_from
            and set(kept["outputs"]) == set(standing(kept["outputs"], where))
        )


def standing(outputs: Mapping[str, str], where: Callable[[str], Path]) -> list[str]:
    """Return the outputs that stand as their hashes say."""
    return [name for name, value in outputs.items() if digest([where(name)]) == value]


def seconds(file: Path) -> pd.DataFrame:
    """Return where the seconds of the notebooks went, as `notebooks.execute` tells them apart, a notebook a row."""
    steps = (runs.read_json(file) or {"steps": {}})["steps"]
    found = {step: kept["seconds"] for step, kept in sorted(steps.items()) if kept.get("seconds")}
    return pd.DataFrame.from_dict(found, orient="index")
