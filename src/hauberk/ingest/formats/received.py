"""Records as receivers spooled them: each in an envelope, all of one other format.

The other format parses what the envelopes hold. A syslog message whose sender left out the time or
the host is completed as RFC 3164 (4.3.3) asks of a relay: with the time that it came at and the
address that it came from; so nothing that a device says is lost for its form.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePath

import numpy as np

from hauberk.errors import UsageError
from hauberk.ingest.interface import (
    Format,
    Framing,
    Parsed,
    ParsedGroup,
    RecordBatch,
    Reject,
)

from .envelope import MARK, Enveloped, format_of, opened
from .lines import Numbers, split_lines, utf16_of

SYSLOG = "syslog"

_PRIORITY = re.compile(rb"<\d{1,3}>")
_NO_PRIORITY = b"<13>"  # user.notice, as RFC 3164 (4.3.3) says
_HEAD = 64 << 10


class Received:
    """A spool file of `hauberk watch --sources`."""

    name = "received"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By its first line, which only a receiver writes."""
        return 1.0 if format_of(head) is not None else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one chunk, as the format of its records makes them."""
        lines = split_lines(records)
        kept = [at for at, text in enumerate(lines.texts) if not text.startswith(MARK)]
        held = [opened(lines.texts[at]) for at in kept]
        whole = [one for one in held if one is not None]
        # Of all lines: the first one of a file is no record.
        counted = np.ones(len(lines.offsets), bool)
        counted[lines.numbers] = False
        counted[lines.numbers[kept]] = True
        places = (lines.offsets[counted], lines.lengths[counted])
        number_of = np.cumsum(counted) - 1
        numbers = number_of[lines.numbers[kept]]
        strange = [
            _reject_at(int(numbers[at]), places, "no envelope; expected time, transport, sender")
            for at, one in enumerate(held)
            if one is None
        ]
        numbers = numbers[[one is not None for one in held]]
        head = records.data[:_HEAD] if records.offset == 0 else records.head
        inner = _inner_format(head)
        if isinstance(inner, str):
            strange += [_reject_at(int(number), places, inner) for number in numbers]
            return Parsed([], *places, rejects=[*lines.rejects, *strange])
        groups, rejects, aggregated = _parsed(inner, whole, numbers, places, head)
        return Parsed(groups, *places, aggregated, [*lines.rejects, *strange, *rejects])


@dataclass(frozen=True, slots=True)
class _Inside:
    """What an inner format made of some records, in terms of their positions."""

    groups: Sequence[ParsedGroup]
    rejects: Sequence[tuple[int, str]]
    aggregated: int


def _inner_format(head: bytes) -> Format | str:
    """The format of the records, or why there is none."""
    from hauberk.ingest.known_formats import format_named  # noqa: PLC0415  # it loads this file

    name = format_of(head)
    if name is None or name == Received.name:
        return "the file does not say of what format its records are"
    try:
        found = format_named(name)
    except UsageError as error:
        return str(error)
    return found if found.framing is Framing.LINES else f"{name} is not made of lines"


def _parsed(
    inner: Format, held: Sequence[Enveloped], numbers: Numbers,
    places: tuple[Numbers, Numbers], head: bytes,
) -> tuple[list[ParsedGroup], list[Reject], int]:  # fmt: skip
    """What the records become; record `held[i]` is number `numbers[i]`."""
    if not held:
        return [], [], 0
    start = _head_inside(head)
    first = _inside(inner, [one.record for one in held], held, start)
    groups = [replace(one, records=numbers[one.records]) for one in first.groups]
    rejects, aggregated = list(first.rejects), first.aggregated
    if inner.name == SYSLOG and rejects:
        at = [position for position, _ in rejects]
        again = [held[position] for position in at]
        second = _inside(inner, [_relayed(one) for one in again], again, start)
        groups += [
            replace(one, records=numbers[np.array(at)[one.records]]) for one in second.groups
        ]
        rejects = [(at[position], reason) for position, reason in second.rejects]
    return groups, [_reject_at(int(numbers[at]), places, why) for at, why in rejects], aggregated


def _inside(
    inner: Format, texts: Sequence[bytes], held: Sequence[Enveloped], head: bytes
) -> _Inside:
    """Parse the records as lines of one chunk, and find which line each answer is about."""
    lengths = np.array([len(text) for text in texts], np.int64) + 1
    starts = np.cumsum(lengths) - lengths + 1
    # Past the head, so that nothing in the first record is taken for the start of a file.
    parsed = inner.parse(RecordBatch(b"\n".join(texts), "", 1, head, _latest(held)))
    line_of = np.searchsorted(starts, parsed.offsets, side="right") - 1
    missed = np.ones(len(texts), bool)
    missed[line_of] = False
    rejects = [
        (int(np.searchsorted(starts, one.offset, side="right")) - 1, one.reason)
        for one in parsed.rejects
    ]
    rejects += [(at, "an empty record") for at in np.flatnonzero(missed).tolist()]
    groups = [replace(one, records=line_of[one.records]) for one in parsed.groups]
    return _Inside(groups, rejects, parsed.aggregated)


def _relayed(one: Enveloped) -> bytes:
    """A message with the header that its sender left out: priority, time, host."""
    found = _PRIORITY.match(one.record)
    said = one.record[found.end() :] if found else one.record
    before = found[0] if found else _NO_PRIORITY
    return b"%s%s %s %s" % (before, one.received, one.sender, said.lstrip(b" "))


def _head_inside(head: bytes) -> bytes:
    """The head that a file of the records alone would have."""
    lines = head.split(b"\n")[1:-1]
    inside = b"\n".join(one.record for one in map(opened, lines) if one is not None)
    return b"" if utf16_of(inside) else inside


def _latest(held: Sequence[Enveloped]) -> datetime | None:
    """When the last of the records came; receivers write times so that their text is in order."""
    try:
        moment = datetime.fromisoformat(max(one.received for one in held).decode("ascii"))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _reject_at(number: int, places: tuple[Numbers, Numbers], reason: str) -> Reject:
    return Reject(int(places[0][number]), int(places[1][number]), reason)
