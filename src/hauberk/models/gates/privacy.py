"""Privacy: what of single records or of persons lies in the model's files."""

import re

import numpy as np

from hauberk.models.evaluation import exact
from hauberk.models.linear import LinearModel

from .interface import Answer, Trial

_ADDRESS = re.compile(rb"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,253}\.[A-Za-z]{2,24}")
LEAST = 3


class Privacy:
    """Are addresses or strings of single records in its files."""

    name = "privacy"

    def __call__(self, trial: Trial) -> Answer:
        """Addresses in any file, and weights of grams that fewer than three records hold."""
        found = sum(len(_ADDRESS.findall(blob)) for blob in trial.weights.values())
        single, weighted = 0, 0
        if isinstance(trial.estimator, LinearModel) and trial.pool.matrix.sparse is not None:
            grams = trial.estimator.grams
            rows = trial.pool.matrix.take(trial.train).sparse
            assert rows is not None
            seen = np.bincount(rows.columns, minlength=len(grams))
            variants = trial.pool.variants
            if variants is not None and variants.matrix.sparse is not None:
                # What a feasible change writes is of no record.
                seen += np.bincount(variants.matrix.sparse.columns, minlength=len(grams))
            single = int(((np.abs(grams) > 1e-9) & (seen < LEAST)).sum())
            weighted = int((np.abs(grams) > 1e-9).sum())
        return Answer(
            {
                "addresses": exact(found),
                "single_record_grams": exact(single),
                "weighted_grams": exact(weighted),
            },
            "a search for mail addresses in every weights file; grams are kept as hashes only, "
            f"and one that fewer than {LEAST} training records hold must have no weight",
        )
