"""One part as it runs: its process, its deaths, and how it stands."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .child import Child
from .interface import Part, PartStatus, Plan, State
from .part_log import PartLog
from .running import started_of

IDLE_SHARE, BUSY_FACTOR = 0.05, 10.0
"""A part without a sign of life hangs where it used less than this share of a CPU meanwhile; one
that computes has so many times as long."""


@dataclass(slots=True)
class RunningPart:
    """A part as it runs. Times are of the monotonic clock, `since` of the wall's."""

    part: Part
    arguments: Sequence[str]
    log: PartLog
    state: State = State.WAITING
    child: Child | None = None
    begun: float = 0.0
    since: datetime | None = None
    ever_up: bool = False
    deaths: int = 0  # in a row
    restarts: int = 0
    next_start: float | None = None
    last_exit: str | None = None
    words: tuple[str, ...] = ()
    probe: Future[bool] | None = None
    probed: float = 0.0
    reported: float = 0.0
    cpu: float | None = None  # that its process had used when it last reported
    asked: float | None = None  # when it was asked to end because it hung
    counted: tuple[float, int] | None = None
    rate: float | None = None
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether the parts after it need not wait for it any more."""
        return self.ever_up or self.deaths > 0

    def stuck(self, now: float) -> bool:
        """Whether it owes a report that does not come."""
        owed = self.part.silence
        return self.state is State.UP and owed is not None and now - self.reported > owed

    def hangs(self, now: float, patience: float) -> bool:
        """Whether it owes a report for so long that it will not come.

        A part that judges a large backlog may be silent for long and uses the CPU meanwhile.
        """
        owes, silent = self.part.silence is not None, now - self.reported
        if self.child is None or self.state is not State.UP or not owes or silent <= patience:
            return False
        used = self.child.cpu_seconds()
        idle = used is not None and used - (self.cpu or 0.0) < IDLE_SHARE * silent
        return idle or silent > BUSY_FACTOR * patience

    @property
    def troubled(self) -> bool:
        """Whether it goes on and says that something is wrong with it."""
        report = self.child.report if self.child is not None else None
        return bool(report and report.get("troubles"))

    def count(self, report: Mapping[str, Any], now: float) -> None:
        """The pace of a part that says how many records it has taken in."""
        records = report.get("records")
        if not isinstance(records, int):
            return
        if self.counted is not None and now > self.counted[0]:
            self.rate = max(0.0, (records - self.counted[1]) / (now - self.counted[0]))
        self.counted = (now, records)

    def status(self, plan: Plan, now: float, wall: datetime) -> PartStatus:
        """How it stands at this moment, by both clocks."""
        child = self.child
        next_start = None
        if self.next_start is not None:
            next_start = _iso(wall + timedelta(seconds=max(0.0, self.next_start - now)))
        # What opens the console for whoever reads it is told once, and never written.
        report = {k: v for k, v in (child.report or {}).items() if k != "setup"} if child else None
        return PartStatus(
            name=self.part.name,
            state=self.state,
            about=self.part.describe(plan),
            pid=child.pid if child else None,
            started=started_of(child.pid) if child else None,
            since=_iso(self.since) if self.since else None,
            restarts=self.restarts,
            last_exit=self.last_exit,
            last_words=self.words if self.last_exit else (),
            next_start=next_start,
            rate=None if self.rate is None else round(self.rate, 1),
            silent=round(now - self.reported, 1) if self.part.silence and child else None,
            stuck=self.stuck(now),
            report=report,
        )


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
