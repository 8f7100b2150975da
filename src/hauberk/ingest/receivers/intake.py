"""From a bus into the spool: each record once, whatever is delivered again."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from hauberk.ingest.formats.envelope import enclose, envelope

from .counting import Received
from .positions import Positions, transport
from .sources_file import Source
from .spool import Spool
from .telling import format_of, why_strange

UNKNOWN = "unknown"
"""The format under which records are spooled that none knows: all of them become dead letters."""

WRITE_SECONDS = 60.0
"""Pause between two writings of the positions, which bound what is read at the next start."""


class Taken(NamedTuple):
    """A message of a bus: its log, where it stands there, its subject or topic, and its bytes."""

    log: str
    position: int
    subject: str
    payload: bytes


@dataclass(slots=True)
class _Lines:
    """What a message adds to the spool: the records that are not there yet."""

    taken: Taken
    records: list[bytes]


class Intake:
    """Keeps the messages of one source. Raises HomeDamagedError, OSError where it cannot begin."""

    def __init__(self, source: Source, spool: Spool, counted: Received, folder: Path) -> None:
        self._source = source
        self._spool = spool
        self._counted = counted
        self.positions = Positions.of(folder)
        self._written = 0.0

    async def keep(self, messages: Sequence[Taken]) -> None:
        """Until every message is on the device; those that were there are passed over."""
        fresh: dict[str, list[_Lines]] = {}
        for one in messages:
            records = self._fresh(one)
            if records:
                fresh.setdefault(one.subject, []).append(_Lines(one, records))
        now = datetime.now(UTC)
        for lines in fresh.values():
            format_name = self._format(lines)
            data = b"".join(self._enclosed(lines, now))
            self._counted.records += sum(len(one.records) for one in lines)
            self._counted.bytes += len(data)
            self._spool.append(self._source.name, format_name, data)
        if fresh:
            await self._spool.durable()
        loop_time = asyncio.get_running_loop().time()
        if self.positions.stale or loop_time - self._written >= WRITE_SECONDS:
            self._written = loop_time
            await asyncio.to_thread(self.positions.write)

    def close(self) -> None:
        """Let all files of this source go that are stored; nothing may be under way."""
        self.positions.write()

    def _fresh(self, one: Taken) -> list[bytes]:
        """The records of a message that are not kept yet; they count as kept from now on."""
        log = self.positions.log(one.log)
        kept = log.lines_of(one.position)
        if kept is None:
            self._counted.again += 1
            return []
        records = records_of(one.payload)
        if kept >= len(records):
            self._counted.again += 1 if kept else 0
            return []
        log.above[one.position] = len(records)
        return records[kept:]

    def _enclosed(self, lines: Sequence[_Lines], now: datetime) -> Iterator[bytes]:
        kind = str(self._source.kind)
        for one in lines:
            log, position = one.taken.log, one.taken.position
            floor = self.positions.log(log).floor
            before = envelope(transport(kind, log, position, floor), "-", now)
            for record in one.records:
                yield enclose(before, record)

    def _format(self, lines: Sequence[_Lines]) -> str:
        """The format of what came of one subject; a breach of the contract is told, and kept."""
        records = [record for one in lines[:64] for record in one.records]
        found = self._source.format or format_of(records)
        allowed = self._source.contract.formats
        if found is None:
            self._strange(why_strange(records), len(lines))
        elif allowed is not None and found not in allowed:
            self._strange(f"{found}; expected {', '.join(sorted(allowed))}", len(lines))
        return found or UNKNOWN

    def _strange(self, why: str, many: int) -> None:
        self._counted.strange, self._counted.strangers = why, self._counted.strangers + many


def records_of(payload: bytes) -> list[bytes]:
    """The records of a message: one, or a line each where it is made of JSON lines.

    A JSON text over several lines is one record; its line ends mean nothing and become blanks.
    """
    text = payload.strip(b" \t\r\n\0")
    if not text:
        return []
    if not text.startswith(b"{") or b"\n" not in text:
        return [text]
    lines = [line.strip(b" \t\r") for line in text.split(b"\n")]
    lines = [line for line in lines if line]
    if all(_is_object(line) for line in lines):
        return lines
    return [b" ".join(lines)] if _is_object(text) else [text]


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
