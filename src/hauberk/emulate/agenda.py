"""Who does something next: actors are generators that yield the time at which they go on."""

import heapq
from collections.abc import Callable, Iterator

Actor = Iterator[float]
"""Each value is the time (seconds since 1970) at which the actor wants to be woken again."""


class Agenda:
    """Actors, woken in order of time; ties in the order in which they were added."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Actor]] = []
        self._added = 0

    def add(self, actor: Actor, at: float) -> None:
        """Wake `actor` at that time for the first time."""
        self._added += 1
        heapq.heappush(self._due, (at, self._added, actor))

    def once(self, at: float, deed: Callable[[float], object]) -> None:
        """Do one thing at that time."""

        def actor() -> Actor:
            deed(at)
            yield from ()

        self.add(actor(), at)

    def run(self, until: float, passed: Callable[[float], None], every: float) -> None:
        """Wake actors until that time; say `passed(now)` about each `every` seconds.

        What is written after `passed(now)` is never earlier than that.
        """
        due = self._due
        told = 0.0
        while due and due[0][0] < until:
            now, _, actor = heapq.heappop(due)
            if now - told >= every:
                passed(now)
                told = now
            wake = next(actor, None)
            if wake is not None:
                self.add(actor, max(wake, now))
        due.clear()
