"""All data of a recipe with its features, and how estimators are fitted on parts of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hauberk.models.features import Learned, Matrix, joined

from .fitting import Estimator, Labels, Weights, fit
from .reading import Manifest
from .recipe import Recipe
from .samples import Rows, Samples


class Features(Protocol):
    """A feature set that was fitted."""

    @property
    def names(self) -> tuple[str, ...]:
        """The named numbers."""
        ...

    def extract(self, records: Sequence[Any]) -> Matrix:
        """One row a record."""
        ...

    def learned(self) -> Learned:
        """What an artifact keeps of it."""
        ...


@dataclass(frozen=True, slots=True)
class Extra:
    """Rows that are trained on beside those of the pool (hardened or poisoned ones)."""

    matrix: Matrix
    labels: Labels
    weights: Weights


@dataclass(frozen=True, slots=True)
class Variants:
    """Feasible variants of training attacks: row i is one of the pool's row `origins[i]`."""

    matrix: Matrix
    origins: Rows


@dataclass(frozen=True, slots=True)
class Pool:
    """Samples and their features, row by row; the manifests say where they come from.

    With `variants`, every fit is hardened: it sees the variants of the attacks that it is
    trained on, and of no others, with a third of the attacks' weight.
    """

    recipe: Recipe
    samples: Samples
    features: Features
    matrix: Matrix
    manifests: tuple[Manifest, ...]
    variants: Variants | None = None

    def weights(self, rows: Rows, labels: Labels) -> Weights:
        """Every source counts as its recipe says, whatever its rows; both classes count alike."""
        sources = self.samples.sources[rows]
        found = np.ones(len(rows))
        for source in self.recipe.sources:
            mine = sources == source.name
            if mine.any() and source.label != 0:
                found[mine] = source.weight / mine.sum()
        for label in (0, 1):
            side = labels == label
            if side.any():
                found[side] *= len(rows) / 2 / found[side].sum()
        return found

    def fit(
        self,
        rows: Rows,
        *,
        labels: Labels | None = None,
        extra: Extra | None = None,
        seed: int | None = None,
        kind: str | None = None,
    ) -> Estimator:
        """Fit on these rows, with other labels or further rows where given."""
        labels = self.samples.labels[rows] if labels is None else labels
        matrix, weights = self.matrix.take(rows), self.weights(rows, labels)
        if extra is not None:
            matrix = joined([matrix, extra.matrix])
            labels = np.concatenate([labels, extra.labels])
            weights = np.concatenate([weights, extra.weights])
        if self.variants is not None:
            known = np.zeros(len(self.samples), dtype=bool)
            known[rows[self.samples.labels[rows] == 1]] = True
            mine = np.flatnonzero(known[self.variants.origins])
            matrix = joined([matrix, self.variants.matrix.take(mine)])
            labels = np.concatenate([labels, np.ones(len(mine), np.int8)])
            share = weights[labels[: len(weights)] == 1].sum() / 3 / max(len(mine), 1)
            weights = np.concatenate([weights, np.full(len(mine), share)])
        choice = self.recipe.estimator
        parameters = choice.parameters if kind in (None, choice.kind) else {}
        seed = self.recipe.seeds[0] if seed is None else seed
        return fit(kind or choice.kind, parameters, matrix, labels, weights, seed)

    def score(self, estimator: Estimator, rows: Rows) -> NDArray[np.float64]:
        """Scores of these rows."""
        return estimator.score(self.matrix.take(rows))

    def subset(self, columns: Sequence[str]) -> "Pool":
        """The same pool with these named numbers alone, and no grams: a simple baseline."""
        chosen = [self.features.names.index(name) for name in columns]
        return replace(self, matrix=Matrix(self.matrix.dense[:, chosen], None), variants=None)
