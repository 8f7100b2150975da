"""One correlation carried on from one instant of event time to a later one.

A match opens at the first row where the condition holds; rows that hold no later than the timespan
after that belong to it. A condition that more events can undo (`lt`, `lte`, `eq`, `neq`, `not`) is
judged once a window, when it is over; windows then begin at the first row that is in none.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from hauberk.events import TIME

from .hits import FIELD
from .measures import measured, passes
from .rule import Correlation
from .windows import Flags, Ints, anchors, sliding, starts

SECOND = 1_000_000
"""Microseconds; all times of this package are whole microseconds since 1970 (UTC)."""

MAX_SAID = 50
"""Event ids that a match keeps for those who read it."""

ROW_SCHEMA = pl.Schema(
    {
        "child": pl.String(),  # uid of the rule or correlation that the correlation names
        "base": pl.String(),  # uid of the rule that fired on the event
        "time": TIME,
        "since": TIME,  # of the first event that it rests on
        "uid": pl.String(),
        "entities": pl.List(pl.String()),
        "counts": pl.Boolean(),  # false for what only goes on with a match that was counted
        "events": pl.Int64(),
        "evidence": pl.List(pl.String()),
    }
)
"""What a correlation reads: hits of rules and matches of other correlations alike, and fields."""

GROUPED = pl.Schema({"group": pl.String(), "keys": pl.List(pl.String()), "value": pl.String()})
OPEN_SCHEMA = pl.Schema({"group": pl.String(), "anchor": TIME, "anchor_uid": pl.String()})
"""Matches that may still grow: one a group."""


def no_rows() -> pl.DataFrame:
    """A frame of rows without any."""
    return pl.DataFrame(schema={**ROW_SCHEMA, **GROUPED})


@dataclass(frozen=True, slots=True)
class Step:
    """What a step made.

    `matches`: a row a match that is new or has grown: group, keys, anchor, anchor_uid, first, last
    (rows of `rows`), measure. `told`: what the match is to correlations that read this one
    (ROW_SCHEMA and fields). `held` and `opened` are the memory after the step.
    """

    rows: pl.DataFrame
    matches: pl.DataFrame
    told: pl.DataFrame
    held: pl.DataFrame
    opened: pl.DataFrame


def grouped(one: Correlation, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with their group and value; those that lack a field to group by are left out."""
    keys = [_field(one, name, rows) for name in one.group_by]
    values = [_field(one, name, rows) for name in one.fields]
    folded = [key.str.to_lowercase() for key in keys]
    value = pl.concat_str(values, separator="\x1f") if values else pl.lit(None, pl.String)
    if one.kind == "value_count":
        value = value.str.to_lowercase()
    return rows.with_columns(
        (pl.concat_str(folded, separator="\x1f") if keys else pl.lit("")).alias("group"),
        (pl.concat_list(keys) if keys else pl.lit([], pl.List(pl.String))).alias("keys"),
        value.alias("value"),
    ).filter(pl.col("group").is_not_null())


def _field(one: Correlation, name: str, rows: pl.DataFrame) -> pl.Expr:
    """A field of each row, under the name that an alias gives it for the row's rule."""

    def column(field: str) -> pl.Expr:
        known = FIELD + field in rows.columns
        return pl.col(FIELD + field) if known else pl.lit(None, pl.String)

    found = column(name)
    for rule, field in one.aliases.get(name, {}).items():
        mine = (pl.col("child") == rule) | (pl.col("base") == rule)
        found = pl.when(mine).then(column(field)).otherwise(found)
    return found


def step(
    one: Correlation,
    held: pl.DataFrame,
    opened: pl.DataFrame,
    fresh: pl.DataFrame,
    until: int,
    *,
    tells: bool = True,
) -> Step:
    """Carry a correlation on to `until`: every row before it has come, none of it or after.

    `fresh` are grouped rows that were not there before; `held` and `opened` its memory. Without
    `tells` no other correlation reads it, and `told` has no rows.
    """
    places = {rule: place for place, rule in reversed(list(enumerate(one.rules)))}
    rows = (
        pl.concat(
            [
                held.with_columns(pl.lit(value=False).alias("fresh")),
                fresh.with_columns(pl.lit(value=True).alias("fresh")),
            ],
            how="diagonal",
        )
        .with_columns(pl.col("child").replace_strict(places, return_dtype=pl.Int64).alias("place"))
        .sort("group", "time", "place", "uid")
        .with_columns((pl.col("group").rle_id().cast(pl.Int64)).alias("group_number"))
    )
    if one.judges_whole_windows:
        return _whole(one, rows, until)
    return _sliding(one, rows, opened, until, tells=tells)


def _micros(rows: pl.DataFrame, name: str = "time") -> Ints:
    return rows[name].dt.epoch("us").to_numpy().astype(np.int64)


def _sliding(
    one: Correlation, rows: pl.DataFrame, opened: pl.DataFrame, until: int, *, tells: bool
) -> Step:
    span = one.timespan * SECOND
    times, groups = _micros(rows), rows["group_number"].to_numpy()
    windows = sliding(groups, times, span)
    measure = measured(one, rows, windows.first, windows.after)
    holds = passes(one, measure)
    rows = rows.join(opened, on="group", how="left", maintain_order="left")
    since = rows["anchor"].dt.epoch("us").fill_null(_NEVER).to_numpy().astype(np.int64)
    candidates = np.flatnonzero(holds & rows["fresh"].to_numpy()).astype(np.int64)
    goes_on = times[candidates] <= since[candidates] + span
    begins = _beginning(groups, times, candidates[~goes_on], span)
    # The row at which each candidate's match was opened; of one opened by an earlier step, that
    # row is still held, or the group's first stands for it where it was forgotten.
    origin = np.full(rows.height, -1, np.int64)
    origin[begins] = begins
    origins = np.maximum.accumulate(origin)[candidates] if rows.height else candidates
    origins[goes_on] = _opening_rows(rows, groups)[groups[candidates[goes_on]]]
    matches = _matches(rows, origins, candidates, goes_on)
    best = np.where(holds, measure, -np.inf)
    spans = matches.select("origin", "last").iter_rows()
    matches = matches.with_columns(
        pl.Series("measure", [best[a : b + 1].max() for a, b in spans], pl.Float64),
        pl.Series("first", windows.first[matches["origin"].to_numpy()], pl.Int64),
    )
    still = _still_open(matches, opened, until - span)
    return Step(
        rows,
        matches,
        _told(one, rows, matches, candidates, origins) if tells else no_rows(),
        _kept(rows, still, until - span, span),
        still,
    )


_NEVER = -(1 << 61)


def _beginning(groups: Ints, times: Ints, candidates: Ints, span: int) -> Ints:
    """Of the rows that hold, those that open a match: none before reaches them."""
    if not len(candidates):
        return candidates
    numbers = np.unique(groups[candidates], return_inverse=True)[1].astype(np.int64)
    return candidates[anchors(numbers, sliding(numbers, times[candidates], span).after)]


def _opening_rows(rows: pl.DataFrame, groups: Ints) -> Ints:
    """For each group, the row that opened its open match, or its first row."""
    found = starts(groups)
    opening = rows.select(
        (pl.col("time") == pl.col("anchor")) & (pl.col("uid") == pl.col("anchor_uid"))
    ).to_series()
    at = np.flatnonzero(opening.fill_null(value=False).to_numpy())[::-1]
    found[groups[at]] = at
    return found


def _matches(rows: pl.DataFrame, origins: Ints, candidates: Ints, goes_on: Flags) -> pl.DataFrame:
    """One row a match that any candidate belongs to, under the anchor that it was opened with."""
    frame = (
        pl.DataFrame({"origin": origins, "last": candidates, "goes_on": goes_on})
        .group_by("origin")
        .agg(pl.col("last").max(), pl.col("goes_on").any())
        .sort("origin")
    )
    begun = rows.select("group", "keys", "time", "uid", "anchor", "anchor_uid")[
        frame["origin"].to_numpy()
    ]
    on = frame["goes_on"]
    return frame.select("origin", "last").with_columns(
        begun["group"],
        begun["keys"],
        begun["anchor"].zip_with(on, begun["time"]).alias("anchor"),
        begun["anchor_uid"].zip_with(on, begun["uid"]).alias("anchor_uid"),
    )


def _still_open(matches: pl.DataFrame, opened: pl.DataFrame, since: int) -> pl.DataFrame:
    """The newest match of each group that a later row may still belong to."""
    names = OPEN_SCHEMA.names()
    newest = pl.concat([opened.select(names), matches.select(names)])
    newest = newest.sort("group", "anchor", maintain_order=True).unique(
        "group", keep="last", maintain_order=True
    )
    return newest.filter(pl.col("anchor").dt.epoch("us") >= since)


def _kept(rows: pl.DataFrame, opened: pl.DataFrame, since: int, span: int) -> pl.DataFrame:
    """Rows that a later window or an open match may still hold."""
    anchors_ = opened.select("group", pl.col("anchor").dt.epoch("us").alias("opened_at"))
    joined = rows.join(anchors_, on="group", how="left", maintain_order="left")
    micros = pl.col("time").dt.epoch("us")
    mine = joined.filter((micros >= since) | (micros >= pl.col("opened_at") - span))
    return _plain(mine)


def _plain(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows without the columns that a step adds."""
    added = {"fresh", "place", "group_number", "anchor", "anchor_uid", "opened_at"}
    return rows.drop(added & set(rows.columns))


def _told(
    one: Correlation, rows: pl.DataFrame, matches: pl.DataFrame, candidates: Ints, origins: Ints
) -> pl.DataFrame:
    """Each row that holds, to correlations that read this one; only a match's first counts."""
    told = _plain(rows[candidates]).drop(*GROUPED.names())
    opening = origins == candidates
    # What a match is to others is settled when it opens: its window as it was then.
    opened = matches.filter(pl.col("origin").is_in(candidates[opening].tolist()))
    window = said(rows, opened.with_columns(pl.col("origin").alias("last")))
    return _as_matches(one, told, pl.Series(opening), window)


def _as_matches(
    one: Correlation, told: pl.DataFrame, counts: pl.Series, window: pl.DataFrame
) -> pl.DataFrame:
    """Rows as an outer correlation reads them, `window` (evidence, events) for those that count."""
    if not told.height:
        return told
    numbered = told.with_columns(
        pl.lit(one.uid).alias("child"),
        counts.alias("counts"),
        pl.when(counts).then(counts.cum_sum() - 1).cast(pl.UInt32).alias("match"),
    )
    whole = window.select("evidence", "events", "begin").with_row_index("match")
    joined = numbered.join(whole, on="match", how="left", suffix="_all", maintain_order="left")
    return joined.with_columns(
        pl.coalesce("events_all", pl.lit(1, pl.Int64)).alias("events"),
        pl.coalesce("begin", "time").alias("since"),
        pl.coalesce("evidence_all", pl.concat_list("uid")).alias("evidence"),
    ).drop("match", "events_all", "evidence_all", "begin")


def said(rows: pl.DataFrame, matches: pl.DataFrame) -> pl.DataFrame:
    """What each match rests on: evidence, events, entities, tallies, begin, end; in their order.

    Evidence is the first events of each rule, at most MAX_SAID of them; `tallies` are rules (as the
    correlation names them) with the number of their occurrences.
    """
    lengths = (matches["last"] - matches["first"] + 1).to_numpy()
    total = int(lengths.sum())
    ends = np.cumsum(lengths)
    offsets = np.arange(total) - np.repeat(ends - lengths, lengths)
    at = np.repeat(matches["first"].to_numpy(), lengths) + offsets
    spread = rows.select(
        "child", "place", "time", "since", "entities", "counts", "events", "evidence"
    )[at].with_columns(pl.Series("match", np.repeat(np.arange(len(lengths)), lengths)))
    sums = (
        spread.group_by("match", maintain_order=True)
        .agg(
            pl.col("events").sum(),
            pl.col("since").min().alias("begin"),
            pl.col("time").max().alias("end"),
        )
        .sort("match")
    )
    tallies = (
        spread.filter("counts")
        .group_by("match", "place", "child")
        .agg(pl.len().cast(pl.Int64).alias("times"))
        .sort("match", "place")
        .group_by("match", maintain_order=True)
        .agg(pl.struct("child", "times").alias("tallies"))
    )
    joined: pl.DataFrame = sums.join(tallies, on="match", how="left", maintain_order="left")
    for part in (_evidence(spread), _entities(spread)):
        joined = joined.join(part, on="match", how="left", maintain_order="left")
    return joined


def _evidence(spread: pl.DataFrame) -> pl.DataFrame:
    """Events of each match, of every rule some: first each rule's first, then its second ..."""
    return (
        spread.select("match", "place", "time", "evidence")
        .explode("evidence")
        .unique(["match", "evidence"], keep="first", maintain_order=True)
        .with_row_index("order")
        .with_columns(pl.int_range(pl.len()).over("match", "place").alias("turn"))
        .sort("match", "turn", "order")
        .group_by("match", maintain_order=True)
        .agg(pl.col("evidence", "order").head(MAX_SAID))
        .with_columns(
            pl.col("evidence").list.gather(pl.col("order").list.eval(pl.element().arg_sort()))
        )
        .select("match", "evidence")
    )


def _entities(spread: pl.DataFrame) -> pl.DataFrame:
    """Entities of each match's events: hosts and users first, the most frequent of each first."""
    return (
        spread.select("match", "entities")
        .explode("entities")
        .drop_nulls()
        .group_by("match", "entities")
        .agg(pl.len().cast(pl.Int64).alias("times"))
        .with_columns(
            pl.col("entities")
            .str.extract("^([a-z_]+):")
            .replace_strict({"host": 0, "user": 1}, default=2, return_dtype=pl.Int64)
            .alias("rank")
        )
        .sort("match", "rank", pl.col("times").neg(), "entities")
        .group_by("match", maintain_order=True)
        .agg(pl.col("entities").head(MAX_ENTITIES))
    )


MAX_ENTITIES = 16
"""Entities that a match names."""


def _whole(one: Correlation, rows: pl.DataFrame, until: int) -> Step:
    span = one.timespan * SECOND
    times, groups = _micros(rows), rows["group_number"].to_numpy()
    begins = anchors(groups, sliding(groups, times, span).after) if rows.height else groups[:0]
    number = np.zeros(rows.height, np.int64)
    number[begins] = 1
    number = np.cumsum(number) - 1
    lasts = np.concatenate((begins[1:], [rows.height])) - 1 if rows.height else begins
    over = times[begins] + span < until
    rows = rows.with_columns(pl.Series("group_number", number))
    closed = begins[over], lasts[over]
    measure = measured(one, rows, begins[number], (lasts + 1)[number]) if rows.height else None
    holds = passes(one, measure)[closed[1]] if measure is not None else closed[0].astype(bool)
    first, last = closed[0][holds], closed[1][holds]
    opening = rows[first]
    matches = pl.DataFrame(
        {
            "origin": pl.Series(first, dtype=pl.Int64),
            "last": pl.Series(last, dtype=pl.Int64),
            "group": opening["group"],
            "keys": opening["keys"],
            "anchor": opening["time"],
            "anchor_uid": opening["uid"],
            "measure": pl.Series(measure[last] if measure is not None else [], dtype=pl.Float64),
            "first": pl.Series(first, dtype=pl.Int64),
        }
    )
    told = _plain(rows[last]).drop(*GROUPED.names())
    told = told.with_columns((opening["time"].dt.epoch("us") + span).cast(TIME).alias("time"))
    told = _as_matches(
        one, told, pl.Series([True] * len(last), dtype=pl.Boolean), said(rows, matches)
    )
    kept = rows.filter(pl.Series(~over[number] if rows.height else [], dtype=pl.Boolean))
    return Step(rows, matches, told, _plain(kept), pl.DataFrame(schema=OPEN_SCHEMA))
