"""Whether one model is better than another on the same records.

DeLong's test for two AUCs (E. DeLong, D. DeLong, D. Clarke-Pearson, Biometrics 44, 1988, in the
rank form of X. Sun and W. Xu, IEEE Signal Processing Letters 21, 2014), McNemar's exact test for
two sets of decisions, and a paired bootstrap of groups for any measure.
"""

from math import comb, erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from .metrics import Measure, Number, Scores, _Groups


def delong(first: tuple[Scores, Scores], second: tuple[Scores, Scores]) -> tuple[float, float]:
    """The difference of AUCs (first minus second) and its two-sided p-value.

    Each side is (scores of negatives, scores of positives), rows in the same order.
    """
    parts = [_placements(*side) for side in (first, second)]
    aucs = [float(positive.mean()) for _, positive in parts]
    on_negatives = np.cov(np.stack([negative for negative, _ in parts]))
    on_positives = np.cov(np.stack([positive for _, positive in parts]))
    covariance = on_negatives / len(first[0]) + on_positives / len(first[1])
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    difference = aucs[0] - aucs[1]
    if variance <= 1e-18:
        return float(difference), 1.0 if abs(difference) < 1e-12 else 0.0
    return float(difference), erfc(abs(difference) / sqrt(2 * float(variance)))


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """The exact two-sided p-value that two series of right and wrong decisions are equally good."""
    one = int((first & ~second).sum())
    other = int((second & ~first).sum())
    count = one + other
    if count == 0:
        return 1.0
    tail = sum(comb(count, k) for k in range(min(one, other) + 1))
    return float(min(1.0, 2 * tail / 2**count))


def paired(
    measure: Measure,
    first: tuple[Scores, Scores],
    second: tuple[Scores, Scores],
    groups: tuple[NDArray[np.str_], NDArray[np.str_]],
    seed: int = 0,
    draws: int = 300,
) -> Number:
    """First minus second of a measure, groups drawn alike for both."""
    random = np.random.default_rng(seed)
    sides = [_Groups(side) for side in groups]
    found = []
    for _ in range(draws):
        rows = [side.draw(random) for side in sides]
        found.append(
            measure(first[0][rows[0]], first[1][rows[1]])
            - measure(second[0][rows[0]], second[1][rows[1]])
        )
    value = measure(*first) - measure(*second)
    low, high = np.percentile(found, [2.5, 97.5])
    return Number(value, min(low, value), max(high, value))


def _placements(negatives: Scores, positives: Scores) -> tuple[Scores, Scores]:
    """For each row the share of the other class that it is rightly ordered against."""

    def share_below(values: Scores, others: Scores) -> Scores:
        ordered = np.sort(others)
        left = np.searchsorted(ordered, values, side="left")
        right = np.searchsorted(ordered, values, side="right")
        found: Scores = (left + right) / 2 / len(others)
        return found

    return 1 - share_below(negatives, positives), share_below(positives, negatives)
