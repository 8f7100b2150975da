"""What clients had models judge, counted, and left in the home's inbox every few seconds.

Whoever writes the home takes the records from there; they become events, which the detector
`model-requests` adds up to what drift and copying are told by. Where nobody writes the home they
are taken at once. What was counted and not yet left is lost if the process is killed: seconds.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import polars as pl

from hauberk.detect.models import WRITER, Asked, request_record
from hauberk.errors import HauberkError, HomeBusyError
from hauberk.models import LoadedModel, add_up, add_up_queries
from hauberk.pipeline import take_waiting
from hauberk.store import Home, Inbox

MOST_WAITING = 2000
LATE_SECONDS = 60.0
"""Groups of counts that wait, and how long they do, before nobody is judged for any more."""

_TOGETHER = 64
_Key = tuple[str, str, str, date]  # artifact, stage, client, day


@dataclass(slots=True)
class Requests:
    """Counts of one process that serves a home. `add` from any thread, `leave` from one."""

    home: Path
    clock: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic
    fault: str = ""
    _waiting: dict[_Key, tuple[LoadedModel, list[Asked]]] = field(default_factory=dict)
    _since: float | None = None  # when the oldest of what waits was counted
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def add(self, loaded: LoadedModel, client: str, day: date, counts: Asked) -> None:
        """Count what one request had one model judge."""
        key = (loaded.digest, str(loaded.stage), client, day)
        with self._turn:
            self._since = self.monotonic() if self._since is None else self._since
            known = self._waiting.setdefault(key, (loaded, []))[1]
            known.append(counts)
            if len(known) >= _TOGETHER:
                known[:] = [_sum(known)]

    @property
    def behind(self) -> str:
        """Why no more requests may be counted; empty where they may."""
        with self._turn:
            late = self._since is not None and self.monotonic() - self._since > LATE_SECONDS
            if late or len(self._waiting) >= MOST_WAITING:
                return f"requests cannot be counted: {self.fault or 'the inbox takes too long'}"
        return ""

    def leave(self) -> int:
        """Leave all that waits in the inbox, durably; how many records. Never raises."""
        with self._turn:
            taken, since = self._waiting, self._since
            self._waiting, self._since = {}, None
        if not taken:
            return 0
        now = self.clock()
        said = [
            request_record(loaded, key[2], key[3], _sum(counts), now)
            for key, (loaded, counts) in taken.items()
        ]
        try:
            Inbox(self.home, WRITER).append(said)
        except (OSError, HauberkError) as error:
            self.fault = str(error)
            self._put_back(taken, since)
            return 0
        self.fault = ""
        return len(said)

    def take(self) -> None:
        """Take what waits in the inbox into the home, if nobody else writes it. Never raises."""
        try:
            with Home.open(self.home, create=False) as home:
                take_waiting(home)
        except HomeBusyError:
            return
        except (OSError, HauberkError) as error:
            self.fault = str(error)

    def _put_back(
        self, taken: dict[_Key, tuple[LoadedModel, list[Asked]]], since: float | None
    ) -> None:
        with self._turn:
            for key, (loaded, counts) in taken.items():
                self._waiting.setdefault(key, (loaded, []))[1][:0] = [_sum(counts)]
            self._since = since


def _sum(counts: list[Asked]) -> Asked:
    """Several counts of one key as one."""
    tallies = pl.concat([one.tally for one in counts])
    inputs = pl.concat([one.inputs for one in counts])
    queries = pl.concat([one.queries for one in counts])
    return Asked(
        add_up(tallies.clear(), tallies),
        add_up_queries(queries.clear(), queries),
        add_up(inputs.clear(), inputs),
    )
