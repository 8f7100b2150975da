"""What a check is given and what it says."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from hauberk.serve.interface import Plan
from hauberk.serve.status import SystemStatus
from hauberk.store import Home


class Grade(StrEnum):
    """How bad it is."""

    FINE = "fine"
    UNKNOWN = "unknown"  # it could not be looked at
    WARNING = "warning"  # it works, and will not or not well
    FAULT = "fault"  # it does not work, or is not safe


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found; where it is not fine also what that means and what to do."""

    check: str
    grade: Grade
    found: str
    means: str = ""
    do: str = ""


@dataclass(frozen=True, slots=True)
class Examined:
    """What is looked at. `home` is None where it cannot be opened, `plan` where settings are wrong.

    `deep` asks for what may take minutes.
    """

    path: Path
    status: SystemStatus
    now: datetime
    home: Home | None = None
    plan: Plan | None = None
    deep: bool = False


Check = Callable[[Examined], Iterator[Diagnosis]]


def fine(check: str, found: str) -> Diagnosis:
    """Nothing is wrong."""
    return Diagnosis(check, Grade.FINE, found)


def warning(check: str, found: str, means: str, do: str) -> Diagnosis:
    """Something will go wrong."""
    return Diagnosis(check, Grade.WARNING, found, means, do)


def fault(check: str, found: str, means: str, do: str) -> Diagnosis:
    """Something is wrong."""
    return Diagnosis(check, Grade.FAULT, found, means, do)


def unknown(check: str, found: str) -> Diagnosis:
    """It could not be looked at."""
    return Diagnosis(check, Grade.UNKNOWN, found)
