"""Drift from training to now, and whether a change of a tenth to two fifths would be noticed."""

import numpy as np
from numpy.typing import NDArray

from hauberk.models.evaluation import Number, exact

from .interface import Answer, Trial
from .windows import WINDOW, WINDOWS, ks_distance, ks_limit, noticed_share

MIX = 0.4


class Drift:
    """Is today's ordinary input like that of training, and would a change be noticed."""

    name = "drift"

    def __call__(self, trial: Trial) -> Answer:
        """KS distances of scores and numbers; detection of a 40 % mix of other input."""
        pool, estimator = trial.pool, trial.estimator
        random = np.random.default_rng(trial.seed)
        ordinary = trial.negatives(estimator)
        fresh = pool.score(estimator, trial.side(trial.test, 0))
        attacks = pool.score(estimator, trial.side(trial.test, 1))
        false = float(
            np.mean(
                [
                    ks_distance(ordinary, random.choice(fresh, WINDOW))
                    > ks_limit(len(ordinary), WINDOW)
                    for _ in range(WINDOWS)
                ]
            )
        )
        half = 1.96 * np.sqrt(max(false * (1 - false), 0.01) / WINDOWS)
        numbers = {
            "score_distance": exact(ks_distance(ordinary, fresh)),
            "detected_share": noticed_share(trial, attacks, random, MIX),
            "detected_share_at_10pct": noticed_share(trial, attacks, random, 0.1),
            "false_alarms": Number(false, max(0.0, false - half), false),
        }
        numbers |= _other_sources(trial, ordinary)
        return Answer(
            numbers,
            f"Kolmogorov-Smirnov on scores, windows of {WINDOW} at the 1 % level; detected_share: "
            f"windows that hold {MIX:.0%} attacks; distance_* are sources never trained on against "
            "the calibration records",
        )


def _other_sources(trial: Trial, ordinary: NDArray[np.float64]) -> dict[str, Number]:
    numbers: dict[str, Number] = {}
    for source in trial.pool.recipe.sources:
        rows = trial.pool.samples.where(label=0, parts=("held",), sources=(source.name,))
        if len(rows) >= 50:
            scores = trial.pool.score(trial.estimator, rows)
            numbers[f"distance_{source.name}"] = exact(ks_distance(ordinary, scores))
    return numbers
