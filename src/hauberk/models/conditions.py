"""The board's conditions, applied to what a model says: the one gate before anybody reads it.

A finding that a condition withholds is kept in the lake, with the condition as its reason, and is
part of no incident.
"""

from collections.abc import Mapping
from datetime import date

import polars as pl

from hauberk.events import FindingKind

from .loading import LoadedModel


def held(
    loaded: LoadedModel, findings: pl.DataFrame, told: Mapping[date, int] | None = None
) -> pl.DataFrame:
    """Findings (FINDING_SCHEMA) of a model, those that a condition withholds marked as suppressed.

    A shadow's, and those of a model that only observes, are all withheld. Of a day's findings the
    most surprising stand, up to `max_findings_per_day`, less those `told` before (day to number).
    """
    if not findings.height:
        return findings
    if loaded.observes_only:
        why = "as a shadow" if loaded.stage == "shadow" else "by the board's condition"
        return _withheld(findings, pl.lit(value=True), f"it only observes, {why}")
    most = loaded.conditions.max_findings_per_day
    if most is None:
        return findings
    day = pl.col("time").dt.date()
    before = pl.DataFrame(
        {"day": list((told or {}).keys()), "told": list((told or {}).values())},
        schema={"day": pl.Date, "told": pl.Int64},
    )
    ranked = (
        findings.with_columns(day.alias("day"))
        .join(before, on="day", how="left", maintain_order="left")
        .with_columns(
            pl.struct("surprise", "uid").rank("ordinal").over("day").cast(pl.Int64).alias("place"),
            pl.col("told").fill_null(0),
        )
    )
    late = ranked["place"] + ranked["told"] > most
    return _withheld(findings, late, f"the board allows {most} findings a day")


def _withheld(findings: pl.DataFrame, which: pl.Expr | pl.Series, why: str) -> pl.DataFrame:
    reason = pl.struct(
        pl.lit(f"withheld: {why}").alias("text"),
        pl.lit("condition").alias("value"),
        pl.lit(0.0).alias("bits"),
    )
    return findings.with_columns(
        pl.when(which).then(pl.lit(FindingKind.SUPPRESSED.value)).otherwise("kind").alias("kind"),
        pl.when(which)
        .then(pl.concat_list(pl.col("reasons"), reason))
        .otherwise("reasons")
        .alias("reasons"),
    )
