"""Gradient-boosted trees from LightGBM's text form; needs the extra `models`.

Contributions are LightGBM's exact TreeSHAP values: with the bias they add up to the score.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hauberk.errors import UsageError

from .features.matrix import Matrix


def lightgbm() -> Any:
    """The library, imported where it is used. Raises UsageError where it is not installed."""
    try:
        import lightgbm as library  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "this model is made of trees and needs LightGBM, which is not installed",
            hint="Install it with `pip install 'hauberk[models]'`",
        ) from error
    return library


class TreesModel:
    """Boosted trees over the named numbers of a matrix."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._booster = lightgbm().Booster(model_str=text)

    def score(self, matrix: Matrix) -> NDArray[np.float64]:
        """Log odds of each row (uncalibrated)."""
        if matrix.height == 0:
            return np.zeros(0)
        found = self._booster.predict(matrix.dense, raw_score=True, num_threads=1)
        return np.asarray(found, dtype=np.float64)

    def contributions(self, matrix: Matrix) -> NDArray[np.float64]:
        """What each number adds to each row's score; the last column is the bias."""
        found = self._booster.predict(matrix.dense, pred_contrib=True, num_threads=1)
        return np.asarray(found, dtype=np.float64)
