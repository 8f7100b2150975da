"""Poisoning: part of the training data is written by somebody else.

Label flips: attacks of the doubtful source are handed in as ordinary. Clean labels: harmless
records made to look like attacks are handed in, rightly as ordinary. Both arms get the same
poisoned rows. The defence knows only which rows are of doubtful provenance (poisoned and clean
ones alike): a model of the trusted rest vetoes doubtful rows that it contradicts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hauberk.models.evaluation import Number, threshold_at, tpr_at
from hauberk.models.features import joined
from hauberk.models.training.fitting import Estimator
from hauberk.models.training.pool import Extra

from .interface import Answer, Trial

RATES = (0.01, 0.05, 0.10)
REPEATS = 3


@dataclass(frozen=True, slots=True)
class _Poison:
    """Training data with doubtful rows beside trusted ones."""

    trusted: NDArray[np.int64]
    doubtful: Extra
    poisoned: NDArray[np.bool_]


class Poisoning:
    """What can somebody spoil who writes 1, 5 or 10 % of the training rows."""

    name = "poisoning"

    def __call__(self, trial: Trial) -> Answer:
        """TPR at 1 % FPR after each trial, defended and not; each source's influence."""
        positive = trial.side(trial.test, 1)
        clean = np.array([
            _tpr(trial, trial.pool.fit(_shuffled(trial, seed)), positive) for seed in range(REPEATS)
        ])  # fmt: skip
        numbers = {"clean_tpr": _range(clean)}
        worst = [0.0]
        vetoed: list[bool] = []
        for kind in ("flip", "clean_label"):
            if kind == "clean_label" and trial.perturb is None:
                continue
            for rate in RATES:
                bare, defended = [], []
                for repeat in range(REPEATS):
                    random = np.random.default_rng((trial.seed, repeat, int(rate * 100)))
                    poison = _poison(trial, kind, rate, random)
                    bare.append(_tpr(trial, _fit(trial, poison, None), positive))
                    kept = _veto(trial, poison)
                    defended.append(_tpr(trial, _fit(trial, poison, kept), positive))
                    rate_of_poison = float((~kept)[poison.poisoned].mean())
                    vetoed.append(rate_of_poison > 2 * _clean_veto(poison, kept))
                name = f"{kind}_{int(rate * 100)}pct"
                numbers[f"{name}_tpr"] = _range(np.array(bare))
                numbers[f"{name}_defended_tpr"] = _range(np.array(defended))
                worst.append(float(clean.mean() - np.mean(defended)))
        noticed = float(np.mean(vetoed))
        numbers["worst_loss"] = Number(max(worst), max(worst), max(worst))
        numbers["detected_share"] = Number(noticed, noticed, noticed)
        numbers |= _influence(trial, positive, float(clean.mean()))
        return Answer(
            numbers,
            f"{REPEATS} repeats with other rows (interval: lowest and highest), fitted on "
            f"{len(trial.small):,} rows; TPR at 1 % FPR of calibration on untouched test rows; "
            "the defence is a veto by a model of the trusted rest; worst_loss is of the defended "
            "model; detected_share: trials whose poisoned rows were vetoed over twice as often as "
            "clean doubtful ones",
        )


def _shuffled(trial: Trial, seed: int) -> NDArray[np.int64]:
    """Nine tenths of the small rows: what another draw of the data would give."""
    random = np.random.default_rng((trial.seed, seed))
    return np.sort(random.choice(trial.small, int(len(trial.small) * 0.9), replace=False))


def _poison(trial: Trial, kind: str, rate: float, random: np.random.Generator) -> _Poison:
    rows = trial.small
    count = max(1, int(rate * len(rows)))
    samples = trial.pool.samples
    attacks = rows[samples.labels[rows] == 1]
    target = attacks[samples.sources[attacks] == trial.pool.recipe.doubtful]
    others = np.setdiff1d(attacks, target)
    chosen = np.concatenate([random.permutation(target), random.permutation(others)])[:count]
    rest = np.setdiff1d(rows, chosen)
    bystanders = random.choice(rest, min(2 * count, len(rest) // 4), replace=False)
    matrices = [trial.pool.matrix.take(bystanders)]
    if kind == "flip":
        matrices.append(trial.pool.matrix.take(chosen))
        trusted = np.setdiff1d(rest, bystanders)
    else:
        matrices.append(trial.pool.features.extract(trial.variants(chosen, random)))
        trusted = np.setdiff1d(rows, bystanders)
    labels = np.concatenate([samples.labels[bystanders], np.zeros(len(chosen), np.int8)])
    poisoned = np.arange(len(labels)) >= len(bystanders)
    weights = np.ones(len(labels))
    return _Poison(trusted, Extra(joined(matrices), labels, weights), poisoned)


def _veto(trial: Trial, poison: _Poison) -> NDArray[np.bool_]:
    """Which doubtful rows stay: those that a model of the trusted rows does not contradict."""
    judge = trial.pool.fit(poison.trusted)
    scores = judge.score(poison.doubtful.matrix)
    ordinary = trial.negatives(judge)
    high, low = threshold_at(ordinary, 0.02), threshold_at(ordinary, 0.5)
    return np.where(poison.doubtful.labels == 0, scores <= high, scores >= low)


def _clean_veto(poison: _Poison, kept: NDArray[np.bool_]) -> float:
    """How often clean doubtful rows are vetoed; at least one in a hundred."""
    return max(float((~kept)[~poison.poisoned].mean()), 0.01)


def _fit(trial: Trial, poison: _Poison, kept: NDArray[np.bool_] | None) -> Estimator:
    extra = poison.doubtful
    if kept is not None:
        rows = np.flatnonzero(kept)
        extra = Extra(extra.matrix.take(rows), extra.labels[rows], extra.weights[rows])
    return trial.pool.fit(poison.trusted, extra=extra)


def _tpr(trial: Trial, estimator: Estimator, positive: NDArray[np.int64]) -> float:
    """Mean over sources of TPR at 1 % FPR, so that a large source does not hide a small one."""
    ordinary = trial.negatives(estimator)
    scores = trial.pool.score(estimator, positive)
    sources = trial.pool.samples.sources[positive]
    rates = [tpr_at(ordinary, scores[sources == one], 0.01) for one in np.unique(sources)]
    return float(np.mean(rates))


def _influence(trial: Trial, positive: NDArray[np.int64], clean: float) -> dict[str, Number]:
    """For each source of attacks: the loss without it, and with all its labels turned round."""
    samples = trial.pool.samples
    numbers: dict[str, Number] = {}
    worst = 0.0
    for source in trial.pool.recipe.sources:
        mine = samples.sources[trial.small] == source.name
        if source.label == 0 or not mine.any():
            continue
        rest = trial.small[~mine]
        if len(np.unique(samples.labels[rest])) < 2:
            continue
        without = clean - _tpr(trial, trial.pool.fit(rest), positive)
        labels = np.where(mine, 1 - samples.labels[trial.small], samples.labels[trial.small])
        hostile = Extra(
            trial.pool.matrix.take(trial.small[mine]),
            labels[mine].astype(np.int8),
            np.ones(int(mine.sum())),
        )
        poison = _Poison(rest, hostile, np.ones(int(mine.sum()), bool))
        loss = clean - _tpr(trial, _fit(trial, poison, _veto(trial, poison)), positive)
        bare = clean - _tpr(trial, _fit(trial, poison, None), positive)
        worst = max(worst, loss)
        numbers[f"without_{source.name}_loss"] = Number(without, without, without)
        numbers[f"hostile_{source.name}_loss"] = Number(bare, bare, bare)
    numbers["hostile_source_loss"] = Number(worst, worst, worst)
    return numbers


def _range(values: NDArray[np.float64]) -> Number:
    """The mean of repeats between the lowest and the highest."""
    return Number(float(values.mean()), float(values.min()), float(values.max()))
