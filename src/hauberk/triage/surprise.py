"""One scale for all findings: the p-value, and the bits of evidence that it is worth at most.

Detectors say how often a single judgement of theirs comes out so strong; a person reads whole
days. So every p-value is held against the record of host-days here: on how many others did the same
analytic say something at least as strong, although nothing was wrong? A rule says the same each
time it fires, so for rules this is the share of host-days on which it fires at all.
"""

import math
from dataclasses import dataclass, field

import polars as pl

from hauberk.events import FindingKind

ESTATE_PSEUDO_DAYS = 10.0
"""Host-days of observation that a detector's own word is worth against the estate's record."""

HOST_PSEUDO_DAYS = 5.0
"""Host-days that the estate's rate is worth against one host's own record."""

SUSPICIOUS_WEIGHT = 0.1
"""Weight at which a host-day that lies in a likely incident enters a base rate.

An attacker who repeats himself to be taken for the weather pays ten times the days.
"""

AT_ONCE_SECONDS = 30
"""Findings of one analytic that follow each other so soon are one doing on many hosts."""

SELDOM = 0.01
"""Largest p of a word that is taken so."""

DOING_MINUTES = 15
"""Longest such doing: what goes on for longer is the usual state of things."""

_CELLS = pl.Schema({"host": pl.String(), "day": pl.Date()})
_HITS = pl.Schema({"rule": pl.String(), **_CELLS, "strength": pl.Float64(), "weight": pl.Float64()})
_BY_RULE = [FindingKind.RULE, FindingKind.NETWORK, FindingKind.AUTHENTICATION]
_SUBJECT = r"^(host|principal|ip):"
_SESSION = r"(:assumed-role/[^/]+)/.*$"


@dataclass(frozen=True, slots=True)
class Exposure:
    """What was watched and what was said of it, in host-days.

    `cells` (host, day): host-days with any event; a host is `host:name`, or `ip:address` where
    only the network tells of it, or `principal:name` in a cloud, or "" where nothing does.
    `hits` (rule, host, day, strength, weight): host-days on which an analytic spoke, the smallest
    p that it gave, and weight 1 or, inside a likely incident, SUSPICIOUS_WEIGHT.
    """

    cells: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_CELLS))
    hits: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_HITS))

    def joined(self, cells: pl.DataFrame, hits: pl.DataFrame) -> "Exposure":
        """Add host-days; one seen before keeps its lower weight, so that a doubt once had stays."""
        return Exposure(
            pl.concat([self.cells, cells.select(_CELLS.names())]).unique(),
            pl.concat([self.hits, hits.select(_HITS.names())])
            .group_by("rule", "host", "day")
            .agg(pl.col("strength").min(), pl.col("weight").min())
            .select(_HITS.names()),
        )

    def subjects_a_day(self) -> float:
        """How many subjects were watched on a usual day: the median over days."""
        if self.cells.is_empty():
            return 0.0
        days = self.cells.filter(pl.col("host") != "").group_by("day").len()
        return float(str(days["len"].median() or 0.0))


def evidence_bits(p: pl.Expr) -> pl.Expr:
    """Most bits that a p-value can be worth for the alternative: log2 of 1 / (-e p ln p).

    Source: T. Sellke, M. J. Bayarri, J. O. Berger, Calibration of p Values for Testing Precise
    Null Hypotheses, The American Statistician 55 (2001). Zero for p >= 1/e.
    """
    safe = p.clip(1e-12, 1 / math.e)
    bits = -(safe * -safe.log() * math.e).log(2.0)
    return pl.when(p < 1 / math.e).then(bits).otherwise(0.0)


def host_of(findings: pl.DataFrame) -> pl.Series:
    """The subject each finding is first about: a host, else a cloud principal, else an address.

    "" where there is none.
    """
    named = pl.col("entities").list.eval(pl.element().filter(pl.element().str.contains(_SUBJECT)))
    first = [
        named.list.eval(pl.element().filter(pl.element().str.starts_with(kind))).list.first()
        for kind in ("host:", "principal:")
    ]
    return findings.select(
        without_session(pl.coalesce(*first, named.list.first())).fill_null("").alias("host")
    )["host"]


def without_session(principal: pl.Expr) -> pl.Expr:
    """Principals as one watches them: a role, whatever its session is called each time."""
    return principal.str.replace(_SESSION, "$1")


def kind_of(subject: pl.Expr) -> pl.Expr:
    """What kind of subject: `host`, `ip`, `principal`. Only its like can say what it says."""
    return subject.str.split(":").list.first()


def spoken(findings: pl.DataFrame, suspicious: set[str] | None = None) -> pl.DataFrame:
    """Host-days on which analytics spoke. `suspicious`: uids of findings in likely incidents."""
    doubted = pl.col("uid").is_in(list(suspicious or ()))
    return (
        findings.with_columns(host_of(findings))
        .filter(pl.col("time").is_not_null())
        .select(
            analytic_of().alias("rule"),
            "host",
            pl.col("time").dt.date().alias("day"),
            pl.col("surprise").alias("strength"),
            pl.when(doubted).then(SUSPICIOUS_WEIGHT).otherwise(1.0).alias("weight"),
        )
        .group_by("rule", "host", "day")
        .agg(pl.col("strength").min(), pl.col("weight").min())
        .select(_HITS.names())
    )


def analytic_of() -> pl.Expr:
    """Who speaks: a rule by itself; every other detector as one, however many it tells of."""
    by_rule = pl.col("kind").is_in(_BY_RULE)
    return pl.when(by_rule).then(pl.col("rule_uid")).otherwise(pl.col("detector"))


def calibrate(
    findings: pl.DataFrame, exposure: Exposure, *, own_record: bool = True
) -> pl.DataFrame:
    """Replace each finding's p by how often something so strong is said of a host-day here.

    The estate's rate is that of the other hosts. A rule's finding is also held against the host's
    own earlier days, the day before left out (behaviour already knows its past). What is judged
    never vouches for itself, and an intruder who stays is not excused by what he does later.
    Without `own_record` the host's own days count for nothing, which is how it is asked what looks
    suspicious at all. Findings of other products come calibrated by host-hours and stay as they
    are. Rows keep their order.
    """
    if findings.is_empty() or exposure.cells.is_empty():
        return findings
    rows = findings.select(
        "kind",
        "time",
        pl.col("surprise").alias("p"),
        analytic_of().alias("rule"),
        pl.col("time").dt.date().alias("day"),
    ).with_columns(host_of(findings), pl.int_range(pl.len()).alias("row"))
    judged = rows.filter(pl.col("kind") != FindingKind.PRODUCT, pl.col("day").is_not_null())
    if judged.is_empty():
        return findings
    asked = judged.select("kind", "rule", "host", "day", "p").unique()
    rates = _estate(asked, exposure, one_doing(judged, exposure))
    if own_record:
        rules = asked.filter(pl.col("kind") == FindingKind.RULE)
        rates = _own(rates, rules.select("rule", "host", "day").unique(), exposure)
    # Quiet here makes a rule rarer than its level says, but never by more than tenfold: silence on
    # few host-days proves little. A p that was calibrated on more than host-days never shrinks.
    rated = rows.join(
        rates.select("rule", "host", "day", "p", "rate"),
        on=["rule", "host", "day", "p"], how="left", maintain_order="left",
    )  # fmt: skip
    floor = pl.when(pl.col("kind") == FindingKind.RULE).then(pl.col("p") / 10).otherwise("p")
    known = (pl.col("kind") != FindingKind.PRODUCT) & pl.col("rate").is_not_null()
    surprise = rated.select(
        pl.when(known)
        .then(pl.max_horizontal("rate", floor).clip(1e-12, 1.0))
        .otherwise("p")
        .alias("surprise")
    )["surprise"]
    return findings.with_columns(surprise)


def one_doing(judged: pl.DataFrame, exposure: Exposure) -> pl.DataFrame:
    """Hits of other hosts that came with a host's own: one row (rule, host, day, along).

    What says of itself that it is seldom right by chance and says it of ten hosts within moments
    speaks of one doing, and the ten do not vouch for each other that it is common: together they
    count as one. `along` is the weight beyond that. Not so for weak words and for what is merely
    rare: the system's own jobs run everywhere at the same minute.
    """
    merely_rare = pl.col("rule").str.starts_with("rarity-")
    steps = (
        judged.filter(pl.col("p") <= SELDOM, ~merely_rare)
        .select("rule", "host", "day", "time")
        .sort("rule", "time")
        .with_columns(
            (pl.col("time").diff().over("rule") > pl.duration(seconds=AT_ONCE_SECONDS))
            .fill_null(value=True)
            .cum_sum()
            .alias("doing")
        )
    )
    hasty = pl.col("time").max() - pl.col("time").min() <= pl.duration(minutes=DOING_MINUTES)
    brief = steps.group_by("rule", "doing").agg(hasty.alias("hasty")).filter("hasty")
    seen = (
        steps.join(brief, on=["rule", "doing"], how="semi")
        .select("rule", "host", "day", "doing")
        .unique()
        .join(exposure.hits.select("rule", "host", "day", "weight"), on=["rule", "host", "day"])
    )
    beside = pl.col("weight").sum().over("rule", "doing") - pl.col("weight")
    return (
        seen.with_columns((beside - 1.0).clip(lower_bound=0.0).alias("along"))
        .group_by("rule", "host", "day")
        .agg(pl.col("along").max())
    )


def _estate(asked: pl.DataFrame, exposure: Exposure, doing: pl.DataFrame) -> pl.DataFrame:
    """`asked` with `rate`: how often other hosts' days heard the analytic say something as strong.

    Counted where there is something to count. Below that, extrapolated: a detector judges a host
    many times a day, so a single judgement's p says too little of a day; were its p-values uniform,
    days with one at least as strong would fall in proportion to p from those it reported at all.
    """
    # Weights in one order each time: a sum's last digit must not change from run to run.
    hits = exposure.hits.sort("strength", "rule", "host", "day")
    everywhere = hits.select(
        "rule", "strength", pl.col("weight").cum_sum().over("rule").alias("all_hits")
    )
    at_home = hits.select(
        "rule", "host", "strength",
        pl.col("weight").cum_sum().over("rule", "host").alias("own_hits"),
    )  # fmt: skip
    days = exposure.cells.group_by("host").agg(pl.len().alias("own_days"))
    totals = hits.group_by("rule").agg(
        pl.col("weight").sum().alias("total"), pl.col("strength").max().alias("weakest")
    )
    totals_at_home = hits.group_by("rule", "host").agg(pl.col("weight").sum().alias("own_total"))
    # A float that went through a file must still meet itself.
    strongest = asked.with_columns((pl.col("p") * (1 + 1e-9)).alias("reach")).sort("reach")
    met = strongest.join_asof(
        everywhere, left_on="reach", right_on="strength", by="rule", check_sortedness=False
    ).join_asof(
        at_home, left_on="reach", right_on="strength", by=["rule", "host"], check_sortedness=False
    )
    along = pl.col("along").fill_null(0.0)
    others = pl.col("all_hits").fill_null(0.0) - pl.col("own_hits").fill_null(0.0) - along
    others = others.clip(lower_bound=0.0)
    kinds = exposure.cells.group_by(kind_of(pl.col("host")).alias("like")).agg(
        pl.len().alias("watched")
    )
    watched = pl.col("watched").fill_null(0) - pl.col("own_days").fill_null(0)
    counted = (ESTATE_PSEUDO_DAYS * pl.col("p") + others) / (ESTATE_PSEUDO_DAYS + watched)
    speaking = pl.col("total").fill_null(0.0) - pl.col("own_total").fill_null(0.0) - along
    speaking = speaking.clip(lower_bound=0.0)
    extrapolated = pl.col("p") / pl.col("weakest") * speaking / (ESTATE_PSEUDO_DAYS + watched)
    # Silence proves no more than the days that it lasted.
    silent = pl.min_horizontal("p", 1.0 / (1.0 + watched))
    return (
        met.join(days, on="host", how="left")
        .join(doing, on=["rule", "host", "day"], how="left")
        .with_columns(kind_of(pl.col("host")).alias("like"))
        .join(kinds, on="like", how="left")
        .join(totals, on="rule", how="left")
        .join(totals_at_home, on=["rule", "host"], how="left")
        .with_columns(pl.max_horizontal(counted, extrapolated, silent).clip(0.0, 1.0).alias("rate"))
    )


def _own(rates: pl.DataFrame, asked: pl.DataFrame, exposure: Exposure) -> pl.DataFrame:
    """`rates`, raised to the host's own record where its earlier days heard the rule as well."""
    before = (pl.col("day") - pl.col("seen")) > pl.duration(days=1)
    cells = exposure.cells.rename({"day": "seen"})
    days = (
        asked.select("host", "day").unique().join(cells, on="host", how="left")
        .group_by("host", "day").agg(before.sum().alias("host_days"))
    )  # fmt: skip
    hits = exposure.hits.rename({"day": "seen"})
    fired = (
        asked.join(hits, on=["rule", "host"], how="left").group_by("rule", "host", "day")
        .agg(pl.col("weight").filter(before).sum().alias("host_hits"))
    )  # fmt: skip
    own = (HOST_PSEUDO_DAYS * pl.col("rate") + pl.col("host_hits").fill_null(0.0)) / (
        HOST_PSEUDO_DAYS + pl.col("host_days").fill_null(0)
    )
    joined = rates.join(fired, on=["rule", "host", "day"], how="left").join(
        days, on=["host", "day"], how="left"
    )
    return joined.with_columns(pl.max_horizontal("rate", own).alias("rate"))
