"""How well scores tell two classes apart, with intervals from resampled groups.

True positive rates are at a false positive rate, because at production rates nothing else
counts. Intervals are percentiles of a bootstrap that draws whole groups: rows of one group are
one piece of evidence, not many.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
DRAWS = 200


@dataclass(frozen=True, slots=True)
class Number:
    """A measured value with its 95 % interval."""

    value: float
    low: float
    high: float

    def document(self) -> dict[str, float]:
        """As it stands in `report.json`; six decimals, the interval around the value."""
        value, low, high = (round(float(one), 6) for one in (self.value, self.low, self.high))
        return {"value": value, "low": min(low, value), "high": max(high, value)}

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def exact(value: float) -> Number:
    """A number without an interval."""
    return Number(float(value), float(value), float(value))


def threshold_at(negatives: Scores, rate: float) -> float:
    """The score that at most this share of negatives exceeds; infinity without negatives."""
    if len(negatives) == 0:
        return float("inf")
    ordered = np.sort(negatives)[::-1]
    return float(ordered[min(int(rate * len(ordered)), len(ordered) - 1)])


def tpr_at(negatives: Scores, positives: Scores, rate: float) -> float:
    """The share of positives above the threshold that `rate` of the negatives exceed."""
    if len(positives) == 0:
        return float("nan")
    return float(np.mean(positives > threshold_at(negatives, rate)))


def auc(negatives: Scores, positives: Scores) -> float:
    """The chance that a positive scores above a negative; ties count half (Mann-Whitney)."""
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, side="left")
    upto = np.searchsorted(ordered, positives, side="right")
    return float((below + upto).mean() / 2 / max(len(negatives), 1))


def f1_at(negatives: Scores, positives: Scores, threshold: float) -> float:
    """F1 of class 1 at a threshold."""
    hits = float((positives > threshold).sum())
    wrong = float((negatives > threshold).sum())
    return 2 * hits / max(2 * hits + wrong + len(positives) - hits, 1e-12)


Measure = Callable[[Scores, Scores], float]

MEASURES: dict[str, Measure] = {
    "auc": auc,
    "tpr_at_1pct": lambda n, p: tpr_at(n, p, 0.01),
    "tpr_at_0.1pct": lambda n, p: tpr_at(n, p, 0.001),
}


class _Groups:
    """Rows by group, to draw groups with replacement."""

    def __init__(self, groups: NDArray[np.str_]) -> None:
        _, place = np.unique(groups, return_inverse=True)
        self.order = np.argsort(place, kind="stable")
        counts = np.bincount(place)
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.counts = counts

    def draw(self, random: np.random.Generator) -> NDArray[np.int64]:
        chosen = random.integers(0, len(self.counts), len(self.counts))
        lengths = self.counts[chosen]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        rows: NDArray[np.int64] = self.order[np.repeat(self.starts[chosen], lengths) + within]
        return rows


def measured(
    negatives: Scores,
    positives: Scores,
    *,
    negative_groups: NDArray[np.str_] | None = None,
    positive_groups: NDArray[np.str_] | None = None,
    measures: dict[str, Measure] | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, Number]:
    """Each measure with its interval; groups default to single rows, as does a lone group.

    A class of one group has no spread between groups to resample: its rows are drawn instead,
    which says how sure the figure is of that group and nothing of others.
    """
    measures = MEASURES if measures is None else measures
    sides = [_drawer(negatives, negative_groups), _drawer(positives, positive_groups)]
    random = np.random.default_rng(seed)
    found: dict[str, list[float]] = {name: [] for name in measures}
    if len(negatives) and len(positives):
        for _ in range(draws):
            drawn = negatives[sides[0].draw(random)], positives[sides[1].draw(random)]
            for name, measure in measures.items():
                found[name].append(measure(*drawn))
    numbers: dict[str, Number] = {}
    for name, measure in measures.items():
        value = measure(negatives, positives)
        low, high = np.percentile(found[name], [2.5, 97.5]) if found[name] else (value, value)
        numbers[name] = Number(value, min(low, value), max(high, value))
    return numbers


def _drawer(scores: Scores, groups: NDArray[np.str_] | None) -> _Groups:
    if groups is None or len(np.unique(groups)) < 2:
        groups = np.arange(len(scores)).astype(np.str_)
    return _Groups(groups)


def spread(values: Scores, seed: int = 0) -> Number:
    """The mean of one figure a group (a family, a seed), with its bootstrap interval."""
    random = np.random.default_rng(seed)
    drawn = [float(random.choice(values, len(values)).mean()) for _ in range(500)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    mean = float(values.mean())
    return Number(mean, min(float(low), mean), max(float(high), mean))


def proportion(found: NDArray[np.bool_]) -> Number:
    """A share with its Wilson interval."""
    n, p, z = len(found), float(found.mean()), 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Number(p, min(p, max(0.0, float(middle - half))), max(p, min(1.0, float(middle + half))))
