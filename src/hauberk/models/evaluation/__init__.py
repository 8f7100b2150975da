"""Figures that mean something: rates at false positive rates, with intervals over groups."""

from .comparing import delong, mcnemar, paired
from .metrics import (
    MEASURES,
    Number,
    auc,
    exact,
    f1_at,
    measured,
    proportion,
    spread,
    threshold_at,
    tpr_at,
)

__all__ = [
    "MEASURES",
    "Number",
    "auc",
    "delong",
    "exact",
    "f1_at",
    "mcnemar",
    "measured",
    "paired",
    "proportion",
    "spread",
    "threshold_at",
    "tpr_at",
]
