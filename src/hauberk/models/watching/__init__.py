"""Watching models at work: tallies while they judge, measures over tallies, events of measures."""

from .distances import adwin_cut, ks_distance
from .measures import (
    DRIFT,
    Measure,
    Reference,
    extraction_measures,
    label_measures,
    reference_of,
    work_measures,
)
from .tallies import INPUTS, TALLY, add_up, no_tallies, rates, tally, tally_inputs
from .watch import Watched, watch_models

__all__ = [
    "DRIFT",
    "INPUTS",
    "TALLY",
    "Measure",
    "Reference",
    "Watched",
    "add_up",
    "adwin_cut",
    "extraction_measures",
    "ks_distance",
    "label_measures",
    "no_tallies",
    "rates",
    "reference_of",
    "tally",
    "tally_inputs",
    "watch_models",
    "work_measures",
]
