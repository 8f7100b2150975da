"""How far labels can be trusted: who gives which answers when what is true, and how many agree.

Nobody sees the truth. Where several answer about the same incident, what is true and how good each
of them is can be estimated together (A. P. Dawid, A. M. Skene, Maximum Likelihood Estimation of
Observer Error-Rates Using the EM Algorithm, Applied Statistics 28, 1979). Priors keep it sane where
there is little: everybody begins as right in two of three answers. Gold questions, whose truth is
known, hold the estimate to the ground: those who always agree with each other may all be wrong.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl

CLASSES = ("true", "benign but expected", "false")
"""What an answer may be, as verdicts say it."""

RIGHT, WRONG = 4.0, 1.0
"""Answers that each analyst is taken to have given before: right ones, wrong ones of each kind."""

ROUNDS, CLOSE = 200, 1e-7
RESAMPLES = 400
SEED = 2005
Z = 1.959964

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

ANSWER_SCHEMA = pl.Schema({"incident": pl.String(), "by": pl.String(), "verdict": pl.String()})
"""One row is the last answer of one analyst about one incident."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What answers say together.

    `posterior[i, k]`: how probable class k is of incident i. `confusion[a, k, l]`: how often
    analyst a says l where k is true. Rows follow `incidents` and `analysts`, classes CLASSES.
    """

    incidents: tuple[str, ...]
    analysts: tuple[str, ...]
    posterior: Floats
    confusion: Floats
    prevalence: Floats

    def reliability(self) -> dict[str, float]:
        """By analyst: how often what they say (true, or not) is so, 0.5 to 1."""
        threat = np.array([True, False, False])
        joint = self.prevalence[None, :, None] * self.confusion
        agree = threat[:, None] == threat[None, :]
        right = (joint * agree[None]).sum(axis=(1, 2))
        return {
            name: float(np.clip(one, 0.5, 1.0))
            for name, one in zip(self.analysts, right, strict=True)
        }


def truth_of(answers: pl.DataFrame, gold: dict[str, bool] | None = None) -> Truth:
    """Estimate truth and analysts together from answers (ANSWER_SCHEMA).

    `gold`: incidents of which it is known whether they were a threat; False leaves open whether
    they were expected. The same answers in any order give the same to the bit.
    """
    rows = answers.filter(pl.col("verdict").is_in(list(CLASSES))).sort("incident", "by")
    incidents = tuple(rows["incident"].unique().sort())
    analysts = tuple(rows["by"].unique().sort())
    item, who, said = _indexed(rows, incidents, analysts)
    size = len(CLASSES)
    allowed = np.ones((len(incidents), size))
    for at, name in enumerate(incidents):
        if gold and name in gold:
            allowed[at] = [1, 0, 0] if gold[name] else [0, 1, 1]
    prior = np.full((size, size), WRONG) + np.eye(size) * (RIGHT - WRONG)
    posterior = allowed.copy()
    np.add.at(posterior, (item, said), 1.0)
    posterior *= allowed
    posterior /= posterior.sum(axis=1, keepdims=True)
    confusion = np.tile(prior / prior.sum(axis=1, keepdims=True), (len(analysts), 1, 1))
    prevalence = np.full(size, 1 / size)
    for _ in range(ROUNDS):
        counts = np.tile(prior, (len(analysts), 1, 1))
        np.add.at(counts.transpose(0, 2, 1), (who, said), posterior[item])
        confusion = counts / counts.sum(axis=2, keepdims=True)
        prevalence = (posterior.sum(axis=0) + 1) / (len(incidents) + size)
        logs = np.tile(np.log(prevalence), (len(incidents), 1))
        np.add.at(logs, item, np.log(confusion[who, :, said]))
        after = np.exp(logs - logs.max(axis=1, keepdims=True)) * allowed
        after /= after.sum(axis=1, keepdims=True)
        moved = float(np.abs(after - posterior).max(initial=0.0))
        posterior = after
        if moved < CLOSE:
            break
    return Truth(incidents, analysts, posterior, confusion, prevalence)


def _indexed(
    rows: pl.DataFrame, incidents: tuple[str, ...], analysts: tuple[str, ...]
) -> tuple[Numbers, Numbers, Numbers]:
    places = [
        {name: at for at, name in enumerate(names)} for names in (incidents, analysts, CLASSES)
    ]
    columns = ("incident", "by", "verdict")
    found = [
        np.array([place[one] for one in rows[column].to_list()], dtype=np.int64)
        for column, place in zip(columns, places, strict=True)
    ]
    return found[0], found[1], found[2]


@dataclass(frozen=True, slots=True)
class Measured:
    """A number with the interval that it lies in 95 times of 100, and how much it rests on."""

    value: float
    low: float
    high: float
    n: int


def krippendorff(answers: pl.DataFrame) -> Measured | None:
    """Krippendorff's alpha of nominal answers, over incidents that at least two have answered.

    1 is agreement, 0 what chance would give. The interval is a bootstrap over incidents. None
    where no two answered about the same. Source: K. Krippendorff, Content Analysis, 3rd ed., 2013.
    """
    rows = answers.filter(pl.col("verdict").is_in(list(CLASSES)))
    several = rows.group_by("incident").agg(pl.len().alias("n")).filter(pl.col("n") > 1)
    rows = rows.join(several, on="incident", how="semi").sort("incident", "by")
    if rows.is_empty():
        return None
    incidents = tuple(rows["incident"].unique().sort())
    item, _, said = _indexed(rows, incidents, tuple(rows["by"].unique().sort()))
    counts = np.zeros((len(incidents), len(CLASSES)))
    np.add.at(counts, (item, said), 1.0)
    n = counts.sum(axis=1)
    pairs = (counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(3)) / (
        n[:, None, None] - 1
    )
    dice = np.random.default_rng(SEED)
    drawn = dice.multinomial(len(incidents), np.full(len(incidents), 1 / len(incidents)), RESAMPLES)
    alphas = _alpha(np.tensordot(drawn.astype(np.float64), pairs, axes=1))
    low, high = np.quantile(alphas, [0.025, 0.975])
    value = float(_alpha(pairs.sum(axis=0)[None])[0])
    return Measured(value, float(low), float(high), len(incidents))


def _alpha(coincidence: Floats) -> Floats:
    """Alpha of each coincidence matrix; 1 where all answers are of one kind."""
    of_kind = coincidence.sum(axis=2)
    n = of_kind.sum(axis=1)
    differ = n - np.trace(coincidence, axis1=1, axis2=2)
    by_chance = (n**2 - (of_kind**2).sum(axis=1)) / np.maximum(n - 1, 1e-9)
    return np.where(by_chance > 0, 1 - differ / np.maximum(by_chance, 1e-9), 1.0)


def cohen(answers: pl.DataFrame) -> dict[tuple[str, str], Measured]:
    """Cohen's kappa of each two analysts who answered about the same incidents.

    The interval is the usual large-sample one and wide, as it should be, for few.
    """
    said: dict[str, dict[str, str]] = {}
    for incident, by, verdict in answers.select(ANSWER_SCHEMA.names()).sort("by").iter_rows():
        said.setdefault(by, {})[incident] = verdict
    found = {}
    for one, other in combinations(sorted(said), 2):
        both = sorted(said[one].keys() & said[other].keys())
        if not both:
            continue
        mine = [said[one][incident] for incident in both]
        theirs = [said[other][incident] for incident in both]
        n = len(both)
        agreed = sum(a == b for a, b in zip(mine, theirs, strict=True)) / n
        chance = sum(mine.count(kind) * theirs.count(kind) for kind in CLASSES) / n**2
        if chance >= 1:
            found[one, other] = Measured(1.0, -1.0, 1.0, n)
            continue
        value = (agreed - chance) / (1 - chance)
        error = Z * float(np.sqrt(agreed * (1 - agreed) / n)) / (1 - chance)
        found[one, other] = Measured(value, max(-1.0, value - error), min(1.0, value + error), n)
    return found


def wilson(right: float, n: float) -> Measured:
    """A share with Wilson's interval (E. B. Wilson, JASA 22, 1927); all is possible for n = 0."""
    if n <= 0:
        return Measured(0.0, 0.0, 1.0, 0)
    share = right / n
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * float(np.sqrt(share * (1 - share) / n + Z**2 / (4 * n * n)))
    return Measured(share, max(0.0, middle - half), min(1.0, middle + half), round(n))
