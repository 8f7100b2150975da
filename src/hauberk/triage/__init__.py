"""Floor 5: findings become a short ranked list of explained incidents."""

from .agreement import (
    ANSWER_SCHEMA,
    CLASSES,
    Measured,
    Truth,
    cohen,
    krippendorff,
    truth_of,
    wilson,
)
from .fusion import FusionSettings
from .interface import Incident, Link, Reason
from .judge import Triage, TriageSettings, learned, triage
from .ranking import BUDGET, FLOOR, KINDS_IN_WORDS, within_budget
from .surprise import (
    Exposure,
    analytic_of,
    calibrate,
    evidence_bits,
    host_of,
    spoken,
    without_session,
)
from .verdicts import GOLD_SCHEMA, VERDICT_SCHEMA, AnalyticRecord, Verdicts, odds_before

__all__ = [
    "ANSWER_SCHEMA",
    "BUDGET",
    "CLASSES",
    "FLOOR",
    "GOLD_SCHEMA",
    "KINDS_IN_WORDS",
    "VERDICT_SCHEMA",
    "AnalyticRecord",
    "Exposure",
    "FusionSettings",
    "Incident",
    "Link",
    "Measured",
    "Reason",
    "Triage",
    "TriageSettings",
    "Truth",
    "Verdicts",
    "analytic_of",
    "calibrate",
    "cohen",
    "evidence_bits",
    "host_of",
    "krippendorff",
    "learned",
    "odds_before",
    "spoken",
    "triage",
    "truth_of",
    "wilson",
    "within_budget",
    "without_session",
]
