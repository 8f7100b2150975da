"""Watching models at work: tallies while they judge, measures over tallies, events of measures."""

from .distances import adwin_cut, ks_distance
from .measures import (
    DRIFT,
    Measure,
    Reference,
    label_measures,
    reference_of,
    work_measures,
)
from .queries import QUERIES, add_up_queries, query_measures, tally_queries
from .tallies import INPUTS, TALLY, add_up, no_tallies, rates, tally, tally_inputs
from .verdicts import VERDICT, Verdicts, read_verdicts
from .watch import Seen, Watched, is_open, watch_models

__all__ = [
    "DRIFT",
    "INPUTS",
    "QUERIES",
    "TALLY",
    "VERDICT",
    "Measure",
    "Reference",
    "Seen",
    "Verdicts",
    "Watched",
    "add_up",
    "add_up_queries",
    "adwin_cut",
    "is_open",
    "ks_distance",
    "label_measures",
    "no_tallies",
    "query_measures",
    "rates",
    "read_verdicts",
    "reference_of",
    "tally",
    "tally_inputs",
    "tally_queries",
    "watch_models",
    "work_measures",
]
