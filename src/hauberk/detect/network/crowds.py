"""How many sources use a destination, or its port, at the moment something is said of one of them.

What a third of the network does is ordinary, whatever the port: a support tool, a licence server, a
telephone system. `ordinary` is the share of sources that did the same before.
"""

import numpy as np
import polars as pl

from hauberk.detect.interface import State

from .judgement import PSEUDO

MAX_USERS = 200_000
"""Pairs of place and source that are remembered, those met latest."""

_USERS = pl.Schema({"place": pl.String(), "src": pl.String(), "us": pl.Int64()})

ORDINARY = (pl.col("users") - 1) / (pl.col("sources") + PSEUDO)
"""Share of this network's sources that use the same place or port, beside the one in question."""


def users_after(rows: pl.DataFrame, state: State) -> pl.DataFrame:
    """The table of who uses what since when, after `rows`.

    `rows` in time order with `src`, `dst`, `proto`, `port` and `us`.
    """
    known = state.get("users", pl.DataFrame(schema=_USERS))
    # In time order, so that the first is the earliest; by a digest, quicker than by names.
    met = pl.struct("src", "dst", "proto", "port").hash().is_first_distinct()
    pairs = rows.select("src", "dst", "proto", "port", "us").filter(met)
    ports = pairs.unique(["src", "proto", "port"], keep="first", maintain_order=True)
    fresh = pl.concat(
        [
            pairs.select(_place("dst").alias("place"), "src", "us"),
            ports.select(_place().alias("place"), "src", "us"),
        ]
    ).join(known, on=["place", "src"], how="anti")
    return pl.concat([known, fresh.sort("us", "place", "src")])


def with_crowds(due: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """The rows with `users` of the place or of the port, whichever has more, and `sources`."""
    asked = due.with_columns(_place("dst").alias("_place"), _place().alias("_port"))
    names = pl.concat([asked["_place"], asked["_port"]]).unique()
    ordinal = (
        users.filter(pl.col("place").is_in(names.implode()))
        .sort("us", "place", "src")
        .with_columns(pl.int_range(1, pl.len() + 1).over("place").cast(pl.Int64).alias("users"))
        .select("place", "us", "users")
    )
    counts = [
        asked.with_row_index("row")
        .sort("us")
        .join_asof(ordinal, on="us", by_left=by, by_right="place", check_sortedness=False)
        .sort("row")["users"]
        .fill_null(1)
        for by in ("_place", "_port")
    ]
    first = users["us"].filter(users["src"].is_first_distinct()).sort()
    sources = np.searchsorted(first.to_numpy(), due["us"].to_numpy(), side="right")
    return due.with_columns(
        pl.Series("users", np.maximum(counts[0].to_numpy(), counts[1].to_numpy()), dtype=pl.Int64),
        pl.Series("sources", sources, dtype=pl.Int64),
    )


def _place(*names: str) -> pl.Expr:
    parts = [pl.col(name) for name in (*names, "proto")]
    return pl.concat_str([*parts, pl.col("port").cast(pl.String)], separator="|")
