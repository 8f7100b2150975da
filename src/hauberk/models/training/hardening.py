"""Adversarial training: attacks beside feasible variants of themselves."""

from dataclasses import replace

import numpy as np

from hauberk.models.perturbations import PERTURBATIONS

from .pool import Pool, Variants

MOST_VARIANTS = 12_000
MOST_DONORS = 2_000


def hardened(pool: Pool) -> Pool:
    """The pool with one feasible variant of each of up to 12,000 attacks of training."""
    perturb = PERTURBATIONS.get(pool.recipe.task)
    if perturb is None:
        return pool
    random = np.random.default_rng((pool.recipe.seeds[0], 1))
    attacks = pool.samples.where(label=1, parts=("train",))
    origins = np.sort(random.permutation(attacks)[:MOST_VARIANTS])
    ordinary = pool.samples.where(label=0, parts=("train",))
    records = perturb(
        [pool.samples.records[row] for row in origins],
        [pool.samples.records[row] for row in random.permutation(ordinary)[:MOST_DONORS]],
        random,
    )
    return replace(pool, variants=Variants(pool.features.extract(records), origins))
