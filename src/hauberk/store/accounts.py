"""What the records say of batches, sources and commits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class KnownRange:
    """A range of some file that is already stored."""

    batch_id: str
    source: str
    start: int
    length: int
    sha256: str
    format: str
    format_version: str


@dataclass(frozen=True, slots=True)
class Accounting:
    """What became of all records of one format: records = events + aggregated + rejected."""

    format: str
    batches: int
    records: int
    events: int
    aggregated: int
    rejected: int


@dataclass(frozen=True, slots=True)
class SourceAccount:
    """What came from one source in one format, and when something last did."""

    source: str
    format: str
    last: datetime
    records: int
    events: int
    rejected: int


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """One commit: its number, time, sums and the facts stored with it."""

    number: int
    time: datetime
    batches: int
    records: int
    events: int
    aggregated: int
    rejected: int
    findings: int
    facts: Mapping[str, object]
