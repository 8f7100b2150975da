"""Which incidents a queue shows: the index beside the cases, filtered, a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import polars as pl

from .cases import GROWN_BITS, GROWN_FINDINGS, State

PAGE = 50
"""Incidents a page."""

OPEN, ALL, GROWN = "open", "all", "grown since its verdict"
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
    """The page that was asked for, most probable first; each row says whether it has `grown`."""
    joined = _joined(index, cases)
    chosen = joined.filter(_wanted(wanted, me))
    pages = max(1, -(-chosen.height // PAGE))
    page = min(max(1, wanted.page), pages)
    rows = chosen.slice((page - 1) * PAGE, PAGE).drop(_UNSEEN).to_dicts()
    return Queue(rows, chosen.height, pages, page, _meter(joined))


def rows_of(
    index: pl.DataFrame, cases: pl.DataFrame, uids: Sequence[str]
) -> dict[str, dict[str, object]]:
    """Some incidents as a queue shows them, by uid."""
    found = _joined(index.filter(pl.col("uid").is_in(list(uids))), cases).drop(_UNSEEN)
    return {row["uid"]: row for row in found.iter_rows(named=True)}


def _joined(index: pl.DataFrame, cases: pl.DataFrame) -> pl.DataFrame:
    return (
        index.join(cases, on="uid", how="left", maintain_order="left")
        .with_columns(
            pl.col("state").fill_null(State.NEW.value),
            pl.col("assignee", "verdict").fill_null(""),
            pl.col("judged_findings").fill_null(0),
            pl.col("judged_odds").fill_null(0.0),
        )
        .with_columns(_grown().alias("grown"))
    )


_UNSEEN = ("text", "techniques", "analytics", "supersedes", "judged_findings", "judged_odds")


def _grown() -> pl.Expr:
    """`Case.has_grown`, by column."""
    kept = pl.col("probability").clip(1e-15, 1 - 1e-15)
    odds = (kept / (1 - kept)).log(2)
    before = pl.col("judged_findings")
    more = pl.col("findings") - before
    many = (more >= GROWN_FINDINGS) & (more >= before)
    closed = (pl.col("state") == State.CLOSED.value) & (before > 0)
    return closed & (many | (odds - pl.col("judged_odds") >= GROWN_BITS))


def _wanted(wanted: Filter, me: str) -> pl.Expr:
    kept = pl.lit(value=True)
    if wanted.state == OPEN:
        kept &= (pl.col("state") != State.CLOSED.value) | pl.col("grown")
    elif wanted.state == GROWN:
        kept &= pl.col("grown")
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
        decided=(above & (pl.col("state") == State.CLOSED.value) & ~pl.col("grown")).sum(),
        below=(~above).sum(),
        cost=pl.col("probability").filter(~above).sum(),
    ).row(0, named=True)
    return Meter(int(sums["within"]), int(sums["decided"]), int(sums["below"]), float(sums["cost"]))
