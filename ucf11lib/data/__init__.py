"""A source of clips becomes a store, a split, and batches."""

# ruff: noqa: F401 - names for outsiders
from ucf11lib.data.sources import open_or_prepare
from ucf11lib.data.splits import Split, first_of_each_class, leak_table, split
from ucf11lib.data.store import ClipStore
