"""How far two distributions lie apart, from counts, and where a stream of means changed.

Distances, not p-values: with enough data every difference is significant and few matter.
"""

import math
from collections.abc import Sequence

import numpy as np


def ks_distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Kolmogorov-Smirnov distance of two histograms over the same bins, 0 to 1.

    0 where either is empty: nothing is known, and the number of samples says so elsewhere.

    >>> ks_distance([10, 0], [0, 5])
    1.0
    """
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"histograms of {first.size} and of {second.size} bins")
    if not first.sum() or not second.sum():
        return 0.0
    apart = np.abs(np.cumsum(first) / first.sum() - np.cumsum(second) / second.sum())
    return float(apart.max(initial=0.0))


def adwin_cut(counts: Sequence[int], sums: Sequence[float], delta: float = 0.002) -> int | None:
    """Where the mean of values within 0 and 1 changed most surely: index of a bucket, or None.

    Bucket i holds counts[i] values that add up to sums[i]. A cut is where both sides' means differ
    by more than chance allows at confidence delta over all cuts.

    Source: Bifet, Gavalda 2007, "Learning from time-changing data with adaptive windowing",
    theorem 3.1 with the variance of the window.
    """
    total, whole = sum(counts), sum(sums)
    if total == 0:
        return None
    mean = min(1.0, max(0.0, whole / total))
    variance = mean * (1 - mean)
    log_term = math.log(2 * math.log(max(total, 3)) / delta)
    found, surest = None, 1.0
    left, left_sum = 0, 0.0
    for index in range(1, len(counts)):
        left, left_sum = left + counts[index - 1], left_sum + sums[index - 1]
        right = total - left
        if not left or not right:
            continue
        harmonic = 1 / (1 / left + 1 / right)
        bound = math.sqrt(2 / harmonic * variance * log_term) + 2 / (3 * harmonic) * log_term
        apart = abs(left_sum / left - (whole - left_sum) / right)
        if apart > bound * surest:
            found, surest = index, apart / bound
    return found
