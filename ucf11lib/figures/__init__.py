"""Numbers in, a matplotlib `Figure`, a `Motion` or a widget out; never trains, never reads a file.

Each takes arrays and tables, and a `note` on the data, which it draws, so that it stays with them.
"""
# ruff: noqa: F401

from ucf11lib.figures.autopsy import gradients, lattice, signal
from ucf11lib.figures.controls import confidence_slider, epoch_slider, gap_slider, picker
from ucf11lib.figures.frames import examples, film_strips, saliency
from ucf11lib.figures.models import conditions, confusion, history, reliability
from ucf11lib.figures.motion import play
from ucf11lib.figures.overlay import overlay
from ucf11lib.figures.structure import source, structure
from ucf11lib.figures.studies import dots, heat_map, lines, scatter
from ucf11lib.figures.style import save, saver
