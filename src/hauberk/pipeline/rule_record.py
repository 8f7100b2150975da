"""What an estate has taught of each rule: how often it fires, and what that is worth now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from hauberk.events import FindingKind
from hauberk.store import Home
from hauberk.triage import AnalyticRecord, calibrate, evidence_bits

from .scan import exposure_of
from .verdicts import verdicts_of

SUNK_BITS = 2.0
"""Below this a finding lends an incident next to nothing."""


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """One rule's record in a home.

    `stated` is the p-value that the rule's level stands for, `learned` the one that its findings
    have here (the median), in the same units; `bits` what that is worth as evidence. Of `verdicts`
    on incidents it had part in, it was `wrong` and `right` by its share in them; its bits count
    `worth` times for that.
    """

    firings: int
    host_days: int
    watched: int
    last: datetime | None
    stated: float
    learned: float
    stated_bits: float
    bits: float
    verdicts: int = 0
    wrong: float = 0.0
    right: float = 0.0
    wrong_rate: float = 0.5
    worth: float = 1.0

    @property
    def sunk(self) -> bool:
        """Whether the rule fires so often here that it has lost what its level promised."""
        return self.bits < SUNK_BITS <= self.stated_bits

    @property
    def risen(self) -> bool:
        """Whether its rarity here makes it worth more than its level says."""
        return self.bits > self.stated_bits + 0.5


def rule_records(home_path: Path) -> Mapping[str, RuleRecord]:
    """Records of all rules that ever fired in the home, by rule uid; empty where there is none.

    Raises HomeDamagedError.
    """
    if not home_path.exists():
        return {}
    with Home.open(home_path, read_only=True) as home:
        exposure = exposure_of(home)
        said = verdicts_of(home).analytics
        found = home.records.findings().filter(pl.col("kind") == FindingKind.RULE)
    if found.is_empty():
        return {}
    calibrated = calibrate(found, exposure).select(pl.col("surprise").alias("learned"))
    days = exposure.hits.group_by("rule").agg(pl.len().alias("days"))
    table = (
        found.hstack(calibrated)
        .group_by(pl.col("rule_uid").alias("rule"))
        .agg(
            pl.col("count").sum().alias("firings"),
            pl.col("end_time").max().alias("last"),
            pl.col("surprise").median().alias("stated"),
            pl.col("learned").median(),
        )
        .join(days, on="rule", how="left")
        .with_columns(
            evidence_bits(pl.col("learned")).alias("bits"),
            evidence_bits(pl.col("stated")).alias("stated_bits"),
        )
    )
    return {
        row["rule"]: RuleRecord(
            firings=row["firings"],
            host_days=row["days"] or 0,
            watched=exposure.cells.height,
            last=row["last"],
            stated=row["stated"],
            learned=row["learned"],
            stated_bits=row["stated_bits"],
            bits=row["bits"] * _of(said, row["rule"]).worth,
            verdicts=_of(said, row["rule"]).verdicts,
            wrong=_of(said, row["rule"]).wrong,
            right=_of(said, row["rule"]).right,
            wrong_rate=_of(said, row["rule"]).wrong_rate,
            worth=_of(said, row["rule"]).worth,
        )
        for row in table.iter_rows(named=True)
    }


_UNTOLD = AnalyticRecord(0.0, 0.0, 0, 0, 1.0)


def _of(said: Mapping[str, AnalyticRecord], rule: str) -> AnalyticRecord:
    return said.get(rule, _UNTOLD)
