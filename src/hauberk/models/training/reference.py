"""What a model at work is held against: how ordinary records that were never trained on look to it.

`hauberk.models.watching` reads it from the report (`evaluation.reference`).
"""

from typing import Any

import numpy as np

from hauberk.models.gates import Trial

from .calibrating import conformal_knots, platt

BINS = 20
"""Bins of p-values; those of `hauberk.models.watching`."""

DECILES = np.linspace(0.1, 0.9, 9)
LEAST = 100


def reference(trial: Trial) -> dict[str, Any]:
    """Distributions of p-values and inputs, the share flagged, and the estimate, as JSON.

    Edges of inputs are deciles of the ordinary calibration rows, counts are of the ordinary test
    rows, or of the former where the latter are few; an input that is nearly always the same has no
    edges and is left out. `estimate` is the mean probability that the answer is right: what it
    loses at work estimates the accuracy that is lost, without labels (D. Guillory et al.,
    "Predicting with confidence on unseen distributions", ICCV 2021: difference of confidences).
    """
    pool = trial.pool
    ordinary = trial.side(trial.test, 0)
    calibrate = trial.side(trial.calibrate, 0)
    if len(ordinary) < LEAST:
        ordinary = calibrate
    if len(ordinary) < LEAST:
        return {}
    scores = pool.score(trial.estimator, ordinary)
    at_calibration = pool.score(trial.estimator, trial.calibrate)
    labels = pool.samples.labels[trial.calibrate]
    knots, p_values = conformal_knots(at_calibration[labels == 0])
    p = np.where(scores > knots[-1], p_values[-1], np.interp(scores, knots, p_values))
    slope, offset = platt(at_calibration, labels)
    bad = 1 / (1 + np.exp(-np.clip(slope * scores + offset, -500, 500)))
    flagged = scores >= trial.thresholds["alert"]
    found: dict[str, Any] = {
        "rows": len(ordinary),
        "p_bins": np.histogram(np.clip(p, 0, 1), BINS, (0.0, 1.0))[0].tolist(),
        "flagged_share": round(float(flagged.mean()), 9),
        "estimate": round(float(np.where(flagged, bad, 1 - bad).mean()), 6),
        "inputs": {},
        "edges": {},
    }
    before = pool.matrix.dense[calibrate].astype(np.float64)
    now = pool.matrix.dense[ordinary].astype(np.float64)
    for at, name in enumerate(pool.features.names):
        edges = np.unique(np.round(np.quantile(before[:, at], DECILES), 6))
        bins = np.bincount(np.searchsorted(edges, now[:, at]), minlength=len(edges) + 1)
        if bins.max() < len(ordinary):
            found["edges"][name] = edges.tolist()
            found["inputs"][name] = bins.tolist()
    return found
