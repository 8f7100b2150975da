"""Sources of a watch: received, counted, held to their contracts, and told of.

What there is to say of a source (it is silent, it floods, it sends what it never sent) is a record
of Hauberk's own. It is written into the spool like what senders send, so that it becomes an event,
is judged by the shipped rules, and is stored exactly once by the way that all records go.
"""

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from hauberk.events import OWN_CLASS, OWN_FORMAT, OWN_PRODUCT, SOURCES_SERVICE
from hauberk.ingest import Follower, Known
from hauberk.ingest.receivers import (
    RESERVED,
    SPOOL,
    Contract,
    Keeper,
    Received,
    Receiving,
    Source,
    Sources,
    sweep,
)
from hauberk.store import BatchEntry

SWEEP_SECONDS = 30.0
"""Pause between two looks at which spool files are stored and can go."""

REPEAT_SECONDS = 3600.0
"""Pause between two records of the same breach that has no end of its own."""

_HOUR, _MINUTE = 3600.0, 60.0
_ENDLESS = frozenset({"format", "loss"})
"""Breaches that are moments: nothing says that they are over."""


@dataclass(frozen=True, slots=True)
class SourcePace:
    """How one source keeps up: sums since the watch began, and what it breaches now."""

    name: str
    kind: str
    where: str
    records: int
    per_second: float
    behind: int  # bytes that are there and not read yet
    silent: float  # seconds since its last record
    dropped: int = 0
    cut: int = 0
    refused: int = 0
    held_back: int = 0
    breaches: tuple[str, ...] = ()
    again: int = 0  # messages of a bus and named bodies that came again, and are kept once
    lag: int | None = None  # messages that a bus holds for us
    fault: str = ""  # what keeps us from it now


@dataclass(slots=True)
class _Account:
    """One source as it is watched."""

    source: Source
    folder: Path
    began: float
    last: float
    judged: int = 0
    records: int = 0
    rate: float = 0.0
    minutes: deque[tuple[int, int]] = field(default_factory=deque)
    strange: str = ""
    strangers: int = 0
    told_strangers: int = 0
    told_dropped: int = 0
    breaches: dict[str, float] = field(default_factory=dict)  # since when


class SourceWatch:
    """The sources of a watch, received from entering to leaving; `now` is a clock in seconds.

    Without sources it does nothing. Raises UsageError where an address cannot be listened at.
    """

    def __init__(
        self, sources: Sources, home: Path, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._spool = home / SPOOL
        network = [one for one in sources.sources if one.path is None]
        self.receiving = Receiving(sources, home) if network else None
        self._accounts = [
            _Account(one, one.path or self._spool / one.name, now(), now())
            for one in sources.sources
        ]
        self.paths = [one.path for one in sources.sources if one.path is not None]
        if sources.sources:
            self.paths.append(self._spool)
        self._own = _OwnRecords(self._spool / RESERVED)
        self._ticked = now()
        self._swept = now()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self.paths:
            self._spool.mkdir(mode=0o700, exist_ok=True)
        if self.receiving is not None:
            self._stack.enter_context(self.receiving)
        else:
            Keeper().forget_rest()  # what listened before nobody reads any more
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Receive no more; what has come is in the spool then."""
        self._own.close()
        self._stack.close()

    def judged(self, entry: BatchEntry) -> None:
        """Count a batch; one of a format that its source does not send is a breach."""
        account = self._of(entry.source)
        if account is None:
            return
        account.judged += entry.records
        allowed = account.source.contract.formats
        if account.source.path is not None and allowed is not None and entry.format not in allowed:
            account.strange = f"{entry.format}; expected {', '.join(sorted(allowed))}"
            account.strangers += 1

    def unread(self, source: str, reason: str) -> None:
        """Something of a source cannot be read at all."""
        account = self._of(source)
        if account is not None:
            account.strange, account.strangers = reason, account.strangers + 1

    def tick(self, follower: Follower, known: Known) -> tuple[SourcePace, ...]:
        """Hold every source to its contract, and say how each keeps up; every second or so.

        Raises what ended the receivers.
        """
        if not self._accounts:
            return ()
        now = self._now()
        if self.receiving is not None:
            self.receiving.check()
        paces = []
        for account in self._accounts:
            counted = self._counted(account)
            _count(account, counted, now, max(now - self._ticked, 1e-3))
            self._hold(account, counted, now)
            paces.append(_pace(account, counted, now, follower.behind_in(account.folder)))
        self._ticked = now
        if now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            held = self.receiving.held if self.receiving is not None else frozenset()
            sweep(self._spool, held | self._own.held, known)
        return tuple(paces)

    def _of(self, label: str) -> _Account | None:
        for one in self._accounts:
            folder = str(one.folder)
            if label == folder or label.startswith(folder + "/"):
                return one
        return None

    def _counted(self, account: _Account) -> Received:
        if self.receiving is not None and account.source.name in self.receiving.counted:
            return self.receiving.counted[account.source.name]
        return Received(
            account.judged, strange=account.strange, strangers=account.strangers
        )  # of a folder nothing comes but what was judged

    def _hold(self, account: _Account, counted: Received, now: float) -> None:
        found = {check: (value, bound, why) for check, value, bound, why in _broken(
            account, account.source.contract, counted, now
        )}  # fmt: skip
        for check, (value, bound, why) in found.items():
            since = account.breaches.get(check)
            if since is None or (check in _ENDLESS and now - since >= REPEAT_SECONDS):
                account.breaches[check] = now
                self._say(account, "breach", check, value, bound, why)
        account.told_strangers, account.told_dropped = counted.strangers, counted.dropped
        for check in [one for one in account.breaches if one not in found]:
            if check not in _ENDLESS:
                del account.breaches[check]
                why = f"{account.source.name} keeps its contract again ({check})"
                self._say(account, "recover", check, None, None, why)
            elif now - account.breaches[check] >= REPEAT_SECONDS:
                del account.breaches[check]

    def _say(
        self, account: _Account, operation: str, check: str, value: float | None,
        bound: float | None, message: str,
    ) -> None:  # fmt: skip
        record = {
            "class_uid": int(OWN_CLASS), "product": OWN_PRODUCT, "log": SOURCES_SERVICE,
            "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "status": "failure" if operation == "breach" else "success",
            "operation": operation, "source": account.source.name,
            "kind": str(account.source.kind), "check": check, "message": message,
        }  # fmt: skip
        record.update({name: one for name, one in (("value", value), ("bound", bound)) if one})
        self._own.write(record)


def _count(account: _Account, counted: Received, now: float, seconds: float) -> None:
    """Take in what has come since the last look."""
    came, account.records = counted.records - account.records, counted.records
    if came:
        account.last = now
    account.rate = came / seconds
    minute = int(now // _MINUTE)
    if account.minutes and account.minutes[-1][0] == minute:
        account.minutes[-1] = (minute, account.minutes[-1][1] + came)
    else:
        account.minutes.append((minute, came))
    while account.minutes[0][0] <= minute - 60:
        account.minutes.popleft()


def _broken(
    account: _Account, contract: Contract, counted: Received, now: float
) -> Iterator[tuple[str, float, float | None, str]]:
    """Checks that fail now: name, value, bound, and a sentence."""
    name = account.source.name
    silent = now - account.last
    if contract.silence is not None and silent >= contract.silence:
        yield (
            "silence", round(silent, 1), contract.silence,
            f"{name} has sent nothing for {silent:,.0f} s; its contract allows"
            f" {contract.silence:,.0f} s",
        )  # fmt: skip
    came = sum(count for _, count in account.minutes)
    low, high = contract.min_per_hour, contract.max_per_hour
    if low is not None and came < low and now - account.began >= _HOUR:
        why = f"{name} sent {came:,} records in the last hour; its contract asks for {low:,}"
        yield "volume_low", came, low, why
    if high is not None and came > high:
        why = f"{name} sent {came:,} records in the last hour; its contract allows {high:,}"
        yield "volume_high", came, high, why
    if counted.strangers > account.told_strangers:
        why = f"{name} sent what it never sends: {counted.strange[:300]}"
        yield "format", counted.strangers, None, why
    if counted.dropped > account.told_dropped:
        lost = counted.dropped - account.told_dropped
        why = f"{name} lost {lost:,} records that came faster than they could be kept"
        yield "loss", lost, None, why


def _pace(account: _Account, counted: Received, now: float, behind: int) -> SourcePace:
    source = account.source
    return SourcePace(
        source.name, str(source.kind), source.where, account.records, round(account.rate, 1),
        behind, round(now - account.last, 1), counted.dropped, counted.cut, counted.refused,
        counted.held_back, tuple(sorted(account.breaches)), counted.again,
        counted.lag, counted.fault,
    )  # fmt: skip


class _OwnRecords:
    """A spool file of Hauberk's own records, begun when there is the first to write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None

    @property
    def held(self) -> frozenset[Path]:
        """The file that is being written."""
        return frozenset() if self._path is None else frozenset({self._path})

    def write(self, record: dict[str, object]) -> None:
        """Append a record, durably. Raises OSError where there is no room for it."""
        if self._path is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path = self._folder / f"{time.time_ns():020}.{OWN_FORMAT}.log"
        line = json.dumps(record).encode() + b"\n"
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)

    def close(self) -> None:
        """Write to no further file."""
        self._path = None
