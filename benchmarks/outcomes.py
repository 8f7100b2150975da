"""What scans made of captures, and how sure a share is."""

import math
from dataclasses import dataclass, field

TOP = 3
"""Rank to which an incident counts as found."""

TOP_OF_ESTATE = 5
"""The same for the stages of an attack on an estate."""

WORTH = 0.1
"""Bits from which a finding is evidence of a stage."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scan made of one capture."""

    data_set: str
    name: str
    expected: tuple[str, ...]
    note: str
    quiet: bool
    rank: int | None  # of the first incident that names it, 1 the best
    family_rank: int | None  # the same, siblings of the sub-technique counted too
    headline: bool  # it is among the first three techniques of that incident
    above: bool  # that incident is within the default budget
    incidents: int
    shown: int
    techniques: tuple[str, ...]  # of the three best incidents
    events: int
    rejected: int
    days: float
    seconds: float
    error: str = ""

    @property
    def found(self) -> bool:
        """First to third."""
        return self.rank is not None and self.rank <= TOP


@dataclass(frozen=True, slots=True)
class EstateOutcome:
    """What a scan made of one estate's alerts: the best rank at which each stage is met.

    `ranks`: by a finding of the stage's interval that is worth something as evidence;
    `story_ranks`: by any finding of it, context included, or an alert that is shown beside the
    incident; `caused_ranks`: by a finding that is worth something and rests on an alert that the
    set says the attack caused.
    """

    estate: str
    alerts: int
    incidents: int
    shown: int
    ranks: dict[str, int | None]
    days: float
    seconds: float
    memory_mib: float
    story_ranks: dict[str, int | None] = field(default_factory=dict)
    caused_ranks: dict[str, int | None] = field(default_factory=dict)


def interval(hits: int, total: int) -> tuple[float, float]:
    """95 % Wilson interval of a share.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927).
    """
    if not total:
        return 0.0, 0.0
    z, share = 1.959964, hits / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total**2)) / (1 + z * z / total)
    return max(0.0, middle - half), min(1.0, middle + half)
