"""How fast and how rightly incidents are told and decided, as numbers that a template draws.

Measured in a thread of its own when somebody looks and what was measured is older than the home, so
that no page waits for the whole ledger to be read.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hauberk.errors import HauberkError
from hauberk.reports import FEW, Measures, Times, measures_within

DAYS = (None, 90, 30, 7)
"""Days back that are measured beside each other; None is from the beginning."""

FRESH_SECONDS = 60.0
"""For so long what was measured is shown although the home has changed."""

WIDTH = 100.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One span of time: what it says, and where to draw it from 0 to WIDTH."""

    label: str
    text: str
    note: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Panel:
    """One measure over the spans. `low` to `high` of its bars is what lies around the value."""

    title: str
    says: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, when, and after which commit."""

    at: datetime
    commit: int
    spans: Sequence[Measures]


class Measuring:
    """Measures a home, once at a time."""

    def __init__(self, home: Path, clock: Callable[[], datetime]) -> None:
        self._home = home
        self._clock = clock
        self._turn = threading.Lock()
        self.last: Measured | None = None
        self.fault = ""

    def look(self, commit: int) -> Measured | None:
        """What was measured last; where that is old, measuring begins anew."""
        last = self.last
        old = last is None or (
            last.commit != commit and (self._clock() - last.at).total_seconds() >= FRESH_SECONDS
        )
        if old and self._turn.acquire(blocking=False):
            threading.Thread(target=self._run, args=(commit,), name="measure", daemon=True).start()
        return last

    def wait(self, seconds: float) -> Measured | None:
        """What is measured, once it is; sooner where it takes longer than some seconds."""
        if self._turn.acquire(timeout=seconds):
            self._turn.release()
        return self.last

    def _run(self, commit: int) -> None:
        try:
            now = self._clock()
            since = [None if days is None else now - timedelta(days=days) for days in DAYS]
            spans = measures_within(self._home, [(one, None) for one in since])
            self.last = Measured(now, commit, spans)
            self.fault = ""
        except HauberkError as error:
            self.fault = str(error)
        except Exception as error:  # noqa: BLE001  # shown on the page
            self.fault = f"{type(error).__name__}: {error}"
        finally:
            self._turn.release()


def panels(spans: Sequence[Measures]) -> list[Panel]:
    """The measures to draw, each over all spans."""
    return [
        _times("Time to detect (MTTD)", "first event to telling", [one.to_detect for one in spans]),
        _times("Time to tell", "first record stored to telling", [one.to_tell for one in spans]),
        _times(
            "Time to acknowledge", "telling to first act", [one.to_acknowledge for one in spans]
        ),
        _times("Time to respond (MTTR)", "telling to verdict", [one.to_respond for one in spans]),
        _times(
            "Analyst minutes, at least", "an incident", [_seconds(one.minutes) for one in spans]
        ),
        _precision(spans),
    ]


def _seconds(minutes: Times) -> Times:
    if minutes.median is None or minutes.high is None:
        return minutes
    return Times(minutes.n, minutes.median * 60, minutes.high * 60)


def _times(title: str, says: str, spans: Sequence[Times]) -> Panel:
    """Medians, each with what nine of ten stay within."""
    longest = max((one.high or 0.0 for one in spans), default=0.0) or 1.0
    bars = []
    for label, one in zip(_labels(), spans, strict=True):
        if one.median is None or one.high is None:
            bars.append(Bar(label, "–", "none", 0.0, 0.0, 0.0))
            continue
        median, high = one.median / longest * WIDTH, one.high / longest * WIDTH
        note = f"9 of 10 within {length(one.high)} · {_rests(one.n)}"
        bars.append(Bar(label, length(one.median), note, median, median, high))
    return Panel(title, f"{says}; median, and what nine of ten stay within", bars)


def _precision(spans: Sequence[Measures]) -> Panel:
    bars = []
    for label, one in zip(_labels(), spans, strict=True):
        found = one.precision
        if not found.n:
            bars.append(Bar(label, "–", "nobody has judged one", 0.0, 0.0, 0.0))
            continue
        note = f"{found.low:.0%} to {found.high:.0%} · {_rests(found.n)}"
        places = [part * WIDTH for part in (found.value, found.low, found.high)]
        bars.append(Bar(label, f"{found.value:.0%}", note, *places))
    return Panel("Precision by verdicts", "share that was true, with Wilson's 95 % interval", bars)


def _labels() -> list[str]:
    return ["all" if days is None else f"{days} days" for days in DAYS]


def _rests(n: int) -> str:
    return f"n = {n:,}, too few to go by" if n < FEW else f"n = {n:,}"


def length(seconds: float) -> str:
    """`38 s`, `12 min`, `3.5 h`, `9 d`."""
    for size, unit, digits in ((86_400, "d", 1), (3600, "h", 1), (60, "min", 1)):
        if seconds >= 2 * size:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds:.1f} s"
