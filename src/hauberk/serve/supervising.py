"""The supervisor: starts the parts, starts again what dies, ends all in order."""

import contextlib
import selectors
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
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
from .running import Holder, held
from .running_part import RunningPart
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

_INCURABLE = frozenset({ExitCode.USAGE, ExitCode.HOME_BUSY, ExitCode.HOME_DAMAGED})
"""Codes after which a first start is not tried again."""


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
            RunningPart(part, given, PartLog(folder / f"{part.name}.log"))
            for part, given in asked
            if given is not None
        ]
        self._kept.only({one.part.name for one in self._parts})
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

    def _start(self, one: RunningPart) -> None:
        kept = self._kept.of(one.part.name)
        try:
            one.child = Child(one.arguments, one.log, one.part.reports, kept)
        except OSError as error:  # for want of memory, processes or descriptors
            self._try_again(one, f"could not be started: {error.strerror or error}")
            return
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
            elif (
                child is not None
                and child.keeper is not None
                and self._kept.listen(child.keeper, key.data.part.name) is None
            ):
                self._selector.unregister(child.keeper)  # it asks for nothing more
        time.sleep(0.01)  # a pipe that was closed is always ready

    def _look_after(self, one: RunningPart) -> None:
        if one.child is None:
            return
        now = time.monotonic()
        code = one.child.exit_code()
        if one.child.reported:
            one.child.reported = False
            one.reported, one.cpu = now, one.child.cpu_seconds()
            one.count(one.child.report or {}, now)
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

    def _answers(self, one: RunningPart, now: float) -> bool:
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

    def _bury(self, one: RunningPart, code: int) -> None:
        """Note a death, and when to start again."""
        child = one.child
        assert child is not None
        self._let_go(one)
        one.last_exit, one.words = how_it_ended(code), tuple(child.words)
        if not one.ever_up and not one.deaths and code in _INCURABLE:
            raise PartFailedError(one.part.name, code, child.words)
        self._try_again(one, one.last_exit)

    def _try_again(self, one: RunningPart, how: str) -> None:
        """Note that a part is down, and when it is started again."""
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(one.deaths, 10))
        one.deaths += 1
        one.restarts += 1
        one.state, one.next_start = State.DOWN, time.monotonic() + delay
        said = f"{one.part.name} {how}; it is started again in {delay:.0f} s"
        write_own(self._plan.home, "stop", one.part.name, said, failed=True)
        self._listener.died(one.part.name, how, one.words, delay)

    def _nothing_to_wait_for(self, one: RunningPart, now: float) -> bool:
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

    def _end_hanging(self, one: RunningPart, now: float) -> None:
        """Ask a part that gives no sign of life to end; where it does not, it is killed."""
        assert one.child is not None
        one.asked, silent = now, now - one.reported
        said = f"{one.part.name} gave no sign of life for {silent:.0f} s and is ended"
        write_own(self._plan.home, "stuck", one.part.name, said, failed=True)
        self._listener.stuck(one.part.name, silent)
        one.child.signal(signal.SIGTERM)

    def _let_go(self, one: RunningPart) -> None:
        assert one.child is not None
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(one.child.pipe)
        if one.child.keeper is not None:
            while self._kept.listen(one.child.keeper, one.part.name):
                pass  # its last words
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
        return [one.status(self._plan, now, wall) for one in self._parts]

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
