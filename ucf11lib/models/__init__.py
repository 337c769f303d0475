"""The networks. `build(name, recipe)` is the entry point; `load(run)` opens a trained one."""

# ruff: noqa: F401 - names for outsiders
from ucf11lib.models.registry import NETWORKS, build, check_model, load
