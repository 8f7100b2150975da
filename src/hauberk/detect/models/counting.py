"""What models did, added up over batches, and the daily limit of findings held.

Models that judge records as they are parsed keep no state: they leave tallies and findings with
each commit. This adds them up after it, once, and tells what the day's limit lets through.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import FINDING_SCHEMA, EventBatch, FindingKind, no_findings
from hauberk.models import INPUTS, QUERIES, TALLY, add_up, add_up_queries, held, tally

from .panel import Panel, Seat
from .saying import at_once, is_limited, of_seat

TALLY_TABLE, INPUTS_TABLE, QUERIES_TABLE = "tally", "inputs", "queries"
"""Tables that a detector leaves or keeps, and that watching reads."""

SAID, TOLD = "said", "told"

_TOLD = pl.Schema({"digest": pl.String(), "day": pl.Date(), "told": pl.Int64()})
KEPT_DAYS = 400
"""Days of tallies and of told counts that are kept, the latest."""

QUERY_DAYS = 14
"""Days of which it is kept who had a model judge what."""


def left(
    panel: Panel,
    found: pl.DataFrame,
    tallies: Sequence[pl.DataFrame],
    inputs: Sequence[pl.DataFrame],
    queries: Sequence[pl.DataFrame],
) -> tuple[pl.DataFrame, State]:
    """Findings that may be told at once, and the tables to leave with the batch."""
    waiting = [of_seat(found, seat) for seat in panel.seats if is_limited(seat)]
    tables = {
        TALLY_TABLE: pl.concat([pl.DataFrame(schema=TALLY), *tallies]),
        INPUTS_TABLE: pl.concat([pl.DataFrame(schema=INPUTS), *inputs]),
        QUERIES_TABLE: pl.concat([pl.DataFrame(schema=QUERIES), *queries]),
        SAID: pl.concat([found.clear(), *waiting]),
    }
    kept = {name: table for name, table in tables.items() if table.height}
    return at_once(panel, found), kept


def held_to_day(seat: Seat, findings: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Findings of one seat after the daily limit; `told` is what it told before (_TOLD)."""
    own = told.filter(pl.col("digest") == seat.loaded.digest)
    before: dict[date, int] = dict(own.select("day", "told").iter_rows())
    return held(seat.loaded, findings, before)


def with_told(told: pl.DataFrame, seat: Seat, findings: pl.DataFrame) -> pl.DataFrame:
    """The counts after these findings of one seat were told."""
    more = (
        findings.filter(pl.col("kind") == FindingKind.MODEL)
        .group_by(pl.col("time").dt.date().alias("day"))
        .agg(pl.len().cast(pl.Int64).alias("told"))
        .with_columns(pl.lit(seat.loaded.digest).alias("digest"))
        .select(_TOLD.names())
    )
    return (
        pl.concat([told, more])
        .group_by("digest", "day")
        .agg(pl.col("told").sum())
        .sort("digest", "day")
        .tail(KEPT_DAYS * 4)
    )


def silenced(seat: Seat, findings: pl.DataFrame) -> pl.DataFrame:
    """TALLY rows that say how many flagged records a limit withheld, and nothing else.

    A finding that is said again with more is counted again.
    """
    withheld = findings.filter(pl.col("kind") == FindingKind.SUPPRESSED)
    if not withheld.height:
        return pl.DataFrame(schema=TALLY)
    days = withheld.select(
        pl.col("time").dt.date().repeat_by("count").explode().alias("day"),
        pl.lit(0.5).alias("p_value"),
        pl.lit(value=True).alias("flagged"),
        pl.lit(value=True).alias("silenced"),
    )
    counted = tally(seat.loaded.digest, seat.loaded.stage, days)
    nothing = pl.col("p_bins").list.eval(pl.element() * 0)
    return counted.with_columns(
        pl.lit(0, pl.Int64).alias("judged"), pl.lit(0, pl.Int64).alias("flagged"), nothing
    )


def told_of(state: State) -> pl.DataFrame:
    """What was told before, by model and day."""
    return state.get(TOLD, pl.DataFrame(schema=_TOLD))


def added(
    state: State,
    tallies: Iterable[pl.DataFrame],
    inputs: Iterable[pl.DataFrame],
    queries: Iterable[pl.DataFrame],
) -> State:
    """The state's tallies, inputs and queries with more."""
    total = pl.concat([state.get(TALLY_TABLE, pl.DataFrame(schema=TALLY)), *tallies])
    seen = pl.concat([state.get(INPUTS_TABLE, pl.DataFrame(schema=INPUTS)), *inputs])
    asked = pl.concat([pl.DataFrame(schema=QUERIES), *queries])
    empty = pl.DataFrame(schema=TALLY), pl.DataFrame(schema=INPUTS)
    return {
        **state,
        TALLY_TABLE: _latest(add_up(empty[0], total)),
        INPUTS_TABLE: _latest(add_up(empty[1], seen)),
        QUERIES_TABLE: _latest(
            add_up_queries(state.get(QUERIES_TABLE, asked.clear()), asked), QUERY_DAYS
        ),
    }


def _latest(counts: pl.DataFrame, most: int = KEPT_DAYS) -> pl.DataFrame:
    days = counts["day"].unique().sort(descending=True).head(most)
    return counts.filter(pl.col("day").is_in(days.implode()))


@dataclass(slots=True)
class CountingDetector:
    """Adds up what the detector `source` left, and tells its limited findings."""

    spec: DetectorSpec
    source: str
    panel: Panel

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:  # noqa: ARG002
        """Nothing: it judges no events."""
        return no_findings(), state

    def count(
        self,
        tallies: Iterable[pl.DataFrame],
        inputs: Iterable[pl.DataFrame],
        waiting: Iterable[pl.DataFrame],
        state: State,
        queries: Iterable[pl.DataFrame] = (),
    ) -> tuple[pl.DataFrame, State]:
        """Findings that the limits let through or withhold for good, and the counts after."""
        findings = pl.concat([pl.DataFrame(schema=FINDING_SCHEMA), *waiting]).unique(
            "uid", keep="last", maintain_order=True
        )
        told, made, quiet = told_of(state), [no_findings()], []
        for seat in self.panel.seats:
            if is_limited(seat):
                answered = held_to_day(seat, of_seat(findings, seat), told)
                told = with_told(told, seat, answered)
                quiet.append(silenced(seat, answered))
                made.append(answered)
        after = added(state, [*tallies, *quiet], inputs, queries)
        return pl.concat(made), {**after, TOLD: told}
