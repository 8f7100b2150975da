"""Tallies: how many events, and how many distinct targets, a key has met in a window so far.

One kernel under scans, guessing, floods, generated names and tunnels. A key is any text (`a|b`), a
window is a whole number that never goes back (a day, an hour). Every row is given the counts *up to
and with itself*, so that a finding is due at the row that reaches a level, whatever batch it is in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from hauberk.detect.interface import State
from hauberk.events import MAX_EVIDENCE

EPOCH = 1 << 17
"""Rows between two evictions; they follow the ordinal of the row, never the batch."""

MAX_KEYS = 100_000
MAX_TARGETS = 400_000
MAX_TARGETS_OF_ONE = 4_096
"""Keys, their targets in all, and targets of one key that survive an eviction. Keys with most
targets stay, then those with most events."""

SHOWN = 20
"""First rows of a key that its findings show."""


@dataclass(frozen=True, slots=True)
class Tally:
    """A measure: its name in the state, and the whole-number columns that it sums."""

    name: str
    sums: tuple[str, ...] = ()

    def count(
        self, rows: pl.DataFrame, state: State
    ) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
        """The rows with their counts, and the tables after them.

        `rows` in time order with `key`, `window`, `target`, `us`, `uid` and the columns of `sums`.
        Adds `count`, `distinct`, `new` (first time that the key meets the target), `since` (us of
        the key's first row), `shown` (evidence: the key's first uids), and `sum_X` for each X.
        """
        tables = self._load(state)
        done = int(tables["clock"]["rows"][0])
        parts: list[pl.DataFrame] = []
        begin = 0
        while begin < rows.height or not parts:
            length = EPOCH - (done + begin) % EPOCH
            part, tables = self._part(rows.slice(begin, length), tables)
            parts.append(part)
            begin += length
            if begin <= rows.height:
                tables = self._evicted(tables)
        tables["clock"] = tables["clock"].with_columns(pl.lit(done + rows.height).alias("rows"))
        after = {f"{self.name}.{table}": frame for table, frame in tables.items()}
        return pl.concat(parts), after

    def evidence(self, due: pl.DataFrame, rows: pl.DataFrame, state: State) -> dict[str, list[str]]:
        """Uids that stand for each due row (by its own uid): the key's first ones, and itself.

        `rows`: the counted rows; `state`: the state *before* them.
        """
        firsts = pl.concat(
            [
                self._load(state)["firsts"].select(
                    "key", "window", pl.col("first").alias("uid"), "number"
                ),
                rows.filter(pl.col("new") & (pl.col("distinct") <= SHOWN)).select(
                    "key", "window", "uid", pl.col("distinct").alias("number")
                ),
            ]
        )
        shown = (
            due.select("key", "window", pl.col("uid").alias("of"), "distinct")
            .join(firsts, on=["key", "window"], how="left")
            .filter(pl.col("number") <= pl.col("distinct"))
            .sort("number")
            .group_by("of", maintain_order=True)
            .agg("uid")
        )
        found: dict[str, list[str]] = {of: list(uids) for of, uids in shown.iter_rows()}
        return {
            uid: list(dict.fromkeys([*found.get(uid, [])[: MAX_EVIDENCE - 1], uid]))
            for uid in due["uid"]
        }

    def _schemas(self) -> dict[str, pl.Schema]:
        count = pl.Int64()
        summed = {f"sum_{name}": count for name in self.sums}
        return {
            "keys": pl.Schema(
                {"key": pl.String(), "window": count, "count": count, "distinct": count,
                 "since": count, **summed}
            ),
            "targets": pl.Schema({"key": pl.String(), "target": pl.String(), "window": count}),
            "firsts": pl.Schema(
                {"key": pl.String(), "window": count, "first": pl.String(), "number": count}
            ),
            "clock": pl.Schema({"rows": count, "window": count}),
        }  # fmt: skip

    def _load(self, state: State) -> dict[str, pl.DataFrame]:
        schemas = self._schemas()
        tables = {
            table: state.get(f"{self.name}.{table}", pl.DataFrame(schema=schema))
            for table, schema in schemas.items()
        }
        if tables["clock"].is_empty():
            tables["clock"] = pl.DataFrame([(0, -(1 << 60))], schema=schemas["clock"], orient="row")
        return tables

    def _part(
        self, rows: pl.DataFrame, tables: dict[str, pl.DataFrame]
    ) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
        floor = int(tables["clock"]["window"][0])
        rows = rows.with_columns(pl.col("window").cum_max().clip(lower_bound=floor))
        place = ["key", "window"]
        met = [*place, "target"]
        fresh = rows.with_row_index("row").unique(met, keep="first").join(
            tables["targets"], on=met, how="anti"
        )  # fmt: skip
        flags = np.zeros(rows.height, dtype=np.bool_)
        flags[fresh["row"].to_numpy()] = True
        summed = [f"sum_{name}" for name in self.sums]
        before = rows.with_columns(pl.Series("new", flags)).join(
            tables["keys"], on=place, how="left", maintain_order="left"
        )
        counts = ["count", "distinct", *summed]
        counted = before.with_columns(
            pl.col(name).fill_null(0) for name in counts
        ).with_columns(
            (pl.col("count") + pl.int_range(1, pl.len() + 1)).over(place),
            (pl.col("distinct") + pl.col("new").cast(pl.Int64).cum_sum()).over(place),
            pl.col("since").fill_null(pl.col("us").first()).over(place),
            *(
                (pl.col(f"sum_{name}") + pl.col(name).fill_null(0).cum_sum()).over(place)
                for name in self.sums
            ),
        )  # fmt: skip
        if rows.is_empty():
            return counted, tables
        return counted, self._after(counted, tables)

    def _after(
        self, counted: pl.DataFrame, tables: dict[str, pl.DataFrame]
    ) -> dict[str, pl.DataFrame]:
        window = int(counted["window"][-1])
        here = pl.col("window") == window
        now = counted.filter(here)
        latest = now.unique("key", keep="last", maintain_order=True)
        known = (
            tables["keys"].filter(here).join(latest, on="key", how="anti", maintain_order="left")
        )
        new = now.filter("new")
        firsts = new.filter(pl.col("distinct") <= SHOWN)
        return {
            "keys": pl.concat([known, latest.select(known.columns)]),
            "targets": pl.concat(
                [tables["targets"].filter(here), new.select("key", "target", "window")]
            ),
            "firsts": pl.concat(
                [
                    tables["firsts"].filter(here),
                    firsts.select(
                        "key", "window", pl.col("uid").alias("first"),
                        pl.col("distinct").alias("number"),
                    ),
                ]
            ),
            "clock": tables["clock"].with_columns(pl.lit(window).alias("window")),
        }  # fmt: skip

    def _evicted(self, tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        keys, targets = tables["keys"], tables["targets"]
        if keys.height > MAX_KEYS:
            keys = keys.sort("distinct", "count", "key", descending=True).head(MAX_KEYS)
        if targets.height > MAX_TARGETS_OF_ONE:
            targets = targets.filter(pl.int_range(pl.len()).over("key") < MAX_TARGETS_OF_ONE)
            targets = targets.join(keys, on="key", how="semi", maintain_order="left")
        firsts = tables["firsts"].join(keys, on="key", how="semi", maintain_order="left")
        return {**tables, "keys": keys, "targets": targets.tail(MAX_TARGETS), "firsts": firsts}


def at_level(column: str, levels: Sequence[int]) -> pl.Expr:
    """Whether a count has just reached one of the levels."""
    return pl.col(column).is_in(list(levels))


def power_law(counts: pl.Expr, least: float | pl.Expr, exponent: float) -> pl.Expr:
    """P(count >= k) = (k / least)^-exponent, 1 up to `least`: the usual tail of counts."""
    return (counts / least).clip(lower_bound=1.0).pow(-exponent)
