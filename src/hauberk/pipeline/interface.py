"""What a scan is asked, what it says while it works, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from hauberk.triage import BUDGET, Incident


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What a user asks of a scan."""

    paths: Sequence[Path]
    home: Path
    rules: Sequence[Path] = ()
    baseline: Sequence[Path] = ()
    budget: float = BUDGET
    since: datetime | None = None
    until: datetime | None = None


class Progress(Protocol):
    """Told of long work as it goes; a terminal draws bars of it, a log may ignore it."""

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """A stage starts; `total` in `unit`s where it is known."""
        ...

    def advance(self, stage: str, amount: int) -> None:
        """So many more units are done."""
        ...

    def end(self, stage: str) -> None:
        """The stage is over."""
        ...


class Silent:
    """Progress that nobody watches."""

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """Say nothing."""

    def advance(self, stage: str, amount: int) -> None:
        """Say nothing."""

    def end(self, stage: str) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class FormatAccount:
    """What was read of one format: `records == events + aggregated + rejected`."""

    format: str
    files: int
    records: int
    events: int
    aggregated: int
    rejected: int

    @property
    def balanced(self) -> bool:
        """Whether every record is accounted for."""
        return self.records == self.events + self.aggregated + self.rejected


@dataclass(frozen=True, slots=True)
class Unread:
    """An input that was not read, or not to its end, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Accounting:
    """What was read in a scan. `known` counts records that an earlier scan had stored already."""

    formats: Sequence[FormatAccount] = ()
    unread: Sequence[Unread] = ()
    known: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)  # why records were rejected
    first: datetime | None = None  # time of the earliest event
    last: datetime | None = None
    bytes: int = 0

    @property
    def records(self) -> int:
        """Records read in this scan."""
        return sum(one.records for one in self.formats)

    @property
    def events(self) -> int:
        """Events stored by this scan."""
        return sum(one.events for one in self.formats)

    @property
    def rejected(self) -> int:
        """Records in the dead letters from this scan."""
        return sum(one.rejected for one in self.formats)


@dataclass(frozen=True, slots=True)
class RefusedRule:
    """A rule that could not be compiled."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Scan:
    """The answer to a scan.

    `incidents` are those that the scanned input has part in, best first, above and below budget.
    `findings` (FINDING_SCHEMA, calibrated) are those of these incidents. `evidence` are the
    events that they name, one row an event, by metadata.uid, OCSF columns with nulls left out of
    `dict`s. `suppressed` counts firings of the home that suppressions keep out of incidents.
    `seconds` by stage. `faults` are batches that a detector could not judge.
    """

    options: ScanOptions
    accounting: Accounting
    incidents: Sequence[Incident]
    findings: pl.DataFrame
    evidence: Mapping[str, Mapping[str, object]]
    expected_misses: float
    rules: int
    refused: Sequence[RefusedRule]
    detectors: Sequence[str]
    seconds: Mapping[str, float]
    started: datetime
    faults: Sequence[str] = ()
    suppressed: int = 0

    @property
    def above(self) -> list[Incident]:
        """Incidents within the budget."""
        return [one for one in self.incidents if one.above_budget]
