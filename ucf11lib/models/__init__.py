"""The networks. `build(name, recipe)` is the entry point; `load(run)` opens a trained one."""

from ucf11lib.models.registry import NETWORKS, build, check_model, load

__all__ = ["NETWORKS", "build", "check_model", "load"]
