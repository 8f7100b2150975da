"""Extraction: how well does a copy agree that was learned from the model's answers."""

import numpy as np

from hauberk.models.evaluation import Number, exact, threshold_at
from hauberk.models.training.fitting import fit

from .interface import Answer, Trial
from .windows import noticed_share

BUDGETS = (200, 1000, 4000)
_COPY = {"rounds": 60, "num_leaves": 15, "min_data_in_leaf": 5}


class Extraction:
    """How well can it be copied by asking, and would the asking be noticed."""

    name = "extraction"

    def __call__(self, trial: Trial) -> Answer:
        """Agreement of copies by budget, and how often the queries stand out."""
        pool, random = trial.pool, np.random.default_rng(trial.seed)
        limit = threshold_at(trial.negatives(trial.estimator), 0.01)
        pools = [random.permutation(trial.side(trial.train, label)) for label in (0, 1)]
        tests = np.concatenate([
            random.permutation(trial.side(trial.test, label))[:2000] for label in (0, 1)
        ])  # fmt: skip
        truth = pool.score(trial.estimator, tests) > limit
        numbers: dict[str, Number] = {}
        for budget in BUDGETS:
            rows = np.concatenate([one[: budget // 2] for one in pools])
            answers = (pool.score(trial.estimator, rows) > limit).astype(np.int8)
            if len(np.unique(answers)) < 2:
                continue
            copy = fit("lightgbm", _COPY, pool.matrix.take(rows), answers,
                       np.ones(len(rows)), trial.seed)  # fmt: skip
            same = float(((pool.score(copy, tests) > 0) == truth).mean())
            numbers[f"agreement_{budget}"] = exact(same)
        asked = pool.score(trial.estimator, np.concatenate([one[:2000] for one in pools]))
        numbers["detected_share"] = noticed_share(trial, asked, random, 1.0)
        if trial.perturb is not None:
            walk = trial.pool.features.extract(trial.variants(pools[1][:500], random))
            numbers["detected_share_walk"] = noticed_share(
                trial, trial.estimator.score(walk), random, 1.0
            )
        natural = pool.score(trial.estimator, pools[0][:2000])
        numbers["detected_share_natural"] = noticed_share(trial, natural, random, 1.0)
        return Answer(
            numbers,
            "copies are boosted trees over the same numbers, taught by yes and no at 1 % FPR on "
            "half ordinary, half attack queries; detected_share: windows of 300 such queries that "
            "a KS test on scores tells from ordinary traffic; natural: queries that are ordinary "
            "records, which no test of distributions can tell",
        )
