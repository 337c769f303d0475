"""Experiments as data: what is run, one table, one figure."""

# ruff: noqa: F401 - names for outsiders
from ucf11lib.studies.catalogue import STUDIES, check, draw, run_studies, why_stale
from ucf11lib.studies.folds import crossval
from ucf11lib.studies.overfit import check_overfit, overfit
from ucf11lib.studies.results import Results, load, summary_table
from ucf11lib.studies.speed import bench
from ucf11lib.studies.study import Study
from ucf11lib.training import finished_run
