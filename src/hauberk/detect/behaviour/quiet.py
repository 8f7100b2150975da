"""Slow spraying over many sources: few tries each, but far more accounts than fail on other days.

Counted are the accounts that fail, within a day, from sources that never had a success and do not
stand out by themselves. People who mistype come from places where they also succeed; a pool of
proxies that tries one password an hour does not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from hauberk.detect.calibration import HISTORY_SCHEMA, Calibration, poisson_tail_bits
from hauberk.detect.interface import DetectorSpec

from .attempts import ATTEMPT_SCHEMA
from .bursts import DAY_US, is_power_of_two
from .campaigns import SLOW, few, finding

TOLD_FROM = 16
"""Least number of accounts in a day that is told."""

REPORT_AT = 0.01
FEW_TRIES = 3
ONE_SOURCE = 8  # accounts; a source that fails for more stands out by itself
MAX_KEYS = 200_000
_FLOOR = 4.0  # accounts a day that fail like this anywhere
_OF_THE_BUSY = 0.1  # share of the sources that succeed today that may fail first
_FORGET = 0.2  # weight of the latest day in the mean

QUIET_SCHEMAS: Mapping[str, pl.Schema] = {
    "trusted": pl.Schema({"source": pl.String(), "day": pl.Int64()}),
    "quiet": ATTEMPT_SCHEMA,
    "days": pl.Schema(
        {
            "day": pl.Int64(),
            "accounts": pl.Int64(),
            "succeeded": pl.Int64(),
            "mean": pl.Float64(),
            "known": pl.Int64(),
        }
    ),
    "slow": HISTORY_SCHEMA,
}

_CALIBRATION = Calibration(
    bin_width=2.0,
    bins=64,
    prior_weight=1000,
    prior_tail=tuple(2.0 ** (-2.0 * step) for step in range(12)),
)


@dataclass(frozen=True, slots=True)
class QuietSpraying:
    """What slow spraying there was in some attempts, and its tables after them."""

    rows: pl.DataFrame
    evidence: pl.DataFrame
    tables: dict[str, pl.DataFrame]

    @classmethod
    def judge(
        cls, walked: pl.DataFrame, rows: pl.DataFrame, tables: Mapping[str, pl.DataFrame]
    ) -> "QuietSpraying":
        """Judge attempts with their bursts (`walked`), day by day; `rows` are all attempts.

        The loop is over days.
        """
        days = rows.select((pl.col("us") // DAY_US).alias("day"))["day"]
        after = {name: tables[name] for name in QUIET_SCHEMAS}
        found = []
        evidence = [tables["quiet"].clear()]
        for day in days.unique(maintain_order=True):
            of_day = pl.col("us") // DAY_US == day
            part, quiet, after = _judge_day(day, walked.filter(of_day), rows.filter(of_day), after)
            found.append(part)
            evidence.append(quiet)
        return cls(pl.concat(found), pl.concat(evidence), after)

    def findings(self, spec: DetectorSpec) -> Iterator[dict[str, object]]:
        """Findings (rows of FINDING_SCHEMA)."""
        for row in self.rows.iter_rows(named=True):
            day = row["us"] // DAY_US
            failures = self.evidence.filter(
                (pl.col("us") >= day * DAY_US) & (pl.col("number") <= row["number"])
            )
            sources = failures["source"].n_unique()
            yield finding(
                SLOW,
                spec,
                message=(
                    f"{row['size']:,} accounts failed to log on that day from {sources:,} sources "
                    f"that never succeeded, where {row['expected']:,.1f} are expected "
                    f"({few(failures['account'])})"
                ),
                failures=failures,
                success=None,
                count=failures.height,
                p=row["p"],
                name=f"{day}\0{row['size']}",
                value=f"{row['size']:,}",
            )


def _judge_day(
    day: int, walked: pl.DataFrame, rows: pl.DataFrame, tables: Mapping[str, pl.DataFrame]
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, pl.DataFrame]]:
    """One day's (or part of a day's) rows to tell, its quiet failures, and the tables after."""
    state = _turned(day, tables)
    today = tables["quiet"].filter(pl.col("us") // DAY_US == day)
    first_success = rows.filter(~pl.col("fail")).unique("source", keep="first", maintain_order=True)
    fresh = first_success.join(
        tables["trusted"].filter(pl.col("day") == day),
        on="source",
        how="anti",
        maintain_order="left",
    )
    known = tables["trusted"].select("source", pl.lit(value=True).alias("_trusted"))
    since = first_success.select("source", pl.col("number").alias("_since"))
    quiet = (
        walked.join(known, on="source", how="left", maintain_order="left")
        .join(since, on="source", how="left", maintain_order="left")
        .filter(
            pl.col("fail")
            & pl.col("_trusted").is_null()
            & (pl.col("_since").is_null() | (pl.col("number") < pl.col("_since")))
            & (pl.col("pair_count") <= FEW_TRIES)
            & (pl.col("source_distinct") < ONE_SOURCE)
        )
        .select(tables["quiet"].columns)
        .unique(["account"], keep="first", maintain_order=True)
        .join(today.select("account"), on="account", how="anti", maintain_order="left")
    )
    succeeded = np.searchsorted(fresh["number"].to_numpy(), quiet["number"].to_numpy())
    expected = np.maximum(
        max(_FLOOR, state["mean"]), _OF_THE_BUSY * (state["succeeded"] + succeeded)
    )
    size = state["accounts"] + np.arange(1, quiet.height + 1)
    steps = quiet.with_columns(
        pl.Series("size", size, dtype=pl.Int64),
        pl.Series("expected", expected, dtype=pl.Float64),
        pl.Series("bits", poisson_tail_bits(size, expected), dtype=pl.Float64),
    ).filter(is_power_of_two("size"))
    p, history = _CALIBRATION.judge(tables["slow"], steps["bits"].to_numpy())
    told = steps.with_columns(
        pl.max_horizontal(pl.Series(p), 2.0 ** -pl.col("bits")).alias("p")
    ).filter((pl.col("size") >= TOLD_FROM) & (pl.col("p") <= REPORT_AT))
    of_today = pl.concat([today, quiet])
    trusted = pl.concat(
        [tables["trusted"], first_success.select("source", pl.lit(day, pl.Int64).alias("day"))]
    )
    return (
        told,
        of_today,
        {
            "trusted": trusted.group_by("source").agg(pl.col("day").max()).sort("day", "source")
            .tail(MAX_KEYS),
            "quiet": of_today.tail(MAX_KEYS),
            "days": pl.DataFrame(
                [
                    {
                        **state,
                        "accounts": int(state["accounts"]) + quiet.height,
                        "succeeded": int(state["succeeded"]) + fresh.height,
                    }
                ],
                schema=QUIET_SCHEMAS["days"],
                orient="row",
            ),
            "slow": history,
        },
    )  # fmt: skip


def _turned(day: int, tables: Mapping[str, pl.DataFrame]) -> dict[str, float]:
    """The counts of `day`: those so far, or zero when it is a new one, past days in the mean."""
    fresh: dict[str, float] = {"day": day, "accounts": 0, "succeeded": 0, "mean": 0.0, "known": 0}
    if tables["days"].is_empty():
        return fresh
    last: dict[str, float] = tables["days"].row(0, named=True)
    if last["day"] == day:
        return last
    weight = max(_FORGET, 1 / (last["known"] + 1))
    mean = last["mean"] + weight * (last["accounts"] - last["mean"])
    return {**fresh, "mean": mean, "known": last["known"] + 1}
