"""What a watch tells while it goes on, and whom: a listener, one call at a time."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl

from hauberk.events import FindingKind
from hauberk.triage import Incident

from .guard import DetectorFault
from .salvaging import FormatFault
from .sources import SourcePace
from .troubles import Troubles


@dataclass(slots=True)
class Pace:
    """How a watch keeps up: sums since it began."""

    records: int = 0
    events: int = 0
    rejected: int = 0
    findings: int = 0
    commits: int = 0  # that are durable
    behind: int = 0  # bytes that are there and not read yet
    newest: datetime | None = None  # event time of the newest event
    sources: tuple[SourcePace, ...] = ()
    round_seconds: float | None = None  # of the last round of behaviour and triage
    troubles: tuple[str, ...] = ()  # what is wrong while the rest goes on, a sentence each


class Listener(Protocol):
    """Told of what a watch finds, from two threads, one call at a time."""

    def findings(self, found: pl.DataFrame) -> None:
        """Findings (FINDING_SCHEMA) of rules, just now, or of behaviour behind them.

        A finding may be told again with more, or after a crash, under the same uid.
        """
        ...

    def incidents(self, ranked: Sequence[Incident]) -> None:
        """Incidents within the budget that are new or have changed, best first."""
        ...

    def unread(self, source: str, reason: str) -> None:
        """Something cannot be read."""
        ...

    def fault(self, said: str) -> None:
        """A detector could not judge something; the rest goes on."""
        ...

    def pace(self, pace: Pace) -> None:
        """Every second or so."""
        ...


class Told:
    """The listener, one call at a time; suppressed findings are kept from it."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._turn = threading.Lock()
        self.troubles = Troubles()

    def findings(self, found: pl.DataFrame) -> int:
        """Tell findings that are not suppressed; how many they are."""
        told = found.filter(pl.col("kind") != FindingKind.SUPPRESSED)
        if told.height:
            with self._turn:
                self._listener.findings(told)
        return told.height

    def incidents(self, ranked: Sequence[Incident]) -> None:
        """Tell incidents, where there are any."""
        if ranked:
            with self._turn:
                self._listener.incidents(ranked)

    def unread(self, source: str, reason: str) -> None:
        """Tell what cannot be read."""
        with self._turn:
            self._listener.unread(source, reason)

    def faults(self, said: Sequence[object]) -> None:
        """Tell; the same detector's or format's again only now and then."""
        known = (DetectorFault, FormatFault)
        told = [
            one
            for one in said
            if not isinstance(one, known) or self.troubles.add(one.who, str(one))
        ]
        with self._turn:
            for one in told:
                self._listener.fault(str(one))

    def trouble(self, who: str, said: str) -> None:
        """Something that stays so until the watch ends."""
        if self.troubles.add(who, said, standing=True):
            with self._turn:
                self._listener.fault(said)

    def pace(self, pace: Pace) -> None:
        """Tell how it keeps up."""
        with self._turn:
            self._listener.pace(pace)
