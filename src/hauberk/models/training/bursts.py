"""Names of one host judged together: a bot asks for many made-up names, a person for few.

The statistic of a burst is the sum of minus ln p over its names (R. Fisher, 1932), p from
ordinary names; its own threshold comes from bursts of ordinary names. Ordinary bursts are drawn
at random, which no host's names are: the rates are what independence would give.
"""

import numpy as np
from numpy.typing import NDArray

from hauberk.models.evaluation import Number, threshold_at

SIZES = (5, 10, 20)
BURSTS = 20_000


def burst_figures(
    ordinary: NDArray[np.float64], attacks: NDArray[np.float64], seed: int
) -> dict[str, Number]:
    """TPR at 0.1 % FPR of bursts of 5, 10 and 20 names, wholly and half made up."""
    random = np.random.default_rng(seed)
    half = random.permutation(len(ordinary))
    reference = np.sort(ordinary[half[: len(half) // 2]])
    fresh = _surprise(ordinary[half[len(half) // 2 :]], reference)
    made = _surprise(attacks, reference)
    numbers: dict[str, Number] = {}
    for size in SIZES:
        quiet = random.choice(fresh, (BURSTS, size)).sum(axis=1)
        limit = threshold_at(quiet, 0.001)
        for name, share in (("whole", 1.0), ("half", 0.5)):
            count = int(np.ceil(size * share))
            loud = random.choice(made, (2000, count)).sum(axis=1)
            loud = loud + random.choice(fresh, (2000, size - count)).sum(axis=1)
            value = float((loud > limit).mean())
            error = 1.96 * float(np.sqrt(max(value * (1 - value), 2.5e-4) / 2000))
            numbers[f"{name}_{size}"] = Number(
                value, max(0.0, value - error), min(1.0, value + error)
            )
    return numbers


def _surprise(scores: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    above = len(reference) - np.searchsorted(reference, scores, side="left")
    found: NDArray[np.float64] = -np.log((1.0 + above) / (len(reference) + 1.0))
    return found
