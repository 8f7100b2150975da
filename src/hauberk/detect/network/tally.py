"""Tallies: how many events, and how many distinct targets, a key has met in a window so far.

One kernel under scans, guessing, floods, generated names and tunnels. A key is any text (`a|b`), a
window is a whole number that never goes back (a day, an hour). Every row is given the counts *up to
and with itself*, so that a finding is due at the row that reaches a level, whatever batch it is in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from hauberk.detect.interface import State
from hauberk.events import MAX_EVIDENCE

Ints = npt.NDArray[np.int64]

EPOCH = 1 << 17
"""Rows between two evictions; they follow the ordinal of the row, never the batch."""

MAX_KEYS = 100_000
MAX_TARGETS = 400_000
MAX_TARGETS_OF_ONE = 4_096
"""Keys, their targets in all, and targets of one key that survive an eviction. Keys with most
targets stay, then those with most events."""

SHOWN = 12
"""First targets (or rows) of a key that its findings show."""


@dataclass(frozen=True, slots=True)
class Tally:
    """A measure: its name in the state, and the whole-number columns that it sums.

    With `targets` it tells targets apart; without, every row is one, and `distinct` is `count`.
    """

    name: str
    sums: tuple[str, ...] = ()
    targets: bool = True

    def count(
        self, rows: pl.DataFrame, state: State
    ) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
        """The rows with their counts, and the tables after them.

        `rows` in time order with `key`, `window`, `target`, `us`, `uid` and the columns of `sums`.
        Adds `count`, `distinct`, `new` (first time that the key meets the target), `since` (us of
        the key's first row), and `sum_X` for each X.
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
                tables = _evicted(tables)
        tables["clock"] = tables["clock"].with_columns(pl.lit(done + rows.height).alias("rows"))
        after = {f"{self.name}.{table}": frame for table, frame in tables.items()}
        return pl.concat(parts), after

    def evidence(self, due: pl.DataFrame, rows: pl.DataFrame, state: State) -> dict[str, list[str]]:
        """Uids that stand for each due row (by its own uid): the key's first ones, and itself.

        `rows`: the counted rows; `state`: the state *before* them.
        """
        if due.is_empty():
            return {}
        asked = due.select("key", "window", pl.col("uid").alias("of"), "us")
        met = [*_PLACE, "uid", "us"]
        of_these = pl.col("key").is_in(due["key"].unique().implode())
        first = pl.col("new") & (pl.col("distinct") <= SHOWN)
        firsts = pl.concat(
            [
                self._load(state)["targets"].filter(pl.col("uid").is_not_null() & of_these),
                rows.select(*met, "target", "new", "distinct").filter(first).filter(of_these),
            ],
            how="diagonal",
        ).select(met)
        shown = (
            asked.join(firsts, on=_PLACE, how="left", suffix="_first")
            .filter(pl.col("us_first") <= pl.col("us"))
            .sort("us_first", "uid")
            .group_by("of", maintain_order=True)
            .agg("uid")
        )
        found: dict[str, list[str]] = {of: list(uids) for of, uids in shown.iter_rows()}
        return {
            uid: list(dict.fromkeys([*found.get(uid, [])[: MAX_EVIDENCE - 1], uid]))
            for uid in due["uid"]
        }

    def _load(self, state: State) -> dict[str, pl.DataFrame]:
        count = pl.Int64()
        summed = {f"sum_{name}": count for name in self.sums}
        schemas = {
            "keys": pl.Schema(
                {"key": pl.String(), "window": count, "count": count, "distinct": count,
                 "since": count, **summed}
            ),
            # `uid` is that of the first event with the target, for the first few of a key.
            "targets": pl.Schema(
                {"key": pl.String(), "window": count, "target": pl.String(), "uid": pl.String(),
                 "us": count}
            ),
            "clock": pl.Schema({"rows": count, "window": count}),
        }  # fmt: skip
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
        # Joins and groups by 64-bit digests of the names are several times quicker than by names.
        rows = rows.with_columns(pl.col("window").cum_max().clip(lower_bound=floor)).with_columns(
            _PLACE_DIGEST.alias("_place")
        )
        if self.targets:
            seen = tables["targets"].with_columns(_PLACE_DIGEST.alias("_place"))
            seen = seen.select(_MET_DIGEST.alias("_met"))
            met = rows.select(_MET_DIGEST.alias("_met")).to_series()
            new = met.is_first_distinct() & ~met.is_in(seen["_met"].implode())
        else:
            new = pl.repeat(value=True, n=rows.height, dtype=pl.Boolean, eager=True)
        counted = self._running(rows.with_columns(new.alias("new")), tables["keys"])
        if rows.is_empty():
            return counted.drop("_place"), tables
        return counted.drop("_place"), self._after(counted, tables)

    def _running(self, rows: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
        """The rows with their running counts; one sort for all of them."""
        summed = [f"sum_{name}" for name in self.sums]
        place = rows["_place"].to_numpy()
        order = np.argsort(place, kind="stable")
        ordered = place[order]
        first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(order)])
        lengths = np.diff(np.concatenate([first, [len(order)]]))
        us = rows["us"].to_numpy()[order]
        known = keys.with_columns(_PLACE_DIGEST.alias("_place")).drop("key", "window")
        groups = (
            pl.DataFrame({"_place": ordered[first], "us": us[first]}, schema_overrides=_GROUPS)
            .join(known, on="_place", how="left", maintain_order="left")
            .with_columns(
                pl.col("count", "distinct", *summed).fill_null(0),
                pl.col("since").fill_null(pl.col("us")),
            )
        )

        def running(name: str, values: Ints) -> pl.Series:
            inside = values[order]
            total = np.cumsum(inside)
            begin = groups[name].to_numpy() - (total[first] - inside[first])
            found = np.empty(len(order), dtype=np.int64)
            found[order] = total + np.repeat(begin, lengths)
            return pl.Series(name, found, dtype=pl.Int64)

        since = np.empty(len(order), dtype=np.int64)
        since[order] = np.repeat(groups["since"].to_numpy(), lengths)
        count = running("count", np.ones(len(order), dtype=np.int64))
        new = rows["new"].cast(pl.Int64).to_numpy()
        return rows.with_columns(
            count,
            running("distinct", new) if self.targets else count.alias("distinct"),
            pl.Series("since", since, dtype=pl.Int64),
            *(
                running(f"sum_{name}", rows[name].fill_null(0).cast(pl.Int64).to_numpy())
                for name in self.sums
            ),
        )

    def _after(
        self, counted: pl.DataFrame, tables: dict[str, pl.DataFrame]
    ) -> dict[str, pl.DataFrame]:
        window = int(counted["window"][-1])
        here = pl.col("window") == window
        now = counted.filter(here)
        latest = now.unique("_place", keep="last", maintain_order=True)
        known = tables["keys"].filter(here).with_columns(_PLACE_DIGEST.alias("_place"))
        known = known.join(latest, on="_place", how="anti", maintain_order="left").drop("_place")
        few = pl.col("distinct") <= SHOWN
        new = now.filter("new") if self.targets else now.filter(few)
        targets = tables["targets"]
        met = new.with_columns(pl.when(few).then("uid").alias("uid")).select(targets.columns)
        return {
            "keys": pl.concat([known, latest.select(known.columns)]),
            "targets": pl.concat([targets.filter(here), met]),
            "clock": tables["clock"].with_columns(pl.lit(window).alias("window")),
        }


_PLACE = ["key", "window"]
_GROUPS = pl.Schema({"_place": pl.UInt64(), "us": pl.Int64()})

# Numbers for combinations of values; they are never stored.
_PLACE_DIGEST = pl.col("key").hash() ^ pl.col("window").hash(1)
_MET_DIGEST = pl.col("_place") ^ pl.col("target").hash(2)


def _evicted(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    keys, targets = tables["keys"], tables["targets"]
    if keys.height > MAX_KEYS:
        # The least that stay are found by their counts; names decide only between equals.
        place = keys.select(pl.struct("distinct", "count").rank("max", descending=True)).to_series()
        sure = keys.filter(place <= MAX_KEYS)
        least = place.filter(place > MAX_KEYS).min()
        equal = keys.filter(place == least).sort("key", descending=True)
        keys = pl.concat([sure, equal.head(MAX_KEYS - sure.height)])
        targets = targets.join(keys, on="key", how="semi", maintain_order="left")
    many = keys.filter(pl.col("distinct") > MAX_TARGETS_OF_ONE)["key"]
    if len(many):
        few = ~pl.col("key").is_in(many.implode())
        targets = targets.filter(few | (pl.int_range(pl.len()).over("key") < MAX_TARGETS_OF_ONE))
    return {**tables, "keys": keys, "targets": targets.tail(MAX_TARGETS)}


def at_level(column: str, levels: Sequence[int]) -> pl.Expr:
    """Whether a count has just reached one of the levels."""
    # A dozen comparisons of whole numbers are quicker than one look into a set.
    return pl.any_horizontal(pl.col(column) == level for level in levels)


def power_law(counts: pl.Expr, least: float | pl.Expr, exponent: float) -> pl.Expr:
    """P(count >= k) = (k / least)^-exponent, 1 up to `least`: the usual tail of counts."""
    return (counts / least).clip(lower_bound=1.0).pow(-exponent)
