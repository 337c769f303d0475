"""One training, from a `RunConfig` to a finished run folder."""

# ruff: noqa: F401 - names for outsiders
from ucf11lib.training.job import finished_run, print_result, train, train_or_load
from ucf11lib.training.trainer import Trainer
from ucf11lib.training.workers import make_strategy, worker_of
