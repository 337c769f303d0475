"""A YAML file -> a grid of runs -> a table and a figure of what each reached.

    base:                     # what all runs have: fields of a run (`config.RunConfig`), a recipe or a profile
      model: c3d
      profile: smoke
    grid:                     # a field each with the values to try; every combination is a run
      learning_rate: [0.001, 0.01]
      init: [normal, he]

Values are read as the command line reads them, not as YAML would: recipe 2019 is no number, and fold 07 is not 7.
"""

import hashlib
import itertools
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
import yaml
from tqdm import tqdm

from ucf11lib import paths, recipes, sweep
from ucf11lib.config import RunConfig
from ucf11lib.errors import UserError

SETTINGS = {field.name for kind in (recipes.Recipe, recipes.Profile) for field in fields(kind)} - {"name"}
TYPES = typing.get_type_hints(RunConfig)


@dataclass(frozen=True)
class Grid:
    """Runs over a grid.

    Attributes:
        axes: the values, as text, of each field that is tried.
        points: the value of each axis, a run each.
        configs: the runs, in the order of `points`.
    """

    axes: dict[str, list[str]]
    points: list[dict[str, str]]
    configs: list[RunConfig]


def read(file: Path | str) -> Grid:
    """Read a grid.

    Raises:
        UserError: a file that is none, or a field or value that no run has; the line names file, key and value.
    """
    try:
        base, axes = _parts(_load(file))
        points = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
        return Grid(axes, points, [_config(base | point) for point in points])
    except UserError as error:
        raise UserError(f"{file}: {error}") from None


class _Loader(yaml.BaseLoader):
    """Leaves all values text, and refuses a key that stands twice, of which YAML would drop the first."""

    def construct_mapping(self, node, deep=False):
        """Return the mapping; raise where a key stands twice."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [key for i, key in enumerate(keys) if key in keys[:i]]:
            raise UserError(f"line {node.start_mark.line + 1}: key {twice[0]!r} stands twice; leave one away")
        return super().construct_mapping(node, deep)


def _load(file: Path | str) -> object:
    try:
        return yaml.load(Path(file).read_text(), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be read ({error.__class__.__name__}); give a YAML file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise UserError(f"{where}{getattr(error, 'problem', None) or 'not YAML'}; see 'sweep --help'") from None


def _parts(found: object) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the fixed fields and the axes, whose names and forms are right."""
    if not isinstance(found, dict) or not found.get("grid"):
        raise UserError("no grid; write 'grid:', and under it fields with a list of values each")
    if more := sorted(set(found) - {"base", "grid"}):
        raise UserError(f"unknown key {', '.join(more)}; known are base, grid")
    base, axes = found.get("base") or {}, found["grid"]
    for part, values in (("base", base), ("grid", axes)):
        if not isinstance(values, dict):
            raise UserError(f"{part}: {values!r} is not a list of fields; write 'field: value'")
        if unknown := sorted(map(str, set(values) - set(TYPES) - SETTINGS)):
            raise UserError(f"{part}: unknown field {', '.join(unknown)}; known are "
                            f"{', '.join(sorted(set(TYPES) | SETTINGS))}")  # fmt: skip
    if both := sorted(set(base) & set(axes)):
        raise UserError(f"{both[0]} is in base and in grid; leave one away")
    for key, values in axes.items():
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            raise UserError(f"grid: {key}: {values!r} is not a list of values; write '{key}: [one, another]'")
    if wrong := [key for key, value in base.items() if not isinstance(value, str)]:
        raise UserError(f"base: {wrong[0]}: {base[wrong[0]]!r} is not one value; lists stand under grid")
    return base, axes


def _config(values: Mapping[str, str]) -> RunConfig:
    """Return the run that has these values, given as text."""
    own = {key: recipes.read(key, text, TYPES[key]) for key, text in values.items() if key in TYPES}
    if "model" not in own:
        raise UserError(f"no model; write 'model: c3d' under base (known are {', '.join(recipes.MODELS)})")
    others = {key: text for key, text in values.items() if key in SETTINGS}
    for key, text in others.items():
        if not text or set(text) & set(",="):
            raise UserError(f"{key}: {text!r} is not one value of a setting")
    settings = [own.pop("settings", ""), *(f"{key}={text}" for key, text in others.items())]
    return RunConfig.of(**own, settings=",".join(filter(None, settings)))


def table(grid: Grid, outcomes: Sequence[sweep.Outcome]) -> pd.DataFrame:
    """Return a row a run: its values on the axes, accuracy, seconds (both NaN if it failed), status and run."""
    rows = []
    for point, outcome in zip(grid.points, outcomes, strict=True):
        metrics = outcome.run.metrics if outcome.run else {}
        found = {key: metrics.get(key, float("nan")) for key in ("accuracy", "seconds")}
        rows.append(point | found | {"status": outcome.status, "run": outcome.config.name})
    return pd.DataFrame(rows)


def run(
    file: Path | str, *, workers: int | None = None, scheduler: str = "", say: Callable[[str], None] = tqdm.write
) -> Path:
    """Do all runs of a grid and leave `table.csv`, `table.json` and, for one or two axes, `accuracy.svg`.

    Args:
        file: the grid, as at the head of this module.
        workers, scheduler, say: as for `sweep.run_all`.

    Returns:
        The folder of the table, under `runs/`: the file's name and a hash of the runs.

    Raises:
        UserError: as `read` and `sweep.run_all`.
        RunFailed: a run did not succeed; the table says which.
    """
    grid = read(file)
    outcomes = sweep.run_all(grid.configs, workers=workers, scheduler=scheduler, say=say)
    digest = hashlib.sha256("\n".join(config.name for config in grid.configs).encode()).hexdigest()[:8]
    folder, found = paths.runs_dir() / f"sweep-{Path(file).stem}-{digest}", table(grid, outcomes)
    with paths.whole_file(folder / "table.csv") as temporary:
        found.to_csv(temporary, index=False)
    with paths.whole_file(folder / "table.json") as temporary:
        temporary.write_text(found.to_json(orient="records", indent=1) + "\n")
    say(found.drop(columns="run").to_string(index=False, float_format="{:.3f}".format))
    say(_draw(grid, found, outcomes, folder))
    say(f"table: {paths.shown(folder)}")
    sweep.check(outcomes)
    return folder


def _draw(grid: Grid, found: pd.DataFrame, outcomes: Sequence[sweep.Outcome], folder: Path) -> str:
    """Save the figure, if there can be one; return the line that says which."""
    from ucf11lib import figures_sweep, style

    axes = {key: values for key, values in grid.axes.items() if len(values) > 1}
    if len(axes) not in (1, 2):
        return f"no figure: it takes one or two fields with several values, and there are {len(axes)}"
    known = [outcome.run for outcome in outcomes if outcome.run]
    if not known:
        return "no figure: no run finished"
    shared = {key: known[0].config[key] for key in ("model", "split", "recipe", "profile", "seed") if key not in axes}
    note = ", ".join([known[0].config["data_kind"], *(f"{key} {value}" for key, value in shared.items())])
    draw = figures_sweep.heat_map if len(axes) == 2 else figures_sweep.line
    return f"figure: {paths.shown(style.save(draw(found, axes, note=note), folder / 'accuracy.svg'))}"
