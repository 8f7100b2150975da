"""Membership: can one tell from an answer whether a record was trained on.

The attack knows the record and its label, and compares the model's loss with that of a model
trained on other records of the same sources (N. Carlini et al., Membership inference attacks from
first principles, 2022, with one reference model).
"""

import numpy as np
from numpy.typing import NDArray

from hauberk.models.evaluation import auc, measured, tpr_at

from .interface import Answer, Trial

MOST = 4000


class Membership:
    """Can one tell whether a record was in the training data."""

    name = "membership"

    def __call__(self, trial: Trial) -> Answer:
        """AUC and TPR at 1 % FPR of the attack, by plain loss and against a reference."""
        pool, random = trial.pool, np.random.default_rng(trial.seed)
        half = random.permutation(trial.small)
        inside, outside = np.sort(half[: len(half) // 2]), np.sort(half[len(half) // 2 :])
        target, reference = pool.fit(inside), pool.fit(outside)
        inside = np.sort(random.permutation(inside)[:MOST])
        fresh = np.concatenate([trial.test, trial.calibrate])
        known = np.unique(pool.samples.sources[trial.small])
        fresh = fresh[np.isin(pool.samples.sources[fresh], known)]
        fresh = np.sort(random.permutation(fresh)[:MOST])
        losses = [[_loss(trial, model, rows) for rows in (fresh, inside)]
                  for model in (target, reference)]  # fmt: skip
        plain = measured(-losses[0][0], -losses[0][1], measures={"loss_auc": auc}, seed=trial.seed)
        against = [losses[1][side] - losses[0][side] for side in (0, 1)]
        measures = {"attack_auc": auc, "attack_tpr_at_1pct": lambda n, p: tpr_at(n, p, 0.01)}
        return Answer(
            plain | measured(*against, measures=measures, seed=trial.seed),
            f"a model of {len(half) // 2:,} rows, {len(inside):,} of them against {len(fresh):,} "
            "fresh ones; the attacker has one reference model of other rows",
        )


def _loss(trial: Trial, model, rows: NDArray[np.int64]) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]
    signs = np.where(trial.pool.samples.labels[rows] == 1, -1.0, 1.0)
    found: NDArray[np.float64] = np.logaddexp(0.0, signs * trial.pool.score(model, rows))
    return found
