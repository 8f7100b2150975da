"""Bursts: failures of one key that belong together.

Keys are an account from a source, a source, and an account. A burst ends after an hour of silence
and at the end of the day (UTC), so that every burst is bounded. It is named by its key and the time
of its first failure.

The walk is NumPy over rows sorted by key: windows of a data frame were ten times slower here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

GAP_US = 3_600_000_000
DAY_US = 24 * GAP_US

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_NEVER = -(1 << 60)


def burst_schema(keys: Sequence[str], *more: str) -> pl.Schema:
    """Columns of a table of bursts: the keys, `start`, `last`, `count`, and further counts."""
    names = dict.fromkeys(keys, pl.String())
    return pl.Schema({**names, **dict.fromkeys(("start", "last", "count", *more), pl.Int64())})


@dataclass(frozen=True, slots=True)
class Walk:
    """Attempts sorted by key, and the burst that each is in or, where it succeeded, comes after.

    `key`: each row's key, in the order of the rows. `order` sorts by it and keeps
    the order in time; all other arrays are in that order.
    `since`: where in it the counting of a row's burst begins; `carried`: whether the burst began
    before these rows; `live`: whether there is a burst at all; `start`: when it began.
    """

    key: Ints
    order: Ints
    since: Ints
    carried: Flags
    live: Flags
    start: Ints

    def placed(self, values: Ints) -> Ints:
        """Values in the order of the walk, put back in the order of the rows."""
        back = np.empty_like(values)
        back[self.order] = values
        return back

    def counts(self, counted: Flags, before: Ints) -> Ints:
        """How many rows of its burst are `counted` up to each row (0 outside of bursts).

        Both in the order of the rows; `before`: the count with which a carried burst came.
        """
        flags = counted[self.order].astype(np.int64)
        running = np.cumsum(flags)
        total = running - (running[self.since] - flags[self.since])
        total += np.where(self.carried, before[self.order], 0)
        back = np.empty_like(total)
        back[self.order] = np.where(self.live, total, 0)
        return back


def codes(rows: pl.DataFrame, keys: Sequence[str]) -> Ints:
    """A number for each distinct key."""
    hashed = rows.select(pl.struct(keys).hash())
    return np.unique(hashed.to_series().to_numpy(), return_inverse=True)[1].astype(np.int64)


def joined(rows: pl.DataFrame, table: pl.DataFrame, keys: Sequence[str]) -> dict[str, Ints]:
    """The columns of `table` for each row's key; a time long ago where it has none."""
    found = rows.select(keys).join(table, on=list(keys), how="left", maintain_order="left")
    return {
        name: found[name].fill_null(_NEVER).to_numpy() for name in table.columns if name not in keys
    }


def walk(key: Ints, us: Ints, fail: Flags, before: dict[str, Ints]) -> Walk:
    """Walk attempts in time order; `before`: `start` and `last` of each row's key before them."""
    order = np.argsort(key, kind="stable").astype(np.int64)
    here = np.arange(len(order), dtype=np.int64)
    keys, times, failed = key[order], us[order], fail[order]
    head = np.maximum.accumulate(np.where(np.diff(keys, prepend=-1) != 0, here, 0))
    failure = np.maximum.accumulate(np.where(failed, here, -1))
    previous = np.concatenate(([-1], failure))[: len(order)].astype(np.int64)
    within = previous >= head
    last = np.where(within, times[previous], before["last"][order])
    apart = (np.abs(times - last) > GAP_US) | (times // DAY_US != last // DAY_US)
    begun = np.maximum.accumulate(np.where(failed & apart, here, -1))
    carried = begun < head
    since = np.where(carried, head, begun)
    start = np.where(carried, before["start"][order], times[since])
    return Walk(key, order, since, carried, failed | ~apart, start)


def latest(
    table: pl.DataFrame, rows: pl.DataFrame, keys: Sequence[str], limit: int
) -> pl.DataFrame:
    """The table after the rows: the last row of each key wins, the bursts of days past leave.

    `rows` in time order, failures only, with the table's columns. No burst outlives its day, so
    leaving those out changes nothing; beyond `limit`, the oldest leave.
    """
    if rows.is_empty():
        return table
    today = int(rows["last"][-1]) // DAY_US
    both = pl.concat([table, rows.select(table.columns)]).filter(pl.col("last") // DAY_US == today)
    kept = both.unique(list(keys), keep="last")
    return kept if kept.height <= limit else kept.sort("last", *keys).tail(limit)


def is_power_of_two(column: str) -> pl.Expr:
    """Whether a count is 1, 2, 4, 8, ..."""
    value = pl.col(column)
    return (value > 0) & ((value & (value - 1)) == 0)


def is_level(column: str, least: int = 8) -> pl.Expr:
    """Whether a count is one at which a campaign is told: 8, 64, 512, ..."""
    levels = [least * 8**step for step in range(12)]
    return pl.col(column).is_in(levels)
