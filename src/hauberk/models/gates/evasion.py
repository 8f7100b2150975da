"""Evasion: an attacker tries feasible variants of each attack and keeps the quietest.

The attacker sees scores (the worst case) and has a budget of tries. An attack counts as found only
if every variant is. The same trial is run on models that were and were not hardened with other
variants of training attacks, at the same false positive rate.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hauberk.models.evaluation import Number, proportion, threshold_at
from hauberk.models.features import Matrix
from hauberk.models.training.fitting import Estimator
from hauberk.models.training.hardening import hardened
from hauberk.models.training.samples import Rows

from .interface import Answer, Trial
from .windows import noticed_share

TRIES = 25
ATTACKS = 400


class Evasion:
    """How much is still found of attacks that are changed until they pass."""

    name = "evasion"

    def __call__(self, trial: Trial) -> Answer:
        """TPR at 1 % FPR untouched and after 25 tries, of a hardened model and one that is not."""
        if trial.perturb is None:
            raise ValueError("the task has no feasible changes declared")
        random = np.random.default_rng(trial.seed)
        attacks = trial.side(trial.test, 1)
        attacks = np.sort(random.choice(attacks, min(ATTACKS, len(attacks)), replace=False))
        tries = [trial.variants(attacks, random) for _ in range(TRIES)]
        matrices = [trial.pool.features.extract(variants) for variants in tries]
        plain, quiet = _rates(trial, trial.estimator, attacks, matrices)
        pool = trial.pool
        other = replace(pool, variants=None) if pool.variants is not None else hardened(pool)
        rival = _rates(trial, other.fit(trial.train), attacks, matrices)
        soft, hard = (
            (rival, (plain, quiet)) if pool.variants is not None else ((plain, quiet), rival)
        )
        limit = threshold_at(trial.negatives(trial.estimator), 0.01)
        scores = np.stack([trial.estimator.score(matrix) for matrix in matrices])
        quietest = scores.min(axis=0)
        evading = quietest[quietest <= limit]
        return Answer(
            {
                "tpr": proportion(plain),
                "robust_tpr": proportion(quiet),
                "unhardened_tpr": proportion(soft[0]),
                "unhardened_robust_tpr": proportion(soft[1]),
                "hardened_tpr": proportion(hard[0]),
                "hardened_robust_tpr": proportion(hard[1]),
                "tries_each": Number(TRIES, TRIES, TRIES),
                "detected_share": noticed_share(trial, evading, random),
            },
            f"{len(attacks)} attacks, {TRIES} variants each, the lowest score counts; thresholds "
            "at 1 % FPR of calibration; detected_share: windows of 300, a tenth evading attacks, "
            "that a KS test on scores tells from ordinary ones at the 1 % level",
        )


def _rates(
    trial: Trial, estimator: Estimator, attacks: Rows, matrices: list[Matrix]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    limit = threshold_at(trial.negatives(estimator), 0.01)
    plain = trial.pool.score(estimator, attacks) > limit
    quiet = plain.copy()
    for matrix in matrices:
        quiet &= estimator.score(matrix) > limit
    return plain, quiet
