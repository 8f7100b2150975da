"""From a recipe and a data folder to a pool: read, take duplicates out, divide, extract."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from .hardening import hardened
from .pool import Pool
from .reading import read_sources
from .recipe import Recipe
from .samples import Samples, deduplicated, together
from .splitting import check_way, part
from .tasks import kit_of, word_counts

Say = Callable[[str], None]


def prepare(recipe: Recipe, data: Path, say: Say) -> Pool:
    """Read, divide and extract. Raises UsageError and UnreadableInputError."""
    kit = kit_of(recipe.task)
    samples, manifests, files = read_sources(recipe, data, kit.readers)
    words = word_counts(files)
    check_way(recipe.split.by, samples, "split.by")
    say(f"read {len(samples):,} distinct records of {len(recipe.sources)} sources")
    samples = part(samples, recipe.split.by, recipe.split.shares, recipe.seeds[0])
    samples = _with_roles(recipe, samples)
    swept = kit.sweep(recipe, words)
    if swept is not None:
        samples = _keep_real(samples, swept)
    features = kit.learn(recipe, samples, words)
    matrix = features.extract(samples.records)
    say(f"extracted {matrix.dense.shape[1]} numbers a record"
        + (f" and {matrix.sparse.width:,} buckets of grams" if matrix.sparse else ""))  # fmt: skip
    pool = Pool(recipe, samples, features, matrix, tuple(manifests))
    return hardened(pool) if recipe.features.get("hardened", False) else pool


def _with_roles(recipe: Recipe, samples: Samples) -> Samples:
    """Sources that are never trained on have a part of their own; features learn from class 0."""
    parts = samples.parts.astype("U9")
    test_only = [source.name for source in recipe.sources if source.role == "test"]
    parts[np.isin(samples.sources, test_only)] = "held"
    parts[(samples.labels == 1) & (parts == "learn")] = "train"
    return replace(samples, parts=parts)


def _keep_real(samples: Samples, swept: Samples) -> Samples:
    """Made-up records beside the real ones; one that equals a real one is dropped."""
    fresh = ~np.isin(swept.keys, samples.keys)
    return together([samples, deduplicated(swept.take(np.flatnonzero(fresh)))])
