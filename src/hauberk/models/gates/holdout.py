"""Against the live model on the same held-out records: DeLong, McNemar, paired bootstrap."""

import numpy as np

from hauberk.models.evaluation import (
    MEASURES,
    delong,
    exact,
    mcnemar,
    paired,
    threshold_at,
    tpr_at,
)
from hauberk.models.training.tasks import kit_of

from .interface import Answer, Trial


class Holdout:
    """Is it no worse than what judges today."""

    name = "holdout"

    def __call__(self, trial: Trial) -> Answer:
        """Compare with the live model, or with the task's simple baseline where there is none."""
        pool = trial.pool
        negative, positive = trial.side(trial.test, 0), trial.side(trial.test, 1)
        mine = pool.score(trial.estimator, negative), pool.score(trial.estimator, positive)
        rival, other = self._other(trial, (negative, positive))
        groups = pool.samples.groups[negative], pool.samples.keys[positive]
        difference, p_value = delong(mine, other)
        auc = paired(MEASURES["auc"], mine, other, groups, trial.seed)
        rate = paired(lambda n, p: tpr_at(n, p, 0.01), mine, other, groups, trial.seed)
        verdicts = [
            np.concatenate([n <= threshold_at(n, 0.01), p > threshold_at(n, 0.01)])
            for n, p in (mine, other)
        ]
        return Answer(
            {
                "auc_difference": auc,
                "tpr_at_1pct_difference": rate,
                "delong_p": exact(p_value),
                "mcnemar_p": exact(mcnemar(verdicts[0], verdicts[1])),
                "delong_difference": exact(difference),
            },
            f"paired bootstrap of groups, DeLong and McNemar against {rival}, on rows that "
            "neither was trained on",
        )

    def _other(self, trial: Trial, sides: tuple[np.ndarray, ...]) -> tuple[str, tuple]:  # type: ignore[type-arg]
        pool = trial.pool
        if trial.live is not None:
            records = pool.samples.records
            return "the live model", tuple(
                trial.live.raw([records[row] for row in side]) for side in sides
            )
        columns = kit_of(pool.recipe.task).baseline
        plain = pool.subset(columns)
        fitted = plain.fit(trial.small, kind="linear-ngram")
        return f"logistic regression on {', '.join(columns)} (no live model)", tuple(
            plain.score(fitted, side) for side in sides
        )
