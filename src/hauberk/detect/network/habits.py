"""What a key did in its windows before: its largest count in any earlier window.

A monitor that knocks at a service every few seconds, or an application that opens its database for
every request, does so day after day. Whatever it is, a count that the same key has reached before
is no news.
"""

import polars as pl

from hauberk.detect.interface import State

MAX_KEYS = 50_000
"""Keys that are remembered, those met latest."""

_HABITS = pl.Schema(
    {"key": pl.String(), "window": pl.Int64(), "count": pl.Int64(), "habit": pl.Int64()}
)


def with_habits(
    name: str, rows: pl.DataFrame, state: State
) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """The rows with `habit`, their key's largest count in a window before theirs; and the table.

    `rows` in time order with `key` and `window`. The table has one row a key: the window it was met
    in last, the count there so far, and the habit before that window.
    """
    table = f"{name}.habits"
    known = state.get(table, pl.DataFrame(schema=_HABITS))
    here = rows.group_by("key", "window", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("count")
    )
    # What a key did before is one more window of it: the largest of the past, out of its place.
    past = known.select("key", pl.lit(-(1 << 60)).alias("window"), pl.col("habit").alias("count"))
    windows = (
        pl.concat([known.select("key", "window", "count"), past, here])
        .group_by("key", "window")
        .agg(pl.col("count").sum())
        .sort("key", "window")
        .with_columns(
            pl.col("count").cum_max().shift(1).over("key").fill_null(0).alias("habit"),
        )
    )
    told = rows.join(
        windows.select("key", "window", "habit"),
        on=["key", "window"],
        how="left",
        maintain_order="left",
    )
    latest = windows.unique("key", keep="last", maintain_order=True).sort("window", "key")
    return told, {table: latest.select(_HABITS.names()).tail(MAX_KEYS)}
