"""What a key did in its windows before: its largest count, or sum, in any earlier window.

A monitor that knocks at a service every few seconds, or an application that opens its database for
every request, does so day after day. Whatever it is, a count that the same key has reached before
is no news.
"""

import polars as pl

from hauberk.detect.interface import State

MAX_KEYS = 50_000
"""Keys that are remembered, those met latest."""

_HABITS = pl.Schema(
    {
        "key": pl.String(),
        "window": pl.Int64(),
        "count": pl.Int64(),
        "habit": pl.Int64(),
        "windows": pl.Int64(),
    }
)
_PAST = -(1 << 60)


def with_habits(
    name: str, rows: pl.DataFrame, state: State
) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """The rows with `habit` and `windows` as `habits_of` has them, and the table."""
    habits, tables = habits_of(name, rows, state)
    return rows.join(habits, on=["key", "window"], how="left", maintain_order="left"), tables


def habits_of(
    name: str, rows: pl.DataFrame, state: State, amount: pl.Expr | None = None
) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """What each key and window of the rows has behind it, one row each; and the table.

    `habit` is the key's largest count (or sum of `amount`) in a window before, `windows` how many
    windows before it was met in. `rows` in time order with `key` and `window`. The table has one
    row a key: the window it was met in last, the count there so far, and habit and windows before.
    """
    table = f"{name}.habits"
    known = state.get(table, pl.DataFrame(schema=_HABITS))
    if "windows" not in known.columns:
        known = known.with_columns(pl.lit(0, pl.Int64).alias("windows"))
    counted = pl.len() if amount is None else amount.sum()
    here = rows.group_by("key", "window", maintain_order=True).agg(
        counted.cast(pl.Int64).alias("count")
    )
    # What a key did before is one more window of it: the largest of the past, out of its place.
    past = known.select("key", pl.lit(_PAST).alias("window"), pl.col("habit").alias("count"))
    windows = (
        pl.concat([known.select("key", "window", "count"), past, here])
        .group_by("key", "window")
        .agg(pl.col("count").sum())
        .sort("key", "window")
        .with_columns(
            pl.col("count").cum_max().shift(1).over("key").fill_null(0).alias("habit"),
            ((pl.col("window") > _PAST).cum_sum().over("key") - 1).cast(pl.Int64).alias("met"),
        )
        .join(known.select("key", "windows"), on="key", how="left", maintain_order="left")
        .with_columns((pl.col("windows").fill_null(0) + pl.col("met")).alias("windows"))
    )
    latest = windows.unique("key", keep="last", maintain_order=True).sort("window", "key")
    kept = latest.select(_HABITS.names()).tail(MAX_KEYS)
    return windows.select("key", "window", "habit", "windows"), {table: kept}
