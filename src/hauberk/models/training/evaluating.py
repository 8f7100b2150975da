"""The evaluation part of a report: in-distribution, disjoint, baseline, groups of names."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hauberk.models.documents import Task
from hauberk.models.evaluation import Number
from hauberk.models.gates import Trial, compare, fold_figures

from .bursts import burst_figures
from .reference import reference
from .tasks import kit_of

Say = Callable[[str], None]


def evaluate(trial: Trial, say: Say) -> dict[str, Any]:
    """Everything beside the gates, as JSON."""
    pool = trial.pool
    negative, positive = trial.side(trial.test, 0), trial.side(trial.test, 1)
    inside, _ = compare(pool, trial.estimator, negative, positive, trial.seed)
    say("evaluated in distribution")
    found: dict[str, Any] = {
        "in_distribution": _documents(inside),
        "rows": {
            "train": len(trial.train),
            "test_negative": len(negative),
            "test_positive": len(positive),
        },
        "held_sources": _held(trial),
        "slices": _slices(trial),
        "published": pool.recipe.published,
        "reference": reference(trial),
    }
    columns = kit_of(pool.recipe.task).baseline
    plain = pool.subset(columns)
    baseline = {}
    disjoint = {}
    for figures in trial.folds:
        rival = fold_figures(plain, figures.name, figures.held_out, trial.seed, "linear-ngram")
        disjoint[figures.name] = {
            "held_out": list(figures.held_out), "negatives": figures.negatives,
            "positives": figures.positives, "numbers": _documents(figures.numbers),
        }  # fmt: skip
        baseline[figures.name] = _documents(rival.numbers)
        if pool.recipe.task is Task.DOMAIN:
            bursts = burst_figures(figures.ordinary_scores, figures.positive_scores, trial.seed)
            disjoint[figures.name]["bursts"] = _documents(bursts)
    found["source_disjoint"] = disjoint
    found["baseline"] = {"numbers": list(columns), "source_disjoint": baseline}
    return found


def _documents(numbers: dict[str, Number]) -> dict[str, dict[str, float]]:
    return {name: one.document() for name, one in numbers.items() if one.value == one.value}


def _held(trial: Trial) -> dict[str, Any]:
    """Of sources never trained on: the share above the thresholds, and how many rows."""
    found: dict[str, Any] = {}
    samples = trial.pool.samples
    for source in trial.pool.recipe.sources:
        rows = samples.where(parts=("held",), sources=(source.name,))
        if len(rows):
            scores = trial.pool.score(trial.estimator, rows)
            found[source.name] = {
                "rows": len(rows), "label": source.label,
                **{f"above_{name}": round(float((scores > limit).mean()), 6)
                   for name, limit in trial.thresholds.items()},
            }  # fmt: skip
    return found


def _slices(trial: Trial) -> dict[str, Any]:
    """Per source of the test part: the share above the 1 % and the alert threshold."""
    samples = trial.pool.samples
    found: dict[str, Any] = {}
    for source in trial.pool.recipe.sources:
        rows = trial.test[samples.sources[trial.test] == source.name]
        if len(rows) == 0:
            continue
        scores = trial.pool.score(trial.estimator, rows)
        found[source.name] = {
            "rows": len(rows), "label": int(samples.labels[rows[0]]),
            **{f"above_{name}": _share(scores > limit).document()
               for name, limit in trial.thresholds.items()},
        }  # fmt: skip
    return found


def _share(found: NDArray[np.bool_]) -> Number:
    value = float(found.mean())
    half = 1.96 * float(np.sqrt(max(value * (1 - value), 1e-9) / len(found)))
    return Number(value, max(0.0, value - half), min(1.0, value + half))
