"""What all detectors counted of their models: the material of watching."""

from dataclasses import dataclass

import polars as pl

from hauberk.models import INPUTS, QUERIES, TALLY, Watched, add_up, add_up_queries, watch_models
from hauberk.store import Home

from .assembling import COUNTED
from .counting import INPUTS_TABLE, QUERIES_TABLE, TALLY_TABLE


@dataclass(frozen=True, slots=True)
class Observed:
    """TALLY, INPUTS and QUERIES over all detectors of a home."""

    tallies: pl.DataFrame
    inputs: pl.DataFrame
    queries: pl.DataFrame


def observed(home: Home) -> Observed:
    """What the detectors of a home counted of their models."""
    tallies, inputs = pl.DataFrame(schema=TALLY), pl.DataFrame(schema=INPUTS)
    queries = pl.DataFrame(schema=QUERIES)
    for name in COUNTED:
        state = home.records.state(name)
        tallies = add_up(tallies, state.get(TALLY_TABLE, tallies.clear()))
        inputs = add_up(inputs, state.get(INPUTS_TABLE, inputs.clear()))
        queries = add_up_queries(queries, state.get(QUERIES_TABLE, queries.clear()))
    return Observed(tallies, inputs, queries)


def watched(home: Home) -> list[Watched]:
    """Measure the models at work in a home by what their detectors counted."""
    found = observed(home)
    return watch_models(home, found.tallies, found.inputs, found.queries)
