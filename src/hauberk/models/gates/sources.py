"""Leave one source out: train without it, test on it. The figure that in-set figures hide."""

import numpy as np
from numpy.typing import NDArray

from hauberk.models.evaluation import (
    MEASURES,
    Number,
    f1_at,
    measured,
    proportion,
    spread,
    threshold_at,
)
from hauberk.models.training.fitting import Estimator
from hauberk.models.training.pool import Pool
from hauberk.models.training.samples import Rows
from hauberk.models.training.splitting import hold_out

from .interface import Answer, FoldFigures, Trial

LOCAL = 200
LOCAL_RATE = 0.01
LEAST = 30


def fold_figures(
    pool: Pool, name: str, sources: tuple[str, ...], seed: int, kind: str | None = None
) -> FoldFigures:
    """Train without the sources and test on them, with intervals over groups.

    `f1` is at the threshold of 1 % of ordinary training-side records; `f1_local` at that of 200
    ordinary records of the held-out side, which are then not tested on: what a new site does.
    """
    fold = hold_out(pool.samples, name, sources)
    estimator = pool.fit(fold.train, kind=kind)
    labels = pool.samples.labels[fold.test]
    negative, positive = fold.test[labels == 0], fold.test[labels == 1]
    numbers, scores = compare(pool, estimator, negative, positive, seed, sources)
    return FoldFigures(name, sources, len(negative), len(positive), numbers, scores[1], scores[0])


def compare(
    pool: Pool,
    estimator: Estimator,
    negative: Rows,
    positive: Rows,
    seed: int,
    without: tuple[str, ...] = (),
) -> tuple[dict[str, Number], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Figures of an estimator on rows it was not trained on, intervals over groups."""
    samples = pool.samples
    scores = pool.score(estimator, negative), pool.score(estimator, positive)
    calibrate = samples.where(label=0, parts=("calibrate",), without=without)
    limit = threshold_at(pool.score(estimator, calibrate), LOCAL_RATE)
    random = np.random.default_rng(seed)
    local = random.permutation(len(negative))[: min(LOCAL, len(negative) // 2)]
    rest = np.setdiff1d(np.arange(len(negative)), local)
    near = threshold_at(scores[0][local], LOCAL_RATE)
    keys = pool.samples
    measures = {
        **MEASURES,
        "f1": lambda n, p: f1_at(n, p, limit),
        "false_positive_rate": lambda n, _: float((n > limit).mean()),
    }
    groups = _units(keys.groups[negative], keys.keys[negative], keys.sources[negative])
    own = _units(keys.groups[positive], keys.keys[positive], keys.sources[positive])
    numbers = measured(
        *scores, negative_groups=groups, positive_groups=own, measures=measures, seed=seed
    )
    numbers |= measured(
        scores[0][rest], scores[1], negative_groups=groups[rest], positive_groups=own,
        measures={"f1_local": lambda n, p: f1_at(n, p, near)}, seed=seed,
    )  # fmt: skip
    return numbers, scores


def _units(
    groups: NDArray[np.str_], keys: NDArray[np.str_], sources: NDArray[np.str_]
) -> NDArray[np.str_]:
    """What a bootstrap draws: whole groups where several are there, else single records."""
    lone = len(np.unique(groups)) < 2 or bool((groups == sources).all())
    return keys if lone and len(np.unique(groups)) < 3 else groups


class Sources:
    """Does it find what comes from a source that it never saw."""

    name = "sources"

    def __call__(self, trial: Trial) -> Answer:
        """Figures per fold, and their means with intervals over folds."""
        numbers: dict[str, Number] = {}
        found = trial.folds
        for fold in found:
            for measure in ("auc", "tpr_at_1pct", "tpr_at_0.1pct", "f1", "f1_local"):
                numbers[f"{fold.name}.{measure}"] = fold.numbers[measure]
        for measure, name in (
            ("auc", "mean_auc"),
            ("tpr_at_1pct", "mean_tpr_at_1pct"),
            ("tpr_at_0.1pct", "mean_tpr_at_0.1pct"),
            ("f1_local", "mean_f1"),
            ("false_positive_rate", "false_positive_rate"),
        ):
            values = np.array([fold.numbers[measure].value for fold in found])
            numbers[name] = spread(values, trial.seed)
        numbers["folds"] = Number(len(found), len(found), len(found))
        elsewhere = [one for one in (_flagged(trial, name) for name in _strange(trial)) if one]
        if elsewhere:
            numbers["flagged_elsewhere"] = max(elsewhere, key=lambda one: one.high)
        return Answer(
            numbers,
            "each fold trains without the sources that it names and tests on them; means with "
            "intervals over folds; mean_f1 at the threshold that 200 held-out ordinary records "
            "set at 1 %; false_positive_rate at the training side's own 1 % threshold; "
            "flagged_elsewhere: of ordinary sources never trained on, the worst share above it",
        )


def _strange(trial: Trial) -> list[str]:
    """Ordinary sources that are never trained on."""
    sources = trial.pool.recipe.sources
    return [one.name for one in sources if one.role == "test" and one.label == 0]


def _flagged(trial: Trial, source: str) -> Number | None:
    """The share of a source above the 1 % threshold, with its Wilson interval."""
    rows = trial.pool.samples.where(parts=("held",), sources=(source,))
    if len(rows) < LEAST:
        return None
    return proportion(trial.pool.score(trial.estimator, rows) > trial.thresholds["one_percent"])
