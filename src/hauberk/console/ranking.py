"""Which incidents a queue shows: the index beside the cases, filtered, a page at a time."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import polars as pl

from .cases import State

PAGE = 50
"""Incidents a page."""

OPEN, ALL = "open", "all"
ANYBODY, ME, NOBODY = "any", "me", "nobody"
LEAST = (0, 1, 10, 50, 90)
"""Least probabilities to choose from, per cent."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a queue is asked for."""

    state: str = OPEN
    who: str = ANYBODY
    least: int = 0
    text: str = ""
    below: bool = False  # also incidents below the budget
    page: int = 1

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parts that are not as usual, without the page, as of an address."""
        usual = asdict(Filter())
        return {
            name: "1" if value is True else str(value)
            for name, value in asdict(self).items()
            if value != usual[name] and name != "page"
        }


@dataclass(frozen=True, slots=True)
class Meter:
    """The budget: incidents within it, how many were decided, and what lies below it."""

    within: int
    decided: int
    below: int
    cost: float  # incidents expected below the budget


@dataclass(frozen=True, slots=True)
class Queue:
    """A page of a queue; `rows` are of INDEX_SCHEMA and CASE_SCHEMA together."""

    rows: list[dict[str, object]]
    found: int
    pages: int
    page: int
    meter: Meter


def queue(index: pl.DataFrame, cases: pl.DataFrame, wanted: Filter, me: str) -> Queue:
    """The page that was asked for, most probable first."""
    joined = index.join(cases, on="uid", how="left", maintain_order="left").with_columns(
        pl.col("state").fill_null(State.NEW.value),
        pl.col("assignee", "verdict").fill_null(""),
    )
    chosen = joined.filter(_wanted(wanted, me))
    pages = max(1, -(-chosen.height // PAGE))
    page = min(max(1, wanted.page), pages)
    rows = chosen.slice((page - 1) * PAGE, PAGE).drop("text").to_dicts()
    return Queue(rows, chosen.height, pages, page, _meter(joined))


def _wanted(wanted: Filter, me: str) -> pl.Expr:
    kept = pl.lit(value=True)
    if wanted.state == OPEN:
        kept &= pl.col("state") != State.CLOSED.value
    elif wanted.state in set(State):
        kept &= pl.col("state") == wanted.state
    if wanted.who == ME:
        kept &= pl.col("assignee") == me
    elif wanted.who == NOBODY:
        kept &= pl.col("assignee") == ""
    elif wanted.who != ANYBODY:
        kept &= pl.col("assignee") == wanted.who
    if wanted.least:
        kept &= pl.col("probability") >= wanted.least / 100
    for word in wanted.text.lower().split()[:8]:
        kept &= pl.col("text").str.contains(word, literal=True)
    return kept if wanted.below else kept & pl.col("above_budget")


def _meter(joined: pl.DataFrame) -> Meter:
    above = pl.col("above_budget")
    sums = joined.select(
        within=above.sum(),
        decided=(above & (pl.col("state") == State.CLOSED.value)).sum(),
        below=(~above).sum(),
        cost=pl.col("probability").filter(~above).sum(),
    ).row(0, named=True)
    return Meter(int(sums["within"]), int(sums["decided"]), int(sums["below"]), float(sums["cost"]))
