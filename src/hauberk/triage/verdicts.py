"""What people's verdicts change: what an analytic's word counts for, and how likely is likely.

Two corrections, both computed from the verdicts alone, so that the same verdicts always give the
same ranking:

*What an analytic's word counts for.* A verdict on an incident is a verdict on the analytics that
made it, each to its share of the evidence. With w the posterior mean of Beta(2 + wrong, 2 + right),
the bits of its findings count 2 (1 - w) times, between LEAST_WORTH and MOST_WORTH.

*How likely is likely.* The log odds x that incidents had when they were judged are fitted to what
was said (Platt scaling: a x + b, maximum a posteriori with a ~ N(1, 1/4), b ~ N(0, 1 bit), so that
few verdicts change next to nothing), and only where verdicts speak for it: nothing rises below all
that was found true, nothing falls above all that was found to be none. No shift is larger than
MOST_SHIFT.

Who has one account must not be able to silence. Each analyst's verdicts on an analytic count
MOST_OF_ONE together and MOST_A_DAY a day at most; and no analyst's verdicts lower an incident by
more than MOST_BY_ONE bits against what the others' alone make of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from hauberk.events import TIME

from .agreement import ANSWER_SCHEMA, CLASSES, Truth, truth_of
from .days import surprise_of
from .interface import Incident, Reason
from .ranking import within_budget
from .surprise import analytic_of, evidence_bits

VERDICT_SCHEMA = pl.Schema(
    {
        "position": pl.Int64(),  # in the ledger
        "act": pl.String(),
        "at": TIME,
        "by": pl.String(),
        "incident": pl.String(),
        "verdict": pl.String(),  # one of CLASSES
        "question": pl.Boolean(),  # an answer to a gold question: it decides nothing
        "odds": pl.Float64(),  # log2 odds of the incident then, without this correction
        "analytics": pl.List(pl.Struct({"analytic": pl.String(), "share": pl.Float64()})),
    }
)
"""One row is one verdict as the ledger holds it."""

GOLD_SCHEMA = pl.Schema(
    {
        "position": pl.Int64(),
        "incident": pl.String(),
        "threat": pl.Boolean(),
        "by": pl.String(),
        "reason": pl.String(),
    }
)
"""One row is one incident of which the truth is known."""

PRIOR = 2.0
"""Right and wrong verdicts that every analytic begins with."""

MOST_OF_ONE, MOST_A_DAY = 2.0, 1.0
LEAST_WORTH, MOST_WORTH = 0.4, 1.2

SLOPE_DEVIATION, OFFSET_DEVIATION = 0.25, 1.0
LEAST_SLOPE = 0.2
MOST_SHIFT = 3.0
MOST_BY_ONE = 1.0
DAY_OF_ONE, ALL_OF_ONE = 3.0, 20.0
"""Verdicts of one analyst that count for the fit: a day, and in all."""

HALF_LIFE_DAYS = 180.0
"""Days in which a verdict's weight is halved, counted back from the newest one."""

LEAST_WEIGHT = 0.2
"""Weight of who is right no more often than chance: nobody can talk another's word down to none."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of a home, up to a position of its ledger.

    `given` is VERDICT_SCHEMA, `gold` GOLD_SCHEMA; `until` is the first position not looked at,
    `kept` that of what the home's state holds already.
    """

    given: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=VERDICT_SCHEMA))
    gold: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=GOLD_SCHEMA))
    until: int = 0
    kept: int = 0

    @cached_property
    def standing(self) -> pl.DataFrame:
        """The last verdict of each analyst on each incident, answers to questions left out."""
        return _last(self.given.filter(~pl.col("question")))

    @cached_property
    def answers(self) -> pl.DataFrame:
        """The last answer of each analyst about each incident (ANSWER_SCHEMA), questions too."""
        return _last(self.given).select(ANSWER_SCHEMA.names())

    @cached_property
    def truth(self) -> Truth:
        """What all answers say together."""
        known = dict(self.gold.sort("position").select("incident", "threat").iter_rows())
        return truth_of(self.answers, known)

    @cached_property
    def weighed(self) -> pl.DataFrame:
        """`standing` with `weight`: how reliable who gave it is, and how old it is."""
        weights = {
            name: max(LEAST_WEIGHT, 2 * one - 1) for name, one in self.truth.reliability().items()
        }
        age = (pl.col("at").max() - pl.col("at")).dt.total_seconds() / 86_400
        reliable = pl.col("by").replace_strict(weights, default=0.0, return_dtype=pl.Float64)
        return self.standing.with_columns(
            (reliable * 0.5 ** (age / HALF_LIFE_DAYS)).alias("weight")
        )

    @cached_property
    def analytics(self) -> Mapping[str, "AnalyticRecord"]:
        """What was said of each analytic that had part in a judged incident."""
        return _analytics(self.weighed)

    @cached_property
    def correction(self) -> "Correction":
        """What verdicts make of an incident's odds."""
        return _correction(self.weighed)


def _last(given: pl.DataFrame) -> pl.DataFrame:
    known = given.filter(pl.col("verdict").is_in(list(CLASSES))).sort("position")
    return known.unique(["incident", "by"], keep="last", maintain_order=True)


@dataclass(frozen=True, slots=True)
class AnalyticRecord:
    """Verdicts on one analytic: each incident counts by the analytic's share in it.

    `wrong` and `right` are all of them, `wrong_rate` the posterior mean of being wrong; `worth` is
    what its bits are multiplied by, for which no analyst counts beyond the bounds.
    """

    wrong: float
    right: float
    verdicts: int
    analysts: int
    worth: float

    @property
    def wrong_rate(self) -> float:
        """How often it is wrong here: the mean of Beta(PRIOR + wrong, PRIOR + right)."""
        return (PRIOR + self.wrong) / (2 * PRIOR + self.wrong + self.right)


def _analytics(weighed: pl.DataFrame) -> dict[str, AnalyticRecord]:
    rows = (
        weighed.with_columns((pl.col("verdict") != CLASSES[0]).alias("is_wrong"))
        .explode("analytics")
        .drop_nulls("analytics")
        .unnest("analytics")
        .with_columns((pl.col("weight") * pl.col("share")).alias("worth"))
    )
    if rows.is_empty():
        return {}
    capped = (
        rows.group_by("analytic", "by", pl.col("at").dt.date().alias("day"))
        .agg(
            pl.col("worth").filter("is_wrong").sum().alias("wrong"),
            pl.col("worth").filter(~pl.col("is_wrong")).sum().alias("right"),
        )
        .with_columns(_kept(MOST_A_DAY))
        .group_by("analytic", "by")
        .agg(pl.col("wrong").sum(), pl.col("right").sum())
        .with_columns(_kept(MOST_OF_ONE))
        .group_by("analytic")
        .agg(pl.col("wrong").sum(), pl.col("right").sum(), pl.len().alias("analysts"))
    )
    whole = rows.group_by("analytic").agg(
        pl.col("share").filter("is_wrong").sum().alias("all_wrong"),
        pl.col("share").filter(~pl.col("is_wrong")).sum().alias("all_right"),
        pl.len().alias("verdicts"),
    )
    found = {}
    for row in capped.join(whole, on="analytic").sort("analytic").iter_rows(named=True):
        right = (PRIOR + row["right"]) / (2 * PRIOR + row["wrong"] + row["right"])
        worth = min(MOST_WORTH, max(LEAST_WORTH, 2 * right))
        found[row["analytic"]] = AnalyticRecord(
            row["all_wrong"], row["all_right"], row["verdicts"], row["analysts"], round(worth, 6)
        )
    return found


def _kept(most: float) -> list[pl.Expr]:
    """`wrong` and `right`, both scaled so that together they are no more than `most`."""
    both = pl.col("wrong") + pl.col("right")
    scale = pl.when(both > most).then(most / both).otherwise(1.0)
    return [pl.col("wrong") * scale, pl.col("right") * scale]


def held_against_verdicts(findings: pl.DataFrame, verdicts: Verdicts) -> pl.DataFrame:
    """Calibrated findings with the surprise that their analytic's word counts for, and why."""
    heard = {name: one for name, one in verdicts.analytics.items() if abs(one.worth - 1) > 1e-3}
    if not heard or findings.is_empty():
        return findings
    worth = {name: one.worth for name, one in heard.items()}
    words = {name: _word(one) for name, one in heard.items()}
    asked = findings.select(
        pl.col("surprise").alias("p"),
        evidence_bits(pl.col("surprise")).alias("bits"),
        analytic_of().replace_strict(worth, default=1.0, return_dtype=pl.Float64).alias("worth"),
        analytic_of().replace_strict(words, default=None, return_dtype=pl.String).alias("word"),
    )
    bits, factor, p = (asked[name].to_numpy() for name in ("bits", "worth", "p"))
    told = (factor != 1.0) & (bits > 0)
    surprise = np.where(told, surprise_of(bits * factor), p)
    reason = pl.struct(pl.col("word").alias("text"), value=pl.lit(""), bits=pl.lit(0.0))
    return (
        findings.with_columns(
            asked["word"], pl.Series("surprise", surprise), pl.Series("told", told)
        )
        .with_columns(
            pl.when("told")
            .then(pl.col("reasons").fill_null([]).list.concat(pl.concat_list(reason)))
            .otherwise("reasons")
            .alias("reasons")
        )
        .select(findings.columns)
    )


def _word(record: AnalyticRecord) -> str:
    return (
        f"people here found it wrong in {record.wrong:.1f} of {record.wrong + record.right:.1f}"
        f" verdicts ({record.analysts} analysts): its word counts {record.worth:.2f} times"
    )


@dataclass(frozen=True, slots=True)
class Line:
    """x becomes `slope` x + `offset`, for x between `low` and `high`; beyond, as at the bound.

    Odds rise only from `rises_from` on, where something so likely was found true, and fall only up
    to `falls_to`, where something so likely was found to be none.
    """

    slope: float = 1.0
    offset: float = 0.0
    low: float = 0.0
    high: float = 0.0
    rises_from: float = math.inf
    falls_to: float = -math.inf

    def shift(self, odds: float) -> float:
        """Bits by which log2 odds move."""
        judged = min(max(odds, self.low), self.high)
        moved = (self.slope - 1) * judged + self.offset
        if (moved > 0 and odds < self.rises_from) or (moved < 0 and odds > self.falls_to):
            return 0.0
        return min(MOST_SHIFT, max(-MOST_SHIFT, moved))


@dataclass(frozen=True, slots=True)
class Correction:
    """What `used` verdicts make of odds; `without` is the same without each analyst in turn."""

    used: int = 0
    line: Line = Line()
    without: Sequence[Line] = ()

    def shift(self, odds: float) -> float:
        """Bits by which log2 odds move: as all say, and within MOST_BY_ONE of all but any one."""
        if not self.used:
            return 0.0
        moved = self.line.shift(odds)
        others = [one.shift(odds) for one in self.without]
        moved = min(moved, min(others) + MOST_BY_ONE)
        return max(moved, max(others) - MOST_BY_ONE)


def _correction(weighed: pl.DataFrame) -> Correction:
    rows = (
        weighed.filter(pl.col("odds").is_finite())
        .with_columns(pl.col("odds").clip(-30.0, 30.0))
        .with_columns(_capped(["by", pl.col("at").dt.date()], DAY_OF_ONE))
        .with_columns(_capped(["by"], ALL_OF_ONE))
        .sort("position")
    )
    if rows.is_empty():
        return Correction()
    return Correction(
        rows.height,
        _line(rows),
        [_line(rows.filter(pl.col("by") != name)) for name in rows["by"].unique().sort()],
    )


def _capped(over: Sequence[str | pl.Expr], most: float) -> pl.Expr:
    total = pl.col("weight").sum().over(over)
    return pl.when(total > most).then(pl.col("weight") * most / total).otherwise("weight")


def _line(rows: pl.DataFrame) -> Line:
    """Maximum a posteriori by Newton's method; the objective is strictly convex."""
    if rows.is_empty():
        return Line()
    x, weight = rows["odds"].to_numpy(), rows["weight"].to_numpy()
    y = (rows["verdict"] == CLASSES[0]).to_numpy().astype(np.float64)
    design = np.stack([x, np.ones_like(x)])
    centre = np.array([1.0, 0.0])
    precision = np.diag([1 / SLOPE_DEVIATION**2, 1 / OFFSET_DEVIATION**2])
    at = centre.copy()
    nat = np.log(2.0)
    for _ in range(50):
        p = 1 / (1 + np.exp(-nat * np.clip(at @ design, -60, 60)))
        gradient = nat * design @ (weight * (p - y)) + precision @ (at - centre)
        curve = nat**2 * (design * (weight * p * (1 - p))) @ design.T + precision
        step = np.linalg.solve(curve, gradient)
        at = at - step * min(1.0, 1.0 / max(1e-9, float(np.abs(step).max())))
        if float(np.abs(step).max()) < 1e-10:
            break
    slope = max(LEAST_SLOPE, float(at[0]))
    return Line(
        round(slope, 9),
        round(float(at[1]), 9),
        float(x.min()),
        float(x.max()),
        float(x[y == 1].min(initial=math.inf)),
        float(x[y == 0].max(initial=-math.inf)),
    )


def corrected(
    incidents: Sequence[Incident], verdicts: Verdicts, budget: float, floor: float
) -> list[Incident]:
    """Incidents with the probabilities that verdicts leave them, ranked anew.

    The correction stands among the reasons, with its numbers.
    """
    correction = verdicts.correction
    moved = [_moved(one, correction) for one in incidents]
    moved.sort(key=lambda one: (-one.probability, -one.severity_id, one.start, one.uid))
    return within_budget(moved, budget, floor)


def odds_before(incident: Incident) -> float:
    """Log2 odds of an incident without the correction by verdicts."""
    parts = [one.bits for one in incident.reasons if one.finding_uid]
    return incident.prior_bits + incident.tactic_bits + sum(parts)


def _moved(incident: Incident, correction: Correction) -> Incident:
    odds = odds_before(incident)
    shift = correction.shift(odds)
    if abs(shift) < 0.005:
        return incident
    before, after = (1 / (1 + 2.0**-one) for one in (odds, odds + shift))
    many = f"{correction.used} verdict" + ("" if correction.used == 1 else "s")
    said = f"calibrated by {many}: {before:.2f} → {after:.2f}"
    reasons = [*incident.reasons, Reason(said, "", shift)]
    return replace(incident, probability=after, reasons=reasons)
