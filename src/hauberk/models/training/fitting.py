"""Estimators: a linear model by L-BFGS and boosted trees, each the same to the bit every time.

Both need the extra `models`. One thread, fixed order of rows, fixed seed.
"""

import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hauberk.errors import UsageError
from hauberk.models.features import Matrix
from hauberk.models.linear import LinearModel, binned
from hauberk.models.trees import TreesModel, lightgbm

Labels = NDArray[np.int8]
Weights = NDArray[np.float64]


class Estimator(Protocol):
    """What was fitted: higher scores are more like class 1."""

    def score(self, matrix: Matrix) -> NDArray[np.float64]:
        """Log odds of each row."""
        ...


def fit(
    kind: str, parameters: Mapping[str, Any], matrix: Matrix, labels: Labels, weights: Weights,
    seed: int,
) -> Estimator:  # fmt: skip
    """Fit an estimator by name. Raises UsageError for an unknown one."""
    if kind == "linear-ngram":
        return fit_linear(matrix, labels, weights, parameters)
    if kind == "lightgbm":
        return fit_trees(matrix, labels, weights, parameters, seed)
    raise UsageError(f"expected linear-ngram or lightgbm, found {kind}", where="estimator.kind")


def fit_linear(
    matrix: Matrix, labels: Labels, weights: Weights, parameters: Mapping[str, Any]
) -> LinearModel:
    """Logistic regression (L2) over grams and binned numbers.

    Parameters: `strength` (C, 3.0), `bins` (16), `number_scale` (0.3), `iterations` (60),
    `least_rows` (a gram in fewer rows gets no weight, 3: nothing of a single record is kept).
    """
    sparse, linear_model, threads = _scientific()
    edges = _edges(matrix.dense, int(parameters.get("bins", 16)))
    scale = float(parameters.get("number_scale", 0.3))
    placed = binned(matrix.dense, edges)
    height, numbers = placed.shape
    width = edges.shape[1] + 1
    columns = placed + np.arange(numbers) * width
    blocks = [
        sparse.csr_matrix(
            (np.full(columns.size, scale), columns.reshape(-1), np.arange(height + 1) * numbers),
            shape=(height, numbers * width),
        )
    ]
    grams = 0
    if matrix.sparse is not None:
        rows = matrix.sparse
        grams = rows.width
        seen = np.bincount(rows.columns, minlength=grams)
        kept = seen[rows.columns] >= int(parameters.get("least_rows", 3))
        values = np.where(kept, rows.values, 0.0)
        block = sparse.csr_matrix((values, rows.columns, rows.starts), shape=(height, grams))
        blocks.insert(0, block)
    together = sparse.hstack(blocks).tocsr()
    model = linear_model.LogisticRegression(
        C=float(parameters.get("strength", 3.0)),
        max_iter=int(parameters.get("iterations", 60)),
        tol=1e-4,
    )
    with threads.threadpool_limits(1), warnings.catch_warnings():
        # The number of iterations is the recipe's choice; stopping there is no fault.
        warnings.simplefilter("ignore")
        model.fit(together, labels, sample_weight=weights)
    found = model.coef_[0]
    bins = (found[grams:] * scale).reshape(numbers, width)
    return LinearModel(
        found[:grams].astype(np.float32),
        edges,
        bins.astype(np.float32),
        float(model.intercept_[0]),
    )


def fit_trees(
    matrix: Matrix, labels: Labels, weights: Weights, parameters: Mapping[str, Any], seed: int
) -> TreesModel:
    """Boosted trees over the numbers. Parameters: LightGBM's, and `rounds` (150)."""
    library = lightgbm()
    chosen = {name: value for name, value in parameters.items() if name not in ("rounds", "kind")}
    settings = {
        "objective": "binary",
        "num_leaves": 31,
        "learning_rate": 0.1,
        "min_data_in_leaf": 50,
        **chosen,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": seed,
        "verbose": -1,
    }
    data = library.Dataset(matrix.dense, labels, weight=weights, params={"verbose": -1})
    booster = library.train(settings, data, int(parameters.get("rounds", 150)))
    return TreesModel(booster.model_to_string())


def _edges(dense: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    """Quantiles of each number as bin edges, distinct, padded with infinity."""
    shares = np.linspace(0, 1, bins + 1)[1:-1]
    edges = np.full((dense.shape[1], bins - 1), np.inf, dtype=np.float32)
    for column in range(dense.shape[1]):
        found = np.unique(np.quantile(dense[:, column], shares).astype(np.float32))
        edges[column, : len(found)] = found
    return edges


def _scientific() -> tuple[Any, Any, Any]:
    try:
        sparse = import_module("scipy.sparse")
        linear_model = import_module("sklearn.linear_model")
        threads = import_module("threadpoolctl")
    except ImportError as error:
        raise UsageError(
            "training needs scikit-learn, which is not installed",
            hint="Install it with `pip install 'hauberk[models]'`",
        ) from error
    return sparse, linear_model, threads
