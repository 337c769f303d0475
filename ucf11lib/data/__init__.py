"""A source of clips becomes a store, a split, and batches."""

from ucf11lib.data.course.source import export
from ucf11lib.data.sources import open_or_prepare
from ucf11lib.data.splits import Split, first_of_each_class, leak_table, split
from ucf11lib.data.store import ClipStore
from ucf11lib.data.videos import archive

__all__ = [
    "ClipStore",
    "Split",
    "archive",
    "export",
    "first_of_each_class",
    "leak_table",
    "open_or_prepare",
    "split",
]
