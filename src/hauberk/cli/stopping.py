"""Ctrl-C, SIGTERM and a terminal that is closed: one sentence and an exit code, no trace.

Loads nothing but the standard library, so that it is there before anything else is.
"""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType
from typing import Any

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_USUAL = (signal.SIG_DFL, signal.default_int_handler)

AT_ONCE_SECONDS = 1.0
"""A signal that follows the first one so soon is no second one."""


class Stopped(BaseException):
    """A signal asked us to stop. No Exception, and no KeyboardInterrupt, which others catch."""


@contextmanager
def when_stopped() -> Iterator[None]:
    """Exit as shells expect of what a signal stopped (128 + its number), and say what is kept.

    A commit that is under way is ended first: its thread is waited for, and the home stays locked.
    What comes after the first signal is passed over, or an impatient second Ctrl-C would end that
    waiting. (SIGKILL ends everything, and harms nothing that was committed.)
    """
    code = 0

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal code
        if not code:
            code = 128 + number
            raise Stopped

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            # Who started us may have said that we outlive the terminal (nohup).
            if number is not None and signal.getsignal(number) in _USUAL:
                before[number] = signal.signal(number, stop)
    try:
        yield
    except (Stopped, KeyboardInterrupt):
        sys.stderr.write(
            "stopped: what was committed is kept; run the same command again to go on\n"
        )
        sys.exit(code or 128 + signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ended_in_order(stop: threading.Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM sets `stop`, for what ends by itself; the second one stops.

    What comes at once is one signal: Linux tells of a parent's death once for each of its threads.
    """
    first: float | None = None
    asked: SimpleQueue[bool] = SimpleQueue()
    before: dict[int, Any] = {}  # whatever handlers the interpreter knows

    def told(number: int, _frame: FrameType | None) -> None:
        nonlocal first
        now = time.monotonic()
        if first is None:
            first = now
            asked.put(True)
        elif now - first >= AT_ONCE_SECONDS:
            signal.signal(number, before[number])
            signal.raise_signal(number)

    def pass_on() -> None:
        if asked.get():
            stop.set()

    # An Event has a lock, which who is interrupted may hold: no handler may set it.
    threading.Thread(target=pass_on, name="signals", daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, told)
    try:
        yield
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)
        asked.put(False)
