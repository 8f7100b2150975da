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
from .grouping import ANCHORS, GROUPING_SCHEMA, MOST_KEPT, Grouping, GroupingKind, Groupings
from .interface import Incident, Link, Reason
from .judge import Triage, TriageSettings, learned, triage
from .ranking import BUDGET, FLOOR, KINDS_IN_WORDS, log_odds, within_budget
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
    "ANCHORS",
    "ANSWER_SCHEMA",
    "BUDGET",
    "CLASSES",
    "FLOOR",
    "GOLD_SCHEMA",
    "GROUPING_SCHEMA",
    "KINDS_IN_WORDS",
    "MOST_KEPT",
    "VERDICT_SCHEMA",
    "AnalyticRecord",
    "Exposure",
    "FusionSettings",
    "Grouping",
    "GroupingKind",
    "Groupings",
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
    "log_odds",
    "odds_before",
    "spoken",
    "triage",
    "truth_of",
    "wilson",
    "within_budget",
    "without_session",
]
