"""What is wrong with a watch that goes on nevertheless: told when it begins, and while it lasts."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

LASTING_SECONDS = 3600.0
"""How long something that happened is shown after it last did."""

REPEAT_SECONDS = 60.0
"""Pause between two tellings of the same."""

MOST = 50
"""Troubles that are kept; an attacker may have any number of files."""

_WORDS = 300


@dataclass(slots=True)
class _Trouble:
    words: str
    last: float
    told: float
    times: int = 1
    standing: bool = False  # until the watch ends


class Troubles:
    """Troubles by who has them; of any thread. `now` is a clock in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._turn = threading.Lock()
        self._known: dict[str, _Trouble] = {}

    def add(self, who: str, words: str, *, standing: bool = False) -> bool:
        """Note that something happened; whether it should be told."""
        now = self._now()
        with self._turn:
            known = self._known.get(who)
            if known is None:
                if len(self._known) >= MOST:
                    oldest = min(self._known, key=lambda one: self._known[one].last)
                    del self._known[oldest]
                self._known[who] = _Trouble(words[:_WORDS], now, now, standing=standing)
                return True
            due = now - known.told >= REPEAT_SECONDS
            known.words, known.last, known.times = words[:_WORDS], now, known.times + 1
            known.standing = known.standing or standing
            if due:
                known.told = now
            return due

    @property
    def current(self) -> tuple[str, ...]:
        """A sentence for each that lasts."""
        now = self._now()
        with self._turn:
            for who, one in list(self._known.items()):
                if not one.standing and now - one.last >= LASTING_SECONDS:
                    del self._known[who]
            return tuple(_said(one) for one in self._known.values())


def _said(one: _Trouble) -> str:
    return one.words if one.times == 1 else f"{one.words} ({one.times:,} times)"
