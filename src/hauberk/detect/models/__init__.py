"""Detectors whose judge is a model: which models may speak here, on whom, and what they said.

Nothing of this is imported before a home is known to have models.
"""

from .assembling import COUNTED, Assembled, assemble
from .counting import CountingDetector
from .observing import Observed, observed, watched

__all__ = [
    "COUNTED",
    "Assembled",
    "CountingDetector",
    "Observed",
    "assemble",
    "observed",
    "watched",
]
