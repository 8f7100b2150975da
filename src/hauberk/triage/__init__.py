"""Floor 5: findings become a short ranked list of explained incidents."""

from .fusion import FusionSettings
from .interface import Incident, Link, Reason
from .judge import Triage, TriageSettings, learned, triage
from .ranking import BUDGET, FLOOR, KINDS_IN_WORDS, within_budget
from .surprise import Exposure, calibrate, evidence_bits, host_of, spoken, without_session

__all__ = [
    "BUDGET",
    "FLOOR",
    "KINDS_IN_WORDS",
    "Exposure",
    "FusionSettings",
    "Incident",
    "Link",
    "Reason",
    "Triage",
    "TriageSettings",
    "calibrate",
    "evidence_bits",
    "host_of",
    "learned",
    "spoken",
    "triage",
    "within_budget",
    "without_session",
]
