"""What a verification found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """In what way a home is not what was committed."""

    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"
    REORDERED = "reordered"
    SIGNATURE = "signature"
    COUNT = "count"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not what was committed: where, what was expected, what was found."""

    kind: FaultKind
    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}, expected {self.expected}, found {self.found}"


Note = Callable[[FaultKind, str, object, object], None]
"""Notes a fault: kind, where, expected, found."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Whether a home is what was committed, and what was checked to say so.

    `interrupted` is the number of a commit that is under way, or was when the process died: its
    files are not counted as faults, and opening the home for writing removes them.
    """

    home: str
    faults: Sequence[Fault]
    counts: Mapping[str, int]
    checkpoint: str | None
    interrupted: int | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def as_json(self) -> dict[str, object]:
        """The report as JSON."""
        return {
            "home": self.home,
            "ok": self.ok,
            "faults": [asdict(fault) for fault in self.faults],
            "counts": dict(self.counts),
            "checkpoint": self.checkpoint,
            "interrupted": self.interrupted,
        }


def short(value: object) -> str:
    """A value for a fault's text, at most a line of it."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
