"""Scores to p-values (conformal) and to probabilities (Platt), on rows never trained on."""

import numpy as np
from numpy.typing import NDArray

KNOTS = 200


def conformal_knots(
    ordinary: NDArray[np.float64],
) -> tuple[list[float], list[float]]:
    """Knots (scores rising, p-values falling) of p(s) = (1 + ordinary scores >= s) / (n + 1).

    The highest scores each have a knot; between knots the straight line lies on or above the
    steps, so that it never claims more surprise than the data gives. V. Vovk, A. Gammerman,
    G. Shafer, Algorithmic Learning in a Random World, 2005.
    """
    rounded = np.sort(np.round(ordinary, 6))
    scores = np.unique(rounded)
    at_least = len(ordinary) - np.searchsorted(rounded, scores, side="left")
    p_values = (1.0 + at_least) / (len(ordinary) + 1.0)
    spaced = np.linspace(0, len(scores) - 1, KNOTS // 2).astype(np.int64)
    tail = np.arange(max(0, len(scores) - KNOTS // 2), len(scores))
    kept = np.unique(np.concatenate([spaced, tail]))
    # A line between distant knots must not fall below the steps between them.
    upper = np.maximum.accumulate(p_values[kept][::-1])[::-1]
    return [float(s) for s in scores[kept]], [round(float(p), 12) for p in upper]


def platt(
    scores: NDArray[np.float64], labels: NDArray[np.int8], rounds: int = 30
) -> tuple[float, float]:
    """Slope and offset of probability = 1 / (1 + exp(-(slope x score + offset))).

    Both classes weigh alike, so that the probability is at even odds, not at a data set's share.
    J. Platt, Advances in Large Margin Classifiers, 1999; by Newton steps with a slight ridge.
    """
    weights = np.where(labels == 1, 0.5 / max((labels == 1).sum(), 1),
                       0.5 / max((labels == 0).sum(), 1))  # fmt: skip
    design = np.stack([scores, np.ones(len(scores))], axis=1)
    found = np.array([1.0, 0.0])
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        slope = design.T @ (weights * (chance - labels)) + 1e-6 * found
        bend = (design * (weights * chance * (1 - chance))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(bend, slope)
        found = found - np.clip(step, -2, 2)
    return round(float(found[0]), 6), round(float(found[1]), 6)
