"""What a whole day of a subject adds up to, held against the days of all others here.

Each finding of an administrator's day is unlikely by itself, and there are ten of them every day:
their bits add up to an incident that is none. The estate knows better. For each subject and day
the bits of its findings are summed; the share of other subjects' days with a sum as large says
what all of them together are worth.

    u     = the sum that one in a hundred of the other days exceeds (at least FEWEST_IN_TAIL days)
    m     = by how much those that exceed it do so on average
    rate  = days with at least this sum / days; beyond u, share above u * exp(-(sum - u) / m)
    worth = evidence_bits(rate)

Each finding of the day keeps min(1, worth / what they would count for) of its bits. Days of the
same subject and of the same story do not vouch for it.
"""

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from .surprise import SUSPICIOUS_WEIGHT, Exposure, evidence_bits, host_of, kind_of
from .weighing import SAME_KIND

DAY = "(whole day)"
"""Name under which the sums stand among the hits of an exposure; their strength is 2^-sum."""

MOST_BITS = 1000.0
"""Largest sum that is told apart."""

FEWEST_DAYS = 30
"""Other days of the same kind of subject from which a comparison is worth making."""

TAIL_SHARE = 0.01
FEWEST_IN_TAIL = 5
"""The share of days, and at least how many, whose sums are the tail that is extrapolated."""

CHANCE_EXCESS = 1 / math.log(2)
"""Mean excess in bits if surprises were uniform; it weighs as much as EXCESS_WEIGHT days."""

EXCESS_WEIGHT = 2.0

TELLING = 1.0
"""Bits of a finding from which its story is one of the day's."""

MOST_IN_TAIL = 4000
"""Strongest sums of one kind of subject that are kept at hand."""

Floats = npt.NDArray[np.float64]


def day_sums(
    findings: pl.DataFrame, labels: npt.NDArray[np.int64], doubted: Collection[str] = ()
) -> pl.DataFrame:
    """Sums of calibrated findings: one row a subject and day.

    Columns host, day, sum (bits), counted (bits, each further analytic discounted as in a story),
    stories (those that any telling finding of the day is in), doubted.
    """
    return (
        findings.select(
            host_of(findings),
            pl.col("time").dt.date().alias("day"),
            "rule_uid",
            evidence_bits(pl.col("surprise")).alias("bits"),
            pl.Series("cluster", labels),
            pl.col("uid").is_in(list(doubted)).alias("doubted"),
        )
        .filter(pl.col("bits") > 0, pl.col("day").is_not_null(), pl.col("host") != "")
        .sort("bits", "host", "day", "rule_uid", descending=[True, False, False, False])
        .unique(["host", "day", "rule_uid"], keep="first", maintain_order=True)
        .with_columns(pl.int_range(pl.len()).over("host", "day").alias("place"))
        .group_by("host", "day", maintain_order=True)
        .agg(
            pl.col("bits").sum().clip(upper_bound=MOST_BITS).alias("sum"),
            (pl.col("bits") * SAME_KIND ** pl.col("place")).sum().alias("counted"),
            pl.col("cluster").filter(pl.col("bits") >= TELLING).unique().alias("stories"),
            pl.col("doubted").any(),
        )
    )


def held_against_days(
    findings: pl.DataFrame,
    labels: npt.NDArray[np.int64],
    exposure: Exposure,
    doubted: Collection[str] = (),
) -> tuple[Exposure, pl.DataFrame]:
    """Raise the surprise of findings whose whole day is worth less than they add up to.

    `labels` are the stories of the findings; `doubted` are uids of findings in likely incidents,
    whose days vouch for others at a fraction. Gives the exposure with these sums in it, too.
    """
    sums = day_sums(findings, labels, doubted)
    if sums.is_empty():
        return exposure, findings
    # What was said of a day before is said anew, by what is known now.
    again = exposure.hits.filter(pl.col("rule") == DAY).join(sums, on=["host", "day"], how="semi")
    hits = exposure.hits.join(again, on=["rule", "host", "day"], how="anti")
    exposure = Exposure(exposure.cells, pl.concat([hits, _as_hits(sums)]))
    shares = sums.select("host", "day", pl.Series("share", _shares(sums, exposure)))
    rows = findings.select(host_of(findings), pl.col("time").dt.date().alias("day"), "surprise")
    share = rows.join(shares, on=["host", "day"], how="left", maintain_order="left")["share"]
    kept = share.fill_null(1.0).to_numpy()
    bits = rows.select(evidence_bits(pl.col("surprise")).alias("bits"))["bits"].to_numpy()
    p = rows["surprise"].to_numpy()
    raised = np.where((kept < 1.0) & (bits > 0), np.maximum(p, surprise_of(bits * kept)), p)
    return exposure, findings.with_columns(pl.Series("surprise", raised))


def _as_hits(sums: pl.DataFrame) -> pl.DataFrame:
    return sums.select(
        pl.lit(DAY).alias("rule"),
        "host",
        "day",
        (2.0 ** -pl.col("sum")).alias("strength"),
        pl.when("doubted").then(SUSPICIOUS_WEIGHT).otherwise(1.0).alias("weight"),
    )


def surprise_of(bits: Floats) -> Floats:
    """The p-value that is worth so many bits: the inverse of `evidence_bits`, to a thousandth."""
    grid = np.exp(np.linspace(-1.0, math.log(1e-12), 8192))
    worth = -np.log2(-math.e * grid * np.log(grid))
    return np.asarray(np.exp(np.interp(bits, worth, np.log(grid))))


def _shares(sums: pl.DataFrame, exposure: Exposure) -> Floats:
    """The share of its bits that each day keeps, in row order."""
    known = (
        exposure.hits.filter(pl.col("rule") == DAY)
        .join(sums.select("host", "day", "stories"), on=["host", "day"], how="left")
        .with_columns(
            (-pl.col("strength").log(2.0)).alias("sum"),
            kind_of(pl.col("host")).alias("kind"),
        )
    )
    cells = exposure.cells.with_columns(kind_of(pl.col("host")).alias("kind"))
    own_days = cells.group_by("host").agg(pl.len().alias("own_days"))
    asked = (
        sums.with_columns(
            kind_of(pl.col("host")).alias("kind"), pl.int_range(pl.len()).alias("row")
        )
        .join(own_days, on="host", how="left")
        .with_columns(pl.col("own_days").fill_null(0))
    )
    shares = np.ones(sums.height)
    for (kind,), part in asked.group_by("kind"):
        tail = known.filter(pl.col("kind") == kind)
        tail = tail.sort("sum", "host", "day", descending=[True, False, False]).head(MOST_IN_TAIL)
        watched = cells.filter(pl.col("kind") == kind).height
        others = _Others(tail, watched)
        for row in part.iter_rows(named=True):
            shares[row["row"]] = others.share(row)
    return shares


class _Others:
    """Sums of one kind of subject, strongest first, asked for each day without its own."""

    def __init__(self, tail: pl.DataFrame, watched: int) -> None:
        self.sum = tail["sum"].to_numpy()
        self.weight = tail["weight"].to_numpy()
        self.watched = watched
        self.of_host: dict[str, list[int]] = {}
        self.of_story: dict[int, list[int]] = {}
        for place, (host, stories) in enumerate(tail.select("host", "stories").iter_rows()):
            self.of_host.setdefault(host, []).append(place)
            for story in stories or ():
                self.of_story.setdefault(story, []).append(place)

    def share(self, row: dict[str, Any]) -> float:
        """Which part of its bits a day may keep."""
        mine = set(self.of_host.get(row["host"], ()))
        story = {place for one in row["stories"] for place in self.of_story.get(one, ())}
        apart = np.ones(len(self.sum), dtype=np.bool_)
        apart[list(mine | story)] = False
        days = self.watched - row["own_days"] - len(story - mine)
        if days < FEWEST_DAYS:
            return 1.0
        rate = _rate(row["sum"], self.sum[apart], self.weight[apart], days)
        return min(1.0, _worth(rate) / float(row["counted"]))


def _rate(total: float, sums: Floats, weights: Floats, days: int) -> float:
    """Share of `days` with a sum of at least `total`; `sums` are the strongest, descending."""
    reach = float(weights[sums >= total].sum())
    wanted = max(FEWEST_IN_TAIL, TAIL_SHARE * days)
    heavy = np.cumsum(weights)
    place = int(np.searchsorted(heavy, wanted))
    above = float(sums[place]) if place < len(sums) else 0.0
    if total <= above:
        return reach / days
    tail = sums > above
    excess = float((weights[tail] * (sums[tail] - above)).sum()) + EXCESS_WEIGHT * CHANCE_EXCESS
    mean = excess / (float(weights[tail].sum()) + EXCESS_WEIGHT)
    beyond = max(float(weights[tail].sum()), 1.0) / days * math.exp(-(total - above) / mean)
    return max(beyond, reach / days)


def _worth(rate: float) -> float:
    if rate >= 1 / math.e:
        return 0.0
    return -math.log2(max(rate, 1e-12) * -math.log(max(rate, 1e-12)) * math.e)
