"""Events of a relation into tiles: one row is the first event of a pair in a scope in an hour."""

import polars as pl

from hauberk.events import EventBatch

from .memory import Memory
from .relation import Relation

HOUR_US = 3_600_000_000
_KEYS = ("scope", "context", "object")


def tiles(batch: EventBatch, relation: Relation, memory: Memory) -> pl.DataFrame:
    """New tiles, in the order of their first event.

    One row is one tile: the relation's columns of its first event, `time`, `metadata.uid`, `hour`,
    the three names, and `technique` (null where the relation gives none).

    Hours never go back within a batch: an event that comes late counts in the hour that is open.
    Tiles that are open in `memory` are not new.
    """
    wanted = dict.fromkeys(("time", "metadata.uid", *relation.columns))
    raw = batch.events(relation.event_class, wanted)
    raw = raw.filter(pl.col("time").is_not_null() & relation.where)
    hours = raw["time"].dt.timestamp("us") // HOUR_US
    clock = memory.moment("hour")
    # What begins more than a day before the clock is older data, judged at its own time.
    older = bool(len(hours)) and int(hours[0]) < clock - 24
    raw = raw.with_columns(hours.cum_max().clip(lower_bound=None if older else clock).alias("hour"))
    # Raw values repeat far more than events differ: names are made once a distinct row.
    names = [name for name in relation.columns if name not in {"time", "metadata.uid"}]
    distinct = raw.unique(["hour", *names], keep="first", maintain_order=True)
    rows = relation.read(distinct).drop_nulls(_KEYS)
    if "technique" not in rows.columns:
        rows = rows.with_columns(pl.lit(None, pl.String).alias("technique"))
    rows = rows.unique(["hour", *_KEYS], keep="first", maintain_order=True)
    seen = memory.open.with_columns(pl.lit(memory.moment("hour"), pl.Int64).alias("hour"))
    return rows.join(seen, on=["hour", *_KEYS], how="anti", maintain_order="left")


def opened(rows: pl.DataFrame, memory: Memory) -> tuple[int, pl.DataFrame]:
    """The hour that is open after `rows`, and its tiles."""
    if rows.is_empty():
        return memory.moment("hour"), memory.open
    hour = int(rows["hour"][-1])
    fresh = rows.filter(pl.col("hour") == hour).select(_KEYS)
    earlier = memory.open if hour == memory.moment("hour") else memory.open.clear()
    return hour, pl.concat([earlier, fresh])
