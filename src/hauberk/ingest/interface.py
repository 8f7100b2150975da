"""What sources hand to formats, and what formats make of it.

A source cuts a file into chunks of whole records; a format turns a chunk into groups of events
and accounts for every record in it: stored, aggregated into another record's event, or rejected
with a reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import PurePath
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hauberk.events import EventGroup

MAX_RECORD = 16 << 20
"""Bytes of the longest record that is parsed; a longer one is rejected and skipped."""


class Framing(Enum):
    """How a file of this format is cut into chunks of whole records."""

    LINES = "lines"  # at line ends; a chunk holds whole lines
    EVTX_CHUNKS = "evtx"  # 64 KiB chunks of an EVTX file
    DOCUMENT = "document"  # not at all: one JSON document, read whole
    WHOLE = "whole"  # not at all; a stored record is again a file of the format by itself


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """A chunk of whole records from one file, as bytes.

    `head` is the start of the same file (at most 64 KiB), for formats whose meaning is set there
    (Zeek's #fields, a CSV header). `offset` is where `data` begins in the unpacked file, so
    `offset == 0` means that `data` itself begins with that head. `modified` is the file's own
    time stamp, for formats that write no year. `before` is what stands just before `data` and was
    read already, for formats whose records lean on it (an EVTX chunk that is still written into).
    """

    data: bytes
    source: str
    offset: int = 0
    head: bytes = b""
    modified: datetime | None = None
    before: bytes = b""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that is no event of this format, for the dead letters."""

    offset: int  # in the unpacked file
    length: int
    reason: str  # what was wrong and what was expected, in one sentence


@dataclass(frozen=True, slots=True)
class ParsedGroup:
    """A group of events and where each came from: row i is record number `records[i]`."""

    group: EventGroup
    records: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What became of a chunk. `len(offsets) == events + aggregated + len(rejects)`.

    `offsets` and `lengths` (of every record in the chunk, in order) are in the unpacked file.
    Headers, comments and blank lines are not records. `raw`, where given, is the text of each
    record for formats whose bytes mean nothing outside their file (EVTX), and `raw_format` the
    name of the format that can parse that text again.
    """

    groups: Sequence[ParsedGroup]
    offsets: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    aggregated: int = 0
    rejects: Sequence[Reject] = field(default=())
    raw: Sequence[bytes] | None = None
    raw_format: str | None = None

    @property
    def records(self) -> int:
        """Number of records in the chunk."""
        return len(self.offsets)

    @property
    def events(self) -> int:
        """Number of events made."""
        return sum(parsed.group.events.height for parsed in self.groups)


class Format(Protocol):
    """Bytes of one kind of log into events. Never raises on bad data, never loses a record."""

    name: str
    version: str  # moves when the same bytes would yield other events
    framing: Framing

    def sniff(self, head: bytes, path: PurePath | None) -> float:
        """How surely `head` (up to 64 KiB of a file's start) is of this format, 0 to 1.

        By content; the path may break ties and no more.
        """
        ...

    def parse(self, records: RecordBatch) -> Parsed:
        """Events and rejects of one chunk."""
        ...
