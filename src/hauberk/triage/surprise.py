"""One scale for all findings: the p-value, and the bits of evidence that it is worth at most.

Rules start from a prior by level and learn their base rate here: the share of host-days on which
they fire although nothing is wrong. Behaviour and product findings arrive calibrated.
"""

import math
from dataclasses import dataclass, field

import polars as pl

from hauberk.events import FindingKind

ESTATE_PSEUDO_DAYS = 10.0
"""Host-days of observation that a rule's prior is worth against the estate's record."""

HOST_PSEUDO_DAYS = 5.0
"""Host-days that the estate's rate is worth against one host's own record."""

SUSPICIOUS_WEIGHT = 0.1
"""Weight at which a host-day that lies in a likely incident enters a base rate.

An attacker who repeats himself to be taken for the weather pays ten times the days.
"""

_CELLS = pl.Schema({"host": pl.String(), "day": pl.Date()})
_HITS = pl.Schema({"rule": pl.String(), **_CELLS, "weight": pl.Float64()})


@dataclass(frozen=True, slots=True)
class Exposure:
    """What was watched and what fired there, in host-days.

    `cells` (host, day): host-days with any event. `hits` (rule, host, day, weight): host-days on
    which a rule fired; weight 1, or SUSPICIOUS_WEIGHT inside a likely incident.
    """

    cells: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_CELLS))
    hits: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_HITS))

    def joined(self, cells: pl.DataFrame, hits: pl.DataFrame) -> "Exposure":
        """Add host-days; one seen before keeps its lower weight, so that a doubt once had stays."""
        return Exposure(
            pl.concat([self.cells, cells.select(_CELLS.names())]).unique(),
            pl.concat([self.hits, hits.select(_HITS.names())])
            .group_by("rule", "host", "day")
            .agg(pl.col("weight").min()),
        )


def evidence_bits(p: pl.Expr) -> pl.Expr:
    """Most bits that a p-value can be worth for the alternative: log2 of 1 / (-e p ln p).

    Source: T. Sellke, M. J. Bayarri, J. O. Berger, Calibration of p Values for Testing Precise
    Null Hypotheses, The American Statistician 55 (2001). Zero for p >= 1/e.
    """
    safe = p.clip(1e-12, 1 / math.e)
    bits = -(safe * -safe.log() * math.e).log(2.0)
    return pl.when(p < 1 / math.e).then(bits).otherwise(0.0)


def host_of(findings: pl.DataFrame) -> pl.Series:
    """The host that each finding is first about; "" for none (a network sensor, a cloud)."""
    hosts = pl.col("entities").list.eval(pl.element().filter(pl.element().str.starts_with("host:")))
    return findings.select(hosts.list.first().fill_null("").alias("host"))["host"]


def rule_hits(findings: pl.DataFrame, suspicious: set[str] | None = None) -> pl.DataFrame:
    """Host-days on which rules fired. `suspicious`: uids of findings in likely incidents."""
    doubted = pl.col("uid").is_in(list(suspicious or ()))
    return (
        findings.with_columns(host_of(findings))
        .filter(pl.col("kind") == FindingKind.RULE, pl.col("time").is_not_null())
        .select(
            pl.col("rule_uid").alias("rule"),
            "host",
            pl.col("time").dt.date().alias("day"),
            pl.when(doubted).then(SUSPICIOUS_WEIGHT).otherwise(1.0).alias("weight"),
        )
        .group_by("rule", "host", "day")
        .agg(pl.col("weight").min())
    )


def calibrate(
    findings: pl.DataFrame, exposure: Exposure, *, own_record: bool = True
) -> pl.DataFrame:
    """Replace the prior of every rule finding by its posterior base rate here.

    The estate's rate is that of the other hosts; the host's own record enters with its earlier
    days, the day before left out. What is judged never vouches for itself, and an intruder who
    stays is not excused by what he does later. Without `own_record` the host's own days count for
    nothing, which is how it is asked what looks suspicious at all. Rows keep their order.
    """
    if findings.is_empty() or exposure.cells.is_empty():
        return findings
    rows = findings.select(
        "kind",
        pl.col("surprise").alias("prior"),
        pl.col("rule_uid").alias("rule"),
        pl.col("time").dt.date().alias("day"),
    ).with_columns(host_of(findings), pl.int_range(pl.len()).alias("row"))
    rules = rows.filter(pl.col("kind") == FindingKind.RULE, pl.col("day").is_not_null())
    if rules.is_empty():
        return findings
    before = (pl.col("day") - pl.col("seen")) > pl.duration(days=1)
    questions = rules.select("rule", "host", "day").unique()
    host_days = questions.select("host", "day").unique()
    cells = exposure.cells.rename({"day": "seen"})
    days = host_days.join(cells, on="host", how="left").group_by("host", "day").agg(
        before.sum().alias("host_days"),
        pl.col("seen").is_not_null().sum().alias("own_days"),
    )  # fmt: skip
    hits = exposure.hits.rename({"day": "seen"})
    total = hits.group_by("rule").agg(pl.col("weight").sum().alias("rule_hits"))
    record = questions.join(hits, on=["rule", "host"], how="left")
    fired = record.group_by("rule", "host", "day").agg(
        pl.col("weight").filter(before).sum().alias("host_hits"),
        pl.col("weight").sum().alias("own_hits"),
    )  # fmt: skip
    priors = rules.group_by("rule").agg(pl.col("prior").first())
    estate = (ESTATE_PSEUDO_DAYS * pl.col("prior") + pl.col("rule_hits") - pl.col("own_hits")) / (
        ESTATE_PSEUDO_DAYS + exposure.cells.height - pl.col("own_days")
    )
    own = (HOST_PSEUDO_DAYS * pl.col("estate") + pl.col("host_hits")) / (
        HOST_PSEUDO_DAYS + pl.col("host_days")
    )
    rates_of = (own, pl.col("estate")) if own_record else (pl.col("estate"),)
    rates = (
        fired.join(days, on=["host", "day"])
        .join(total, on="rule", how="left")
        .join(priors, on="rule")
        .with_columns(pl.col("rule_hits", "own_hits", "host_hits").fill_null(0.0))
        .with_columns(estate.alias("estate"))
        # Quiet here makes a rule rarer than its level says, but never by more than tenfold:
        # silence on few host-days proves little.
        .with_columns(pl.max_horizontal(*rates_of, pl.col("prior") / 10).alias("rate"))
        .select("rule", "host", "day", pl.col("rate").clip(1e-9, 1.0))
    )
    rated = rows.join(rates, on=["rule", "host", "day"], how="left", maintain_order="left")
    known = (pl.col("kind") == FindingKind.RULE) & pl.col("rate").is_not_null()
    surprise = rated.select(
        pl.when(known).then(pl.col("rate")).otherwise(pl.col("prior")).alias("surprise")
    )["surprise"]
    return findings.with_columns(surprise)
