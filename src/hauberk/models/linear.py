"""A linear model over hashed grams and binned numbers: numpy alone, and exactly explained.

score = bias + sum of value x weight over grams + one weight per named number, chosen by the bin
that the number falls in. Bins let a linear model say "short and long are both odd" while every
part of the score stays readable.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .features.matrix import Array, Matrix

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LinearModel:
    """`edges` (numbers x bins, ascending, padded with infinity), `bins` (numbers x bins + 1)."""

    grams: NDArray[np.float32]
    edges: NDArray[np.float32]
    bins: NDArray[np.float32]
    bias: float

    def score(self, matrix: Matrix) -> Scores:
        """Log odds of each row (uncalibrated)."""
        total = np.full(matrix.height, self.bias)
        if matrix.sparse is not None:
            total += matrix.sparse.times(self.grams)
        found: Scores = total + self.numbers(matrix).sum(axis=1)
        return found

    def numbers(self, matrix: Matrix) -> Scores:
        """What each named number adds to each row's score."""
        placed = binned(matrix.dense, self.edges)
        return self.bins[np.arange(self.bins.shape[0]), placed].astype(np.float64)

    def arrays(self) -> dict[str, Array]:
        """Its weights as plain arrays."""
        return {
            "linear.grams": self.grams,
            "linear.edges": self.edges,
            "linear.bins": self.bins,
            "linear.bias": np.array([self.bias], dtype=np.float64),
        }

    @classmethod
    def load(cls, arrays: Mapping[str, Array]) -> "LinearModel":
        """From an artifact's arrays. Raises KeyError or ValueError where they do not fit."""
        grams = arrays["linear.grams"].astype(np.float32)
        edges = arrays["linear.edges"].astype(np.float32)
        bins = arrays["linear.bins"].astype(np.float32)
        if edges.ndim != 2 or bins.shape != (edges.shape[0], edges.shape[1] + 1):
            raise ValueError(f"linear.bins: {bins.shape} does not fit edges {edges.shape}")
        return cls(grams, edges, bins, float(arrays["linear.bias"].reshape(-1)[0]))


def binned(dense: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.int64]:
    """The bin of every number: how many edges of its column it exceeds."""
    placed = np.zeros(dense.shape, dtype=np.int64)
    for column in range(dense.shape[1]):
        placed[:, column] = np.searchsorted(edges[column], dense[:, column], side="left")
    return np.minimum(placed, edges.shape[1])
