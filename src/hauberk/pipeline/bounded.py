"""Work of formats and detectors that may hang, kept from holding up everything else.

What does not end in time is left behind in its thread, which is told to end (Python code does, code
of other languages may not), and nobody waits for it any more.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import polars as pl

from hauberk.detect import Detector, State
from hauberk.events import EventBatch

HANG_SECONDS = 120.0
"""Longest that a format or a detector may take over one batch; whole ones take milliseconds."""

ENDING_SECONDS = 20.0
"""The same once the watch is to end."""

_T = TypeVar("_T")


class HungError(Exception):
    """Something did not end in time."""


class Run(Protocol):
    """Runs work: at once, or with a bound on its time."""

    def __call__(self, work: Callable[[], _T], /) -> _T:
        """What the work returns or raises."""
        ...


def at_once(work: Callable[[], _T], /) -> _T:
    """Without a bound."""
    return work()


class _LeftBehind(BaseException):
    """Ends a thread that nobody waits for; no `except Exception` of its code's keeps it."""


class Within:
    """Runs work in a thread of its own, HANG_SECONDS at most; `stop` says that the end is near."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def __call__(self, work: Callable[[], _T], /) -> _T:
        """What the work returns or raises. Raises HungError where it does not end."""
        made: list[_T] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                made.append(work())
            except BaseException as error:  # noqa: BLE001  # raised again by who waits
                failed.append(error)

        thread = threading.Thread(target=run, name="bounded", daemon=True)
        thread.start()
        self._wait(thread)
        if failed:
            raise failed[0]
        return made[0]

    def _wait(self, thread: threading.Thread) -> None:
        began = time.monotonic()
        until = began + HANG_SECONDS
        ending = False
        while True:
            thread.join(min(1.0, max(0.0, until - time.monotonic())))
            if not thread.is_alive():
                return
            now = time.monotonic()
            if self._stop.is_set() and not ending:
                ending, until = True, min(until, now + ENDING_SECONDS)
            if now >= until:
                _interrupt(thread)
                raise HungError(f"it has not ended after {now - began:.0f} s")


def _interrupt(thread: threading.Thread) -> None:
    """Have a thread's next line of Python raise; one that is in other code goes on."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_LeftBehind)
    )


class BoundedDetector:
    """A detector whose judgements have a bound; after one that hung it judges no more."""

    def __init__(self, detector: Detector, within: Run) -> None:
        self.spec = detector.spec
        self._detector = detector
        self._within = within
        self._hung = False

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """What the detector says. Raises HungError, also for all that comes after a hang."""
        if self._hung:
            raise HungError("it hung, and is set aside until the next start")
        try:
            return self._within(lambda: self._detector.judge(batch, state))
        except HungError as error:
            self._hung = True
            raise HungError(f"{error}; it is set aside until the next start") from None
