"""A YAML file becomes a study.

    base:                     # what all runs have: flat parameters, see `RunConfig.of`
      model: c3d
      profile: smoke
    grid:                     # a parameter each with the values to try; every combination is a run
      learning_rate: [0.001, 0.01]
      init: [normal, he]

Values are read as the command line reads them, not as YAML would: recipe 2019 is no number, and
fold 07 is not 7.
"""

import hashlib
import math
import reprlib
from dataclasses import replace
from pathlib import Path

import msgspec
import pandas as pd
import yaml
from matplotlib.figure import Figure

from ucf11lib import figures
from ucf11lib.errors import UserError
from ucf11lib.runs import RunConfig
from ucf11lib.runs.parsing import check_utf8, convert
from ucf11lib.studies.study import Axis, Study, over

MAX_BYTES = 1 << 20
MAX_RUNS = 10_000
MAX_KEYS = 100  # a configuration has fewer fields
REMEDY = "write 'base:' with field: value, and 'grid:' with field: [value, value]"


class Grid(msgspec.Struct, forbid_unknown_fields=True):
    """The form of the file: texts under `base`, lists of texts under `grid`."""

    grid: dict[str, list[str]]
    base: dict[str, str] = {}


class _Loader(yaml.BaseLoader):
    """Leaves values text, and refuses repeated keys."""

    def construct_mapping(self, node, deep=False):
        keys = [str(key.value) for key, _ in node.value]
        if len(keys) > MAX_KEYS:
            raise UserError(f"{len(keys)} keys, more than {MAX_KEYS}; leave some out")
        if repeated := [key for i, key in enumerate(keys) if key in keys[:i]]:
            raise UserError(f"key {repeated[0]!r} is repeated; leave one out")
        return super().construct_mapping(node, deep)


def load_yaml(file: Path | str) -> Study:
    """Return the study of a YAML file; its name has a digest of its configurations.

    A `UserError` names file, key and value of what is no grid, too large or no setting of a run.
    """
    path = Path(file)
    check_utf8(str(path), "rename the file")
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            raise UserError("cannot be read; give a YAML file of at most 1 MiB")
        content = yaml.load(path.read_text(), _Loader)
        _check_lists(content)
        study = _study(convert(content, Grid, "the grid", REMEDY), path.stem)
        digests = sorted(config.digest for config in study.points())  # of absolute folders
        name = f"{path.stem}-{hashlib.sha256(''.join(digests).encode()).hexdigest()[:8]}"
        study = replace(study, name=name)
    except PermissionError:
        raise UserError(f"{file}: not readable; allow it with chmod") from None
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"{file}: {' '.join(str(error).split())[:200]}; {REMEDY}") from None
    return study


def _check_lists(content: object) -> None:
    """Raise a `UserError` for a value under `grid` that is no list of texts."""
    grid = content.get("grid") if isinstance(content, dict) else None
    for key, values in grid.items() if isinstance(grid, dict) else ():
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            raise UserError(f"grid: {key}: {reprlib.repr(values)}: no list of values; {REMEDY}")


def _study(grid: Grid, name: str) -> Study:
    if not grid.grid or not all(grid.grid.values()):
        raise UserError(f"no values under grid; {REMEDY}")
    if both := sorted(set(grid.base) & set(grid.grid)):
        raise UserError(f"{both[0]} is in base and in grid; leave one out")
    if (runs := math.prod(map(len, grid.grid.values()))) > MAX_RUNS:
        raise UserError(f"{runs} runs: more than {MAX_RUNS}; make the grid smaller")
    axes: dict[str, Axis] = {key: over(key, values) for key, values in grid.grid.items()}
    start = RunConfig.of(**grid.base | {key: values[0] for key, values in grid.grid.items()})
    first = next(iter(axes))  # so that fields of the base are set again after another model's own
    axes[first] = {value: grid.base | {first: value} for value in grid.grid[first]}
    metrics = ("accuracy", "seconds")
    question = f"How accurate is each combination of {', '.join(axes)}?"
    return Study(name, question, start, axes, (), metrics, figure=_draw)


def _draw(table: pd.DataFrame, note: str) -> Figure | None:
    """Return a heat map over two axes, dots over one; None for more or fewer."""
    columns = table.drop(columns=["run", "status", "accuracy", "seconds"])
    axes = [name for name in columns if columns[name].nunique() > 1]
    table = table.dropna(subset=["accuracy"]).astype(dict.fromkeys(axes, str))
    if len(axes) == 2:
        return figures.heat_map(table, rows=axes[0], columns=axes[1], note=note)
    if len(axes) != 1:
        return None
    table[axes[0]] = f"{axes[0].replace('_', ' ')} " + table[axes[0]]  # dots have no name for it
    return figures.dots(table, condition=axes[0], note=note)
