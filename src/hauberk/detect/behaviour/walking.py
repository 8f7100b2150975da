"""Attempts with the bursts they are in, and what is kept of them for those that come later."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from hauberk.events import MAX_EVIDENCE

from .bursts import DAY_US, Flags, Ints, Walk, codes, joined, latest, walk

PAIR = ("source", "account")

MAX_KEYS = 200_000
"""Bursts, and failures kept as evidence, of one day; beyond, the oldest leave."""


def walked(rows: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The attempts that touch any burst, with the bursts they are in."""
    failed = rows.filter("fail")
    sources = pl.concat([failed["source"], tables["sources"]["source"]]).unique()
    accounts = pl.concat([failed["account"], tables["accounts"]["account"]]).unique()
    touching = rows.filter(
        pl.col("source").is_in(sources.implode()) | pl.col("account").is_in(accounts.implode())
    )
    us, fail = touching["us"].to_numpy(), touching["fail"].to_numpy()
    pairs = joined(touching, tables["pairs"], PAIR)
    by_pair = walk(codes(touching, PAIR), us, fail, pairs)
    columns: dict[str, Ints | Flags] = {
        "pair_start": by_pair.placed(by_pair.start),
        "pair_count": by_pair.counts(fail, pairs["count"]),
    }
    for name in PAIR:
        before = joined(touching, tables[f"{name}s"], (name,))
        by_name = walk(codes(touching, (name,)), us, fail, before)
        start = by_name.placed(by_name.start)
        new = _first_of_pair(by_pair, fail, start, pairs[f"{name}_start"])
        columns[f"{name}_start"] = start
        columns[f"{name}_count"] = by_name.counts(fail, before["count"])
        columns[f"{name}_new"] = new
        columns[f"{name}_distinct"] = by_name.counts(new, before["distinct"])
    return touching.with_columns(pl.Series(name, values) for name, values in columns.items())


def _first_of_pair(by_pair: Walk, fail: Flags, start: Ints, before: Ints) -> Flags:
    """Whether each row is the first failure of its pair in the burst that began at `start`.

    `before`: the burst in which the pair failed last, before these rows.
    """
    order = by_pair.order[fail[by_pair.order]]
    starts = start[order]
    # Rows of one pair lie together: the one before is its previous failure, or another pair's.
    same_pair = np.diff(by_pair.key[order], prepend=-1) == 0
    previous = np.where(same_pair, np.concatenate(([0], starts))[: len(order)], before[order])
    new = np.zeros(len(fail), dtype=np.bool_)
    new[order] = starts != previous
    return new


def bursts_after(
    failed: pl.DataFrame, tables: Mapping[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    """The tables of bursts after the failures."""
    last = pl.col("us").alias("last")
    return {
        "pairs": latest(
            tables["pairs"],
            failed.select(
                *PAIR,
                pl.col("pair_start").alias("start"),
                last,
                pl.col("pair_count").alias("count"),
                "source_start",
                "account_start",
            ),
            PAIR,
            MAX_KEYS,
        ),
        **{
            f"{name}s": latest(
                tables[f"{name}s"],
                failed.select(
                    name,
                    pl.col(f"{name}_start").alias("start"),
                    last,
                    pl.col(f"{name}_count").alias("count"),
                    pl.col(f"{name}_distinct").alias("distinct"),
                ),
                (name,),
                MAX_KEYS,
            )
            for name in PAIR
        },
    }


def kept_as_evidence(recent: pl.DataFrame) -> pl.DataFrame:
    """Failures that later findings may show: of today, the last few of each pair."""
    if recent.is_empty():
        return recent
    of_today = recent.filter(pl.col("us") // DAY_US == int(recent["us"][-1]) // DAY_US)
    key = codes(of_today, PAIR)
    order = np.argsort(key, kind="stable")
    ends = np.cumsum(np.bincount(key))
    kept = np.zeros(len(key), dtype=np.bool_)
    kept[order] = ends[key[order]] - np.arange(len(key)) <= MAX_EVIDENCE
    return of_today.filter(pl.Series(kept)).tail(MAX_KEYS)
