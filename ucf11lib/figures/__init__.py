"""Numbers in, a matplotlib `Figure` out; never trains, never reads a file, never calls show().

Each takes plain arrays and tables, and a `note` on the data, "synthetic data, group split, seed 0",
which it draws into the figure, so that the two are never separated.
"""
# ruff: noqa: F401

from ucf11lib.figures.frames import examples, film_strips, saliency
from ucf11lib.figures.models import conditions, confusion, history, reliability
from ucf11lib.figures.overlay import overlay
from ucf11lib.figures.structure import structure
from ucf11lib.figures.studies import dots, gradients, heat_map, lattice, lines, scatter, signal
from ucf11lib.figures.style import save, saver
