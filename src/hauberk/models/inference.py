"""A verified artifact as a judge: scores, p-values and exact reasons.

The artifact's folder is never opened here: whoever verified it passes it in. Linear models need
numpy alone; trees need the extra `models`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .artifact import Artifact
from .documents import Task
from .features import FEATURES, Matrix
from .linear import LinearModel
from .reading import ArtifactError
from .trees import TreesModel

MOST_REASONS = 5


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of a score: the named number with its value, or the piece of text, and its share.

    All parts of a decision, with `bias`, add up to the score.
    """

    what: str
    share: float


@dataclass(frozen=True, slots=True)
class Scored:
    """One entry a record: score (log odds), conformal p-value, and the strongest reasons."""

    scores: NDArray[np.float64]
    p_values: NDArray[np.float64]
    reasons: tuple[tuple[Reason, ...], ...]


class Judging:
    """A model ready to judge. Raises ArtifactError where features and weights do not fit."""

    def __init__(self, artifact: Artifact) -> None:
        model = artifact.model
        self.model = model
        arrays = artifact.tensors()
        kind = FEATURES.get(Task(model.task))
        if kind is None:
            raise ArtifactError(f"no features are known for {model.task}", where="model.json, task")
        try:
            self.features = kind.load(model.features, arrays)
            trees = artifact.trees()
            self.estimator = LinearModel.load(arrays) if trees is None else TreesModel(trees)
            if isinstance(self.estimator, LinearModel):
                self._check_width(self.estimator)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise ArtifactError(f"the weights do not fit the features: {error}") from error

    def _check_width(self, estimator: LinearModel) -> None:
        probe = self.features.extract([])
        width = 0 if probe.sparse is None else probe.sparse.width
        if estimator.edges.shape[0] != len(self.features.names) or len(estimator.grams) != width:
            raise ValueError("another number of weights than of features")

    def raw(self, records: Sequence[Any]) -> NDArray[np.float64]:
        """Scores alone."""
        return self.estimator.score(self.features.extract(records))

    def score(self, records: Sequence[Any], reasons: int = MOST_REASONS) -> Scored:
        """Score records (names, URLs, Mails or rows of numbers); reasons for each."""
        matrix = self.features.extract(records)
        scores = self.estimator.score(matrix)
        told = [()] * len(scores) if not reasons else self.explain(records, matrix, reasons)
        return Scored(scores, self.p_values(scores), tuple(told))

    def p_values(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Straight lines between the calibration's knots; 1 where there is no calibration."""
        knots = self.model.calibration
        if knots is None:
            return np.ones(len(scores))
        found = np.interp(scores, np.array(knots.scores), np.array(knots.p_values))
        beyond = scores > knots.scores[-1]
        return np.where(beyond, knots.p_values[-1], found)

    def explain(
        self, records: Sequence[Any], matrix: Matrix, most: int = MOST_REASONS
    ) -> list[tuple[Reason, ...]]:
        """The parts of each score that weigh most, by size; exact and additive."""
        if isinstance(self.estimator, LinearModel):
            return [
                tuple(sorted(self._linear_parts(records, matrix, row), key=_weight)[:most])
                for row in range(matrix.height)
            ]
        parts = self.estimator.contributions(matrix)[:, :-1]
        order = np.argsort(-np.abs(parts), axis=1, kind="stable")[:, :most]
        return [
            tuple(self._number(matrix, row, at, float(parts[row, at])) for at in order[row])
            for row in range(matrix.height)
        ]

    def _number(self, matrix: Matrix, row: int, at: int, share: float) -> Reason:
        return Reason(f"{self.features.names[at]} {matrix.dense[row, at]:.6g}", share)

    def _linear_parts(self, records: Sequence[Any], matrix: Matrix, row: int) -> list[Reason]:
        assert isinstance(self.estimator, LinearModel)
        one = matrix.take(np.array([row]))
        numbers = self.estimator.numbers(one)[0]
        parts = [self._number(one, 0, at, float(share)) for at, share in enumerate(numbers)]
        if one.sparse is not None:
            shares = one.sparse.values * self.estimator.grams[one.sparse.columns]
            pieces = self.features.pieces(records[row])
            for column, share in zip(one.sparse.columns, shares, strict=True):
                if share != 0:
                    text = " | ".join(pieces.get(int(column), ("?",))[:3])
                    parts.append(Reason(f"text {text!r}", float(share)))
        return parts


def _weight(reason: Reason) -> float:
    return -abs(reason.share)
