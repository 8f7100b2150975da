"""Who may judge now: the registry followed, so that what was taken back stops answering.

The ledger's new entries are looked at every LOOK_SECONDS; where one is about models or those who
decide on them, everything is proved and checked anew, and so it is every PROVE_SECONDS whatever
came, since files can be altered and grants end without an entry. What cannot be proved for
STALE_SECONDS judges no more.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from hauberk.detect.models import TASKS, Panel, Seated, observed, panels
from hauberk.errors import HauberkError
from hauberk.models import (
    ENTRY_PREFIXES,
    Registry,
    Stage,
    Task,
    Version,
    cleared,
    read_registry,
    told_by_day,
)
from hauberk.store import Home

from .records import PLURALS

LOOK_SECONDS = 1.0
PROVE_SECONDS = 60.0
STALE_SECONDS = 30.0
_NAMED = 3

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Bench:
    """Who judges each task, as it was proved; `told` is findings of the day before this began."""

    seated: Mapping[Task, Seated]
    reasons: Mapping[Task, str]  # in words, of tasks without a live model
    ends: datetime | None  # when the first grant does


@dataclass(slots=True)
class Following:
    """Follows one home; `look` is called by one thread, the others read what it found."""

    home: Path
    clock: Clock | None = None
    monotonic: Callable[[], float] = time.monotonic
    told: dict[str, dict[date, int]] = field(default_factory=dict)
    fault: str = ""
    _bench: Bench | None = None
    _proved: float = float("-inf")
    _looked: float = float("-inf")
    _size: int = 0

    def look(self) -> None:
        """See whether anything has changed, and prove all of it anew where it has. Never raises."""
        try:
            with self._open() as home:
                if self._changed(home):
                    self._prove(home)
            self._looked, self.fault = self.monotonic(), ""
        except (HauberkError, OSError, ValueError, LookupError) as error:
            self.fault = str(error)

    def panel(self, task: Task) -> Panel | str:
        """Who judges a task, or why nobody may: a sentence."""
        bench, before = self._bench, f"no model may judge {PLURALS[task]}: "
        if bench is None:
            return before + (self.fault or "the registry has not been read yet")
        if self.monotonic() - self._looked > STALE_SECONDS:
            return (
                before + f"the registry cannot be followed ({self.fault or 'it does not answer'})"
            )
        if bench.ends is not None and self._now() >= bench.ends:
            return before + "a grant has ended, and what stands now is not proved yet"
        panel = bench.seated[task].panel
        answering = [] if panel is None else [one for one in panel.seats if answers(one.loaded)]
        if panel is None or not answering:
            return before + bench.reasons[task]
        return panel

    def bench(self) -> Bench | None:
        """All that was proved last."""
        return self._bench

    def told_before(self, digest: str, day: date) -> int:
        """Findings of a model on a day before it was first served here."""
        return self.told.get(digest, {}).get(day, 0)

    def _open(self) -> Home:
        if self.clock is None:
            return Home.open(self.home, read_only=True)
        return Home.open(self.home, read_only=True, clock=self.clock)

    def _now(self) -> datetime:
        return self.clock() if self.clock is not None else datetime.now().astimezone()

    def _changed(self, home: Home) -> bool:
        size = home.ledger.size
        late = self.monotonic() - self._proved >= PROVE_SECONDS
        bench = self._bench
        ended = bench is not None and bench.ends is not None and home.clock() >= bench.ends
        if bench is None or late or ended or size < self._size:
            return True
        kinds = (str(one.get("type")) for one in home.ledger.entries(self._size, size))
        moved = any(one.startswith(tuple(ENTRY_PREFIXES)) for one in kinds)
        if not moved:
            self._size = size
        return moved

    def _prove(self, home: Home) -> None:
        size, now = home.ledger.size, home.clock()
        seated = panels(home, now=now)
        seats = [one for it in seated.values() if it.panel is not None for one in it.panel.seats]
        fresh = [one.loaded.digest for one in seats if one.loaded.digest not in self.told]
        if fresh:
            tallies = observed(home).tallies
            self.told.update({one: dict(told_by_day(tallies, one)) for one in fresh})
        ends = [
            one.loaded.decision.expires
            for one in seats
            if one.loaded.stage is not Stage.SHADOW and one.loaded.decision.expires is not None
        ]
        reasons = _reasons(home, seated, now)
        self._bench = Bench(seated, reasons, min(ends, default=None))
        self._proved, self._size = self.monotonic(), size


def answers(loaded: object) -> bool:
    """Whether what a model says is told to who asks: shadows and by condition it is not."""
    return not getattr(loaded, "observes_only", True)


def _reasons(home: Home, seated: Mapping[Task, Seated], now: datetime) -> dict[Task, str]:
    """Why each task has nobody who answers for all records; empty texts where one does."""
    waiting: Registry | None = None
    found = {}
    for task in TASKS:
        known = seated[task]
        if known.live is None:
            found[task] = "by the board's condition its model only observes"
            continue
        if not known.live.absent:
            found[task] = str(known.live)
            continue
        try:
            waiting = waiting or read_registry(home)
            found[task] = "; ".join(["there is no live model", *_lacking(waiting, task, now)])
        except HauberkError as error:
            found[task] = str(error)
    return found


def _lacking(registry: Registry, task: Task, now: datetime) -> list[str]:
    """What the newest versions lack to be live."""
    versions = [one for one in registry.versions.values() if one.model.task is task]
    newest = sorted(versions, key=lambda one: one.position, reverse=True)[:_NAMED]
    return [f"{one.name} is {one.stage}: {_lacks(registry, one, now)}" for one in newest]


def _lacks(registry: Registry, version: Version, now: datetime) -> str:
    answer = cleared(registry.authority, registry.keys, version, Stage.LIVE, now)
    return "; ".join(map(str, answer.failures)) or "nobody has promoted it"
