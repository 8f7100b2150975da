"""Who asks a model what: counts by client and day, from which copying and probing can be told.

One row of QUERIES is what one client had one model judge on one day. It keeps no record, only how
many there were, how their scores lie, and into how many cells their content falls: a cell is one of
CELLS, chosen by the least hash of a record's pieces (A. Broder, "On the resemblance and containment
of documents", 1997), so that records that share most of their pieces mostly share a cell.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from hauberk.models.features.hashing import gram_hashes, mixed, pack, rows_of
from hauberk.models.features.mail import Mail

from .distances import ks_distance
from .measures import Measure

BINS, CELLS = 20, 64
LONGEST = 2048
"""Bytes of a record that choose its cell."""

MOST_CLIENTS = 200
"""Clients of a model and day that are kept: those that asked most."""

NEAR = 0.5
"""Log odds from the threshold within which a query counts as next to it."""

_NAME_GRAM, _TEXT_GRAM = 3, 12

CLIENT_QUERIES, PROBES = 1000, 100
MANY, BOUNDARY_SHARE, COVERAGE = 10_000, 0.5, 0.8
SAME_SHARE, BOTH_SIDES = 0.3, 0.1
"""Of 100 records that share nothing, no cell holds more than 7, 99 times in 100; of variants of one
name with two letters changed, one cell holds some 40."""

QUERIES = pl.Schema(
    {
        "digest": pl.String(),
        "day": pl.Date(),
        "client": pl.String(),
        "asked": pl.Int64(),
        "flagged": pl.Int64(),
        "near": pl.Int64(),  # within NEAR of the threshold
        "odds_bins": pl.List(pl.Int64()),  # of calibrated probabilities, even
        "cells": pl.List(pl.Int64()),
    }
)
_SUMS, _LISTS = ("asked", "flagged", "near"), {"odds_bins": BINS, "cells": CELLS}
_KEY = ["digest", "day", "client"]


def tally_queries(digest: str, asked: pl.DataFrame, records: Sequence[Any]) -> pl.DataFrame:
    """Count a batch (QUERIES); rows without a client are left out.

    Columns of `asked`, a row a record: day, client, flagged; odds (calibrated log odds above the
    threshold) and probability, which may be null.
    """
    rows = asked.with_columns(
        pl.Series("cell", _cells(records), dtype=pl.Int64),
        (pl.col("probability") * BINS).floor().clip(0, BINS - 1).cast(pl.Int64).alias("bin"),
        (pl.col("odds").abs() <= NEAR).fill_null(value=False).alias("near"),
    ).drop_nulls(["client", "day"])
    if not rows.height:
        return pl.DataFrame(schema=QUERIES)
    counted = rows.group_by("day", "client").agg(
        pl.len().cast(pl.Int64).alias("asked"),
        pl.col("flagged", "near").sum().cast(pl.Int64),
        _histogram("bin", BINS, "odds_bins"),
        _histogram("cell", CELLS, "cells"),
    )
    return busiest(counted.with_columns(pl.lit(digest).alias("digest")).select(QUERIES.names()))


def _histogram(column: str, size: int, name: str) -> pl.Expr:
    there = (pl.col(column).eq_missing(at) for at in range(size))
    return pl.concat_list([one.sum().cast(pl.Int64) for one in there]).alias(name)


def add_up_queries(before: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    """Two tables of queries as one, a row for each model, day and client; the busiest of each."""
    both = pl.concat([before, more])
    if not both.height:
        return both
    summed = both.group_by(_KEY).agg(
        pl.col(*_SUMS).sum(),
        *(
            pl.concat_list(
                [pl.col(name).list.get(at).sum().cast(pl.Int64) for at in range(size)]
            ).alias(name)
            for name, size in _LISTS.items()
        ),
    )
    return busiest(summed.select(QUERIES.names()))


def busiest(queries: pl.DataFrame) -> pl.DataFrame:
    """The clients of each model and day that asked most, in a fixed order."""
    ordered = queries.sort(
        ["digest", "day", "asked", "client"], descending=[False, False, True, False]
    )
    return ordered.filter(pl.int_range(pl.len()).over("digest", "day") < MOST_CLIENTS)


def query_measures(queries: pl.DataFrame) -> list[Measure]:
    """Whether somebody asks one model (its rows of QUERIES) as one who copies or circumvents.

    Of each kind the client that lies worst: how many queries it made on one day; what share lies
    next to the threshold; how evenly they cover the probabilities (an attacker's pool does; life
    piles up at the ends); and what share are near the same record, where the answers lie on both
    sides of the threshold (one that searches a way around it; who sends the same to many gets the
    same answer). A pool that looks natural evades any one of these alone.
    """
    if not queries.height:
        return []
    made = [_worst("queries_by_one_client", queries, MANY, lambda row: float(row["asked"]))]
    many = queries.filter(pl.col("asked") >= CLIENT_QUERIES)
    if many.height:
        made.append(_worst("boundary_share", many, BOUNDARY_SHARE, _near))
        made.append(_worst("extraction_coverage", many, COVERAGE, _covered))
    probing = queries.filter(pl.col("asked") >= PROBES)
    if probing.height:
        made.append(_worst("near_identical_queries", probing, SAME_SHARE, _same))
    return made


def _worst(metric: str, queries: pl.DataFrame, bound: float, value: Any) -> Measure:
    found = [(value(row), row) for row in queries.iter_rows(named=True)]
    most, row = max(found, key=lambda one: (one[0], one[1]["client"]))
    told = f"{row['client']} on {row['day']}"
    return Measure(metric, most, bound, int(row["asked"]), told)


def _near(row: dict[str, Any]) -> float:
    return float(row["near"] / row["asked"])


def _covered(row: dict[str, Any]) -> float:
    bins = row["odds_bins"]
    if not sum(bins):
        return 0.0
    return 1 - ks_distance(sorted(bins, reverse=True), [sum(bins) / BINS] * BINS)


def _same(row: dict[str, Any]) -> float:
    both = min(row["flagged"], row["asked"] - row["flagged"]) / row["asked"]
    return float(max(row["cells"]) / row["asked"]) if both >= BOTH_SIDES else 0.0


def _cells(records: Sequence[Any]) -> list[int | None]:
    """The cell of each record; null of what has no text (numbers of executables, unreadable)."""
    found: list[int | None] = [None] * len(records)
    for size, kind in ((_NAME_GRAM, str), (_TEXT_GRAM, Mail)):
        mine = [at for at, one in enumerate(records) if isinstance(one, kind)]
        texts = pack([_text(records[at]) for at in mine], LONGEST)
        hashes, begins = gram_hashes(texts, size)
        least = np.full(texts.count, np.iinfo(np.uint64).max, dtype=np.uint64)
        np.minimum.at(least, rows_of(texts, begins), hashes)
        cells = (mixed(least) % np.uint64(CELLS)).astype(np.int64)
        for at, cell in zip(mine, cells.tolist(), strict=True):
            found[at] = cell
    return found


def _text(record: str | Mail) -> str:
    """What makes a record its own: a name without what it is registered below, a mail's text.

    Pieces that everybody's records have would put them all into one cell.
    """
    if isinstance(record, Mail):
        return record.text
    return record.rpartition(".")[0] or record
