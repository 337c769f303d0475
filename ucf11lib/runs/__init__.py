"""What a run is asked to be (recipes, configuration), and the folder that it leaves."""

# ruff: noqa: F401 - names for outsiders
from ucf11lib.runs.config import RunConfig
from ucf11lib.runs.folder import Run
from ucf11lib.runs.listing import common_note, list_runs, metrics_table, runs_table
from ucf11lib.runs.recipes import REPORTED, named_recipe, recipe_changes
