"""Detectors whose judge is a model: which models may speak here, on whom, and what they said.

Nothing of this is imported before a home is known to have models.
"""

from .assembling import COUNTED, TASKS, Assembled, Seated, assemble, panels
from .counting import CountingDetector
from .executables import row_of
from .mails import readable
from .observing import Observed, observed, watched
from .panel import Panel, Seat, Verdicts
from .requests import WRITER, Asked, request_record

__all__ = [
    "COUNTED",
    "TASKS",
    "WRITER",
    "Asked",
    "Assembled",
    "CountingDetector",
    "Observed",
    "Panel",
    "Seat",
    "Seated",
    "Verdicts",
    "assemble",
    "observed",
    "panels",
    "readable",
    "request_record",
    "row_of",
    "watched",
]
