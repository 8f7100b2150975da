"""A gate asks one question of a trained model and answers with numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hauberk.models.evaluation import Number
from hauberk.models.perturbations import Perturb
from hauberk.models.training.fitting import Estimator
from hauberk.models.training.pool import Extra, Pool
from hauberk.models.training.samples import Rows


class Judge(Protocol):
    """A model that scores records: the live one."""

    def raw(self, records: Sequence[Any]) -> NDArray[np.float64]:
        """Scores of records, uncalibrated."""
        ...


@dataclass(frozen=True, slots=True)
class FoldFigures:
    """One fold: what was held out, how many of each class were tested, and the figures."""

    name: str
    held_out: tuple[str, ...]
    negatives: int
    positives: int
    numbers: dict[str, Number]
    positive_scores: NDArray[np.float64]
    ordinary_scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trial:
    """What gates work on: the pool, the trained estimator, and the rows it may be judged by.

    `folds` are figures of models that were trained without some sources. `small` are training rows
    to fit trials on; `perturb` makes one feasible variant of each record that keeps the attack
    working, None where the task has none. `weights` are the candidate's files by name.
    """

    pool: Pool
    estimator: Estimator
    train: Rows
    small: Rows
    calibrate: Rows
    test: Rows
    thresholds: Mapping[str, float]
    perturb: Perturb | None
    live: Judge | None
    weights: Mapping[str, bytes]
    seed: int
    folds: tuple[FoldFigures, ...] = ()

    def side(self, rows: Rows, label: int) -> Rows:
        """The rows of one class."""
        found: Rows = rows[self.pool.samples.labels[rows] == label]
        return found

    def negatives(self, estimator: Estimator) -> NDArray[np.float64]:
        """Scores of ordinary records that calibrate."""
        return self.pool.score(estimator, self.side(self.calibrate, 0))

    def variants(self, rows: Rows, random: np.random.Generator) -> list[Any]:
        """One feasible variant of each of these rows' records."""
        assert self.perturb is not None
        records = self.pool.samples.records
        donors = [records[row] for row in self.side(self.calibrate, 0)[:2000]]
        return self.perturb([records[row] for row in rows], donors, random)

    def extra(self, records: Sequence[Any], label: int, weight: float) -> Extra:
        """Records as further training rows of one class."""
        matrix = self.pool.features.extract(records)
        height = len(records)
        return Extra(matrix, np.full(height, label, np.int8), np.full(height, weight))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a gate measured, and how."""

    measured: Mapping[str, Number]
    method: str


class Gate(Protocol):
    """One gate: a name as the policy knows it, and the measurement."""

    name: str

    def __call__(self, trial: Trial) -> Answer:
        """Measure."""
        ...
