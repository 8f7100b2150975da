"""What goes on behind a watch: behaviour, correlations and triage over what was committed.

Small files are merged at the same time, which no round waits for.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from hauberk.detect import Detector
from hauberk.store import Home
from hauberk.triage import Incident

from .interface import ScanOptions, Silent
from .modelled import watch_at_work
from .retaining import RETAIN_SECONDS, policy_of, sweep
from .scan import judge_new, publish, triage_home, unjudged
from .telling import Told
from .tidying import Tidying

MEASURE_SECONDS = 600.0
"""Pause between two looks at what models at work did."""

STUCK_SECONDS = 600.0
"""Seconds after which a round of behaviour and triage that has not ended is told to be stuck."""

PAUSE_SHARE = 3.0
"""The pause before a round is at least so many times as long as the one before it took: a home
that has grown is judged less often, and never all the time."""

MOST_PAUSE_SECONDS = 300.0
"""Longest such pause: more comes meanwhile, and a round that has more to judge takes longer."""


@dataclass(slots=True)
class _Shown:
    """What was told of an incident, to know when it has changed."""

    told: dict[str, tuple[int, float]] = field(default_factory=dict)

    def fresh(self, ranked: Sequence[Incident]) -> list[Incident]:
        found = []
        for one in ranked:
            now = (len(one.findings), round(one.probability, 2))
            if one.above_budget and self.told.get(one.uid) != now:
                found.append(one)
            self.told[one.uid] = now
        return found


class Behind:
    """Behaviour, correlations and triage, in a thread of their own over what was committed."""

    def __init__(
        self,
        home: Home,
        detectors: Sequence[Detector],
        options: ScanOptions,
        every: float,
        told: Told,
    ) -> None:
        self._home = home
        self._detectors = detectors
        self._options = options
        self._every = every
        self._told = told
        self._shown = _Shown()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._measured = time.monotonic()
        self._policy = policy_of(home.path)
        self._swept = 0.0
        self._began: float | None = None  # the round that is under way
        self.seconds: float | None = None  # that the last round took
        self._tidying = Tidying(home)
        self._thread = threading.Thread(target=self._work, name="judge", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._tidying.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """End, and judge what is left; raises what a thread raised since somebody last looked."""
        self._stop.set()
        self._tidying.stop()
        self._thread.join()
        if error is None:
            self.check()
        if self._error is None:
            self._round()

    def judge_with(self, detectors: Sequence[Detector]) -> None:
        """Judge with these from the next round on."""
        self._detectors = detectors

    def check(self) -> None:
        """Raise what a thread raised."""
        self._tidying.check()
        if self._error is not None:
            raise self._error

    @property
    def stuck(self) -> str:
        """What is to be said of a round that does not end; empty where none is late."""
        began = self._began
        late = 0.0 if began is None else time.monotonic() - began
        if late < STUCK_SECONDS:
            return ""
        return f"behaviour and triage are stuck: their round has lasted for {late:,.0f} s"

    def _work(self) -> None:
        try:
            while not self._stop.wait(self._pause()):
                self._began = time.monotonic()
                self._home.patiently(self._round)
                self.seconds = round(time.monotonic() - self._began, 3)
                self._began = None
                if time.monotonic() - self._swept >= RETAIN_SECONDS:
                    self._home.patiently(lambda: sweep(self._home, self._policy))
                    self._swept = time.monotonic()
        except BaseException as error:  # noqa: BLE001  # raised again by `check`
            self._error = error

    def _pause(self) -> float:
        return max(self._every, min(PAUSE_SHARE * (self.seconds or 0.0), MOST_PAUSE_SECONDS))

    def _round(self) -> None:
        since, until = unjudged(self._home)
        if since == until:
            return
        judged, commits = judge_new(self._home, self._detectors, Silent())
        made = triage_home(self._home, judged, self._options)
        publish(self._home, judged, made, commits, self._options.budget)
        self._told.findings(judged.findings)
        self._told.faults([*judged.faults, *judged.lost])
        self._told.incidents(self._shown.fresh(made.incidents))
        if time.monotonic() >= self._measured + MEASURE_SECONDS:
            self._measured = time.monotonic()
            self._told.findings(watch_at_work(self._home))
