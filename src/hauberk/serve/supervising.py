"""The supervisor: starts the parts, starts again what dies, ends all in order."""

import contextlib
import selectors
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from hauberk.errors import ExitCode, HauberkError, UnreachableError
from hauberk.store import Home

from .child import Child, how_it_ended
from .interface import RUN, Listener, Part, PartFailedError, PartStatus, Plan, Report, State
from .keeping import Kept
from .notify import Notifier
from .own_records import write_own
from .part_log import PartLog
from .parts import check_free
from .running import Holder, held, started_of
from .status import write_status

LOOK_SECONDS = 0.2
STATUS_SECONDS = 1.0
PROBE_SECONDS = 0.5

FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds until a part that died is started again: doubled with every death."""

STEADY_SECONDS = 60.0
"""Seconds up after which a part's next death counts as its first."""

LAST_GRACE = 10.0
"""Seconds that a part has after it was asked twice."""

IDLE_SHARE, BUSY_FACTOR = 0.05, 10.0
"""A part without a sign of life hangs where it used less than this share of a CPU meanwhile; one
that computes has so many times as long."""

_INCURABLE = frozenset({ExitCode.USAGE, ExitCode.HOME_BUSY, ExitCode.HOME_DAMAGED})
"""Codes after which a first start is not tried again."""


@dataclass(slots=True)
class _Running:
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


class Supervisor:
    """Runs the parts that a plan asks for, from one thread, until it is told to end."""

    def __init__(
        self,
        plan: Plan,
        parts: Sequence[Part],
        listener: Listener,
        notifier: Notifier | None = None,
    ) -> None:
        self._plan = plan
        self._listener = listener
        self._notifier = notifier or Notifier()
        self._kept = Kept(self._notifier)
        folder = plan.home / RUN
        asked = [(part, part.arguments(plan)) for part in parts]
        self._parts = [
            _Running(part, given, PartLog(folder / f"{part.name}.log"))
            for part, given in asked
            if given is not None
        ]
        self._state = State.STARTING
        self._told = self._lived = float("-inf")
        self._asked_to_end = 0
        self._selector = selectors.DefaultSelector()
        self._probes = ThreadPoolExecutor(1, "probe")

    def run(self) -> None:
        """Run until a signal comes; SIGINT and SIGTERM are taken over meanwhile.

        Raises HomeBusyError where somebody else runs this home, UsageError where the console's
        address is taken, PartFailedError where a part cannot be started at all, and what opening
        a home raises.
        """
        with held(self._plan.home) as holder, self._signals():
            check_free(self._plan)
            self._make_home()
            try:
                while not self._asked_to_end:
                    self._step(holder)
            finally:
                self._end(holder)
                self._kept.close()
                self._probes.shutdown(wait=False, cancel_futures=True)
                self._selector.close()
        self._listener.ended()

    def _make_home(self) -> None:
        """Keys and database, before the parts look for them."""
        Home.open(self._plan.home).close()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        before: dict[int, Any] = {}  # `Any`: whatever handlers the interpreter knows

        def told(_number: int, _frame: FrameType | None) -> None:
            self._asked_to_end += 1

        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = signal.Signals[name]
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, told)
        try:
            yield
        finally:
            for known, handler in before.items():
                signal.signal(known, handler)

    def _step(self, holder: Holder) -> None:
        now = time.monotonic()
        for at, one in enumerate(self._parts):
            due = one.next_start is None or now >= one.next_start
            if one.child is None and due and all(other.settled for other in self._parts[:at]):
                self._start(one)
        self._listen(LOOK_SECONDS)
        for one in self._parts:
            self._look_after(one)
        self._judge(holder)
        self._tell_status(holder)

    def _start(self, one: _Running) -> None:
        kept = self._kept.of(one.part.name)
        one.child = Child(one.arguments, one.log, one.part.reports, kept)
        one.begun = one.reported = time.monotonic()
        one.since = datetime.now(UTC)
        one.state, one.next_start, one.probe, one.counted = State.STARTING, None, None, None
        one.cpu = one.asked = None
        self._selector.register(one.child.pipe, selectors.EVENT_READ, one)
        if one.child.keeper is not None:
            self._selector.register(one.child.keeper, selectors.EVENT_READ, one)

    def _listen(self, seconds: float) -> None:
        if not self._selector.get_map():
            time.sleep(seconds)
            return
        for key, _ in self._selector.select(seconds):
            child = key.data.child
            if child is not None and key.fileobj == child.pipe:
                child.read()
            elif child is not None and child.keeper is not None:
                self._kept.listen(key.data.part.name, child.keeper)
        time.sleep(0.01)  # a pipe that was closed is always ready

    def _look_after(self, one: _Running) -> None:
        if one.child is None:
            return
        now = time.monotonic()
        code = one.child.exit_code()
        if one.child.reported:
            one.child.reported = False
            one.reported, one.cpu = now, one.child.cpu_seconds()
            _count(one, one.child.report or {}, now)
        if code is not None:
            self._bury(one, code)
        elif one.state is State.STARTING and self._answers(one, now):
            back = one.ever_up or one.restarts > 0
            one.state, one.ever_up, one.since = State.UP, True, datetime.now(UTC)
            if back:
                self._listener.back(one.part.name)
                said = f"{one.part.name} is up again"
                write_own(self._plan.home, "restart", one.part.name, said, failed=False)
        elif one.asked is not None:
            if now - one.asked > LAST_GRACE:
                one.child.signal(signal.SIGKILL)
        elif one.hangs(now, self._plan.patience) and self._nothing_to_wait_for(one, now):
            self._end_hanging(one, now)
        elif one.state is State.UP and one.deaths and now - one.begun > STEADY_SECONDS:
            one.deaths = 0

    def _answers(self, one: _Running, now: float) -> bool:
        assert one.child is not None
        if one.child.report is None:
            return False
        if one.part.answers is None:
            return True
        if one.probe is None:
            if now - one.probed >= PROBE_SECONDS:
                one.probed = now
                asked = one.part.answers, self._plan, one.child.report
                one.probe = self._probes.submit(asked[0], *asked[1:])
            return False
        if not one.probe.done():
            return False
        answered, one.probe = one.probe.result(), None
        return answered

    def _bury(self, one: _Running, code: int) -> None:
        """Note a death, and when to start again."""
        child = one.child
        assert child is not None
        self._let_go(one)
        one.last_exit, one.words = how_it_ended(code), tuple(child.words)
        if not one.ever_up and not one.deaths and code in _INCURABLE:
            raise PartFailedError(one.part.name, code, child.words)
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(one.deaths, 10))
        one.deaths += 1
        one.restarts += 1
        one.state, one.next_start = State.DOWN, time.monotonic() + delay
        said = f"{one.part.name} {one.last_exit}; it is started again in {delay:.0f} s"
        write_own(self._plan.home, "stop", one.part.name, said, failed=True)
        self._listener.died(one.part.name, one.last_exit, one.words, delay)

    def _nothing_to_wait_for(self, one: _Running, now: float) -> bool:
        """Whether the home can be read: who waits for its database's server does not hang."""
        if one.probe is None:
            if now - one.probed >= PROBE_SECONDS:
                one.probed = now
                one.probe = self._probes.submit(_is_readable, self._plan.home)
            return False
        if not one.probe.done():
            return False
        readable, one.probe = one.probe.result(), None
        return readable

    def _end_hanging(self, one: _Running, now: float) -> None:
        """Ask a part that gives no sign of life to end; where it does not, it is killed."""
        assert one.child is not None
        one.asked, silent = now, now - one.reported
        said = f"{one.part.name} gave no sign of life for {silent:.0f} s and is ended"
        write_own(self._plan.home, "stuck", one.part.name, said, failed=True)
        self._listener.stuck(one.part.name, silent)
        one.child.signal(signal.SIGTERM)

    def _let_go(self, one: _Running) -> None:
        assert one.child is not None
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(one.child.pipe)
        if one.child.keeper is not None:
            self._kept.listen(one.part.name, one.child.keeper)  # its last words
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(one.child.keeper)
        one.child.close()
        one.child = None
        one.since = datetime.now(UTC)

    def _judge(self, holder: Holder) -> None:
        """How the whole stands; what changes is written at once."""
        now, before = time.monotonic(), self._state
        all_up = all(one.state is State.UP and not one.stuck(now) for one in self._parts)
        first = self._state is State.STARTING
        if all_up and (first or not any(one.troubled for one in self._parts)):
            self._state = State.UP
        elif not first or all(one.settled for one in self._parts):
            self._state = State.DOWN
        if self._state is not before:
            self._told = float("-inf")
            self._tell_status(holder)  # whoever is told that all is up may look
        if first and all_up:
            self._notifier.tell("READY=1", "STATUS=everything is up")
            reports: dict[str, Report] = {
                one.part.name: one.child.report
                for one in self._parts
                if one.child is not None and one.child.report is not None
            }
            self._listener.ready(self._statuses(), reports)

    def _tell_status(self, holder: Holder) -> None:
        now = time.monotonic()
        every = self._notifier.every
        if every is not None and now - self._lived >= every:
            self._lived = now
            self._notifier.tell("WATCHDOG=1", f"STATUS={self._sentence()}")
        if now - self._told >= STATUS_SECONDS:
            self._told = now
            # A full disk is told by the watch; a supervisor that ends for it helps nobody.
            with contextlib.suppress(OSError):
                write_status(self._plan.home, self._state, holder, self._statuses(), time.time())

    def _sentence(self) -> str:
        return ", ".join(f"{one.part.name} {one.state}" for one in self._parts)

    def _statuses(self) -> list[PartStatus]:
        now, wall = time.monotonic(), datetime.now(UTC)
        return [_status(one, self._plan, now, wall) for one in self._parts]

    def _end(self, holder: Holder) -> None:
        """End the parts, the last one first: each is asked, asked again, and then killed."""
        self._state = State.STOPPING
        self._notifier.tell("STOPPING=1")
        order = [one for one in reversed(self._parts) if one.child is not None]
        self._listener.ending([one.part.name for one in order])
        patient = max(self._asked_to_end, 1)  # whoever asks once more wants it now
        for one in order:
            one.state = State.STOPPING
            child = one.child
            assert child is not None
            for grace in (one.part.grace, LAST_GRACE):
                child.signal(signal.SIGTERM)
                self._wait(child, holder, grace, patient)
            if child.exit_code() is None:
                self._listener.forced(one.part.name)
                child.signal(signal.SIGKILL)
                self._wait(child, holder, float("inf"), patient)
            self._let_go(one)
            one.state = State.ENDED
        self._told = float("-inf")
        self._state = State.ENDED
        self._tell_status(holder)
        for one in self._parts:
            one.log.close()

    def _wait(self, child: Child, holder: Holder, seconds: float, patient: int) -> None:
        """Wait for a part to end, unless more than `patient` signals ask for haste."""
        until = time.monotonic() + seconds
        while child.exit_code() is None and time.monotonic() < until:
            if self._asked_to_end > patient and seconds < float("inf"):
                return
            self._listen(LOOK_SECONDS)
            self._tell_status(holder)


def _is_readable(home: Path) -> bool:
    try:
        Home.open(home, read_only=True).close()
    except UnreachableError:
        return False
    except HauberkError:
        return True  # another matter, which its next start tells
    return True


def _count(one: _Running, report: Mapping[str, Any], now: float) -> None:
    """The pace of a part that says how many records it has taken in."""
    records = report.get("records")
    if not isinstance(records, int):
        return
    if one.counted is not None and now > one.counted[0]:
        one.rate = max(0.0, (records - one.counted[1]) / (now - one.counted[0]))
    one.counted = (now, records)


def _status(one: _Running, plan: Plan, now: float, wall: datetime) -> PartStatus:
    child = one.child
    next_start = None
    if one.next_start is not None:
        next_start = _iso(wall + timedelta(seconds=max(0.0, one.next_start - now)))
    # What opens the console for whoever reads it is told once, and never written.
    report = {k: v for k, v in (child.report or {}).items() if k != "setup"} if child else None
    return PartStatus(
        name=one.part.name,
        state=one.state,
        about=one.part.describe(plan),
        pid=child.pid if child else None,
        started=started_of(child.pid) if child else None,
        since=_iso(one.since) if one.since else None,
        restarts=one.restarts,
        last_exit=one.last_exit,
        last_words=one.words if one.last_exit else (),
        next_start=next_start,
        rate=None if one.rate is None else round(one.rate, 1),
        silent=round(now - one.reported, 1) if one.part.silence and child else None,
        stuck=one.stuck(now),
        report=report,
    )


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
