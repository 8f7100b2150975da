"""Batches that are committed together, in a thread of their own, in the order of reading."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import polars as pl

from hauberk.detect import State
from hauberk.events import EventClass, no_findings
from hauberk.store import Commit, Home

from .parsing import Parsing

PORTION_BYTES = 160 << 20
"""Bytes of records that are committed at once."""

PORTION_EVENTS = 250_000
"""Events that are committed at once."""

PORTION_BATCHES = 1_000
"""Batches that are committed at once: each costs some 100 KB, were it of a single event."""

LAST_BYTES = 32 << 20
"""Bytes from which the end of the input is committed apart: nothing is parsed beside that commit,
so it should be a short one."""


@dataclass(slots=True)
class Portion:
    """Batches that wait to be committed together."""

    parsings: list[Parsing] = field(default_factory=list)
    bytes: int = 0
    events: int = 0
    entries: list[Mapping[str, object]] = field(default_factory=list)  # further ones of the ledger
    states: dict[str, Mapping[str, pl.DataFrame]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self.parsings or self.entries or self.states)

    def add(self, parsing: Parsing) -> None:
        """Take one batch in."""
        self.parsings.append(parsing)
        self.bytes += parsing.entry.length
        self.events += parsing.entry.events

    @property
    def full(self) -> bool:
        """Whether it should be committed, were more to come."""
        return (
            self.bytes >= PORTION_BYTES
            or self.events >= PORTION_EVENTS
            or len(self.parsings) >= PORTION_BATCHES
        )

    def outweighs(self, ahead: int) -> bool:
        """Whether it should be committed though so many bytes remain, so that the last is small."""
        return self.bytes >= ahead >= LAST_BYTES

    def commit(self, facts: Mapping[str, object]) -> Commit:
        """All of it as one commit; its batches are let go, so that they are not held twice."""
        parsings, self.parsings = self.parsings, []
        tables: dict[EventClass, list[pl.DataFrame]] = {}
        for parsing in parsings:
            for event_class, frame in parsing.tables.items():
                tables.setdefault(event_class, []).append(frame)
        return Commit(
            batches=[parsing.entry for parsing in parsings],
            tables={
                event_class: pl.concat(frames, how="diagonal_relaxed")
                for event_class, frames in tables.items()
            },
            dead_letters=[letter for parsing in parsings for letter in parsing.letters],
            findings=pl.concat(
                [no_findings(), *(p.findings for p in parsings if p.findings.height)]
            ),
            states={**_joined([parsing.left for parsing in parsings]), **self.states},
            facts=facts,
            entries=self.entries,
        )


def _joined(parts: Sequence[Mapping[str, State]]) -> dict[str, State]:
    """Tables that detectors left with several batches, those of one name as one."""
    frames: dict[str, dict[str, list[pl.DataFrame]]] = {}
    for part in parts:
        for detector, tables in part.items():
            for name, frame in tables.items():
                frames.setdefault(detector, {}).setdefault(name, []).append(frame)
    return {
        detector: {name: pl.concat(found, how="diagonal") for name, found in tables.items()}
        for detector, tables in frames.items()
    }


def one_thread(name: str) -> ThreadPoolExecutor:
    """A pool of one thread, which runs already.

    An executor that is stopped by a signal while it starts a thread forgets that thread, and nobody
    would wait for the commit that it is in.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix=name)
    pool.submit(int).result()
    return pool


class Committer:
    """Commits portions in a thread of its own, one at a time, in order."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._pool = one_thread("commit")
        self._last: Future[int] | None = None
        self.seconds = 0.0
        self.done = 0  # portions that are durable

    def submit(self, make: Callable[[], Commit]) -> None:
        """Make and commit when the portion before has been; raises what that one raised."""
        self.wait()
        self._last = self._pool.submit(self._commit, make)

    def _commit(self, make: Callable[[], Commit]) -> int:
        began = time.perf_counter()
        number = self._home.commit(make())
        self.seconds += time.perf_counter() - began
        self.done += 1
        return number

    def check(self) -> None:
        """Raise what the last portion raised, once it has: the next may be long in coming."""
        if self._last is not None and self._last.done():
            self.wait()

    def wait(self) -> None:
        """Until the last portion is durable; raises what it raised."""
        if self._last is not None:
            last, self._last = self._last, None
            last.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True)
