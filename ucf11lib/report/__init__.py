"""Run folders and study results become the report; the notebooks run in order."""

# ruff: noqa: F401 - names for outsiders
from ucf11lib.report.build import build
from ucf11lib.report.explorer import explore
from ucf11lib.report.reproduce import reproduce
from ucf11lib.report.site import build_site
