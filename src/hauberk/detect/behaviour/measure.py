"""Holding a detector to measure: so many findings an hour, then only what is stranger than all."""

import polars as pl

SPOKEN_SCHEMA = pl.Schema({"scope": pl.String(), "said": pl.Int64(), "least": pl.Float64()})
"""Findings of the current hour, one row a scope: how many, and the smallest p among them."""


def held_to_measure(
    rows: pl.DataFrame, spoken: pl.DataFrame, spoken_hour: int, last_hour: int, freely: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that are told, and the table after them (SPOKEN_SCHEMA, of `last_hour`).

    `rows` in order of time, with `scope`, `hour` and `p`; `spoken` of `spoken_hour`. Within a scope
    and hour the first `freely` are told, then those whose p is smaller than any before.
    """
    earlier = spoken.with_columns(pl.lit(spoken_hour, pl.Int64).alias("hour"))
    known = rows.join(
        earlier, on=["scope", "hour"], how="left", maintain_order="left"
    ).with_columns(pl.col("said").fill_null(0), pl.col("least").fill_null(1.0))
    lowest = pl.min_horizontal("least", pl.col("p").cum_min().shift(1).fill_null(1.0))
    judged = known.with_columns(
        (pl.col("said") + pl.int_range(pl.len())).over("scope", "hour").alias("_number"),
        lowest.over("scope", "hour").alias("_lowest"),
    )
    kept = judged.filter((pl.col("_number") < freely) | (pl.col("p") < pl.col("_lowest")))
    tally = judged.filter(pl.col("hour") == last_hour).select(
        "scope", pl.lit(1, pl.Int64).alias("said"), pl.col("p").alias("least")
    )
    before = spoken if last_hour == spoken_hour else spoken.clear()
    after = pl.concat([before, tally]).group_by("scope")
    return (
        kept.drop("said", "least", "_number", "_lowest"),
        after.agg(pl.col("said").sum(), pl.col("least").min()),
    )
