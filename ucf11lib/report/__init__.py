"""Run folders and study results become the report; the notebooks run in order."""

from ucf11lib.report.build import build
from ucf11lib.report.explorer import explore
from ucf11lib.report.reproduce import reproduce

__all__ = ["build", "explore", "reproduce"]
