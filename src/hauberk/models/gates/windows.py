"""Whether a change in what is judged would be noticed: windows of scores against calibration."""

import numpy as np
from numpy.typing import NDArray

from hauberk.models.evaluation import Number

from .interface import Trial

WINDOW = 300
WINDOWS = 50


def ks_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The largest distance between two empirical distribution functions."""
    points = np.concatenate([first, second])
    one = np.searchsorted(np.sort(first), points, side="right") / len(first)
    two = np.searchsorted(np.sort(second), points, side="right") / len(second)
    return float(np.abs(one - two).max())


def ks_limit(first: int, second: int, level: float = 0.01) -> float:
    """The distance that equal distributions exceed with this probability (asymptotic)."""
    return float(np.sqrt(-np.log(level / 2) / 2 * (first + second) / (first * second)))


def noticed_share(
    trial: Trial,
    intruding: NDArray[np.float64],
    random: np.random.Generator,
    share: float = 0.1,
) -> Number:
    """The share of windows with so many intruders that a KS test tells from ordinary ones."""
    ordinary = trial.negatives(trial.estimator)
    fresh = trial.pool.score(trial.estimator, trial.side(trial.test, 0))
    if len(intruding) == 0 or len(fresh) == 0:
        return Number(1.0, 1.0, 1.0)
    limit = ks_limit(len(ordinary), WINDOW)
    hits = 0
    for _ in range(WINDOWS):
        count = int(WINDOW * share)
        window = np.concatenate(
            [random.choice(fresh, WINDOW - count), random.choice(intruding, count)]
        )
        hits += ks_distance(ordinary, window) > limit
    value = hits / WINDOWS
    half = 1.96 * np.sqrt(max(value * (1 - value), 0.01) / WINDOWS)
    return Number(value, max(0.0, value - half), min(1.0, value + half))
