"""What one commit holds: batches, events, dead letters, findings, incidents, states, facts.

Everything here is data. Columns of frames are those of `hauberk.events`; text may be any text, also
such as no database takes (lone surrogates, NUL), and is made storable once, here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from hauberk.events import EventClass, no_findings

MAX_HEAD = 64 << 10
"""Bytes of a file's start that are kept with its batches, for replay."""


def storable(text: str) -> str:
    """`text` as UTF-8 and every database can hold it: lone surrogates and NUL written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One chunk of one file and what became of its records.

    `records == events + aggregated + rejected`. `sha256` is of the chunk's bytes, `first_record`
    a digest of its first record's bytes (how a grown or moved file is known again), `head` the
    start of the file, at most MAX_HEAD bytes.
    """

    batch_id: str
    source: str
    start: int
    length: int
    sha256: str
    first_record: str
    format: str
    format_version: str
    records: int
    events: int
    aggregated: int = 0
    rejected: int = 0
    head: bytes = b""
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that is no event, kept whole with the reason."""

    batch_id: str
    source: str
    offset: int
    length: int
    reason: str
    bytes: bytes


@dataclass(frozen=True, slots=True)
class StoredIncident:
    """An incident as the store keeps it. `body` is JSON: the store does not look inside."""

    uid: str
    probability: float
    start: datetime
    end: datetime
    above_budget: bool
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Commit:
    """All that becomes durable together, or not at all.

    tables
        events by class, any subset of the class's columns; their heights sum to the batches'
        events.
    findings
        FINDING_SCHEMA; of a uid the last row counts. What is stored of a uid stays; a row that
        differs from it is stored beside it and is what readers see from then on.
    incidents, gone_incidents
        added to those stored (same uid: replaced), and the uids of those that are no longer.
    states
        detector name to its named tables; the new state of the detectors named, whole.
    facts
        JSON that is stored with the commit (for instance how far events have been judged).
    entries
        further ledger entries: JSON objects with a `type` that is not one of the store's own.
    """

    batches: Sequence[BatchEntry] = ()
    tables: Mapping[EventClass, pl.DataFrame] = field(default_factory=dict)
    dead_letters: Sequence[DeadLetter] = ()
    findings: pl.DataFrame = field(default_factory=no_findings)
    incidents: Sequence[StoredIncident] = ()
    gone_incidents: Sequence[str] = ()
    states: Mapping[str, Mapping[str, pl.DataFrame]] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    entries: Sequence[Mapping[str, object]] = ()


OWN_ENTRY_TYPES = frozenset({"batch", "commit", "compaction", "retention"})


def check(commit: Commit) -> None:
    """Refuse a commit whose numbers do not add up, before anything is written.

    Raises ValueError: the caller is wrong, not the data.
    """
    rejected: dict[str, int] = {}
    for letter in commit.dead_letters:
        rejected[letter.batch_id] = rejected.get(letter.batch_id, 0) + 1
    seen: set[str] = set()
    for batch in commit.batches:
        if batch.batch_id in seen:
            raise ValueError(f"batch {batch.batch_id} stands in the commit twice")
        seen.add(batch.batch_id)
        if batch.records != batch.events + batch.aggregated + batch.rejected:
            raise ValueError(
                f"batch {batch.batch_id}: {batch.records} records are not {batch.events} events "
                f"+ {batch.aggregated} aggregated + {batch.rejected} rejected"
            )
        if len(batch.head) > MAX_HEAD:
            raise ValueError(f"batch {batch.batch_id}: a head of {len(batch.head)} bytes")
        letters = rejected.pop(batch.batch_id, 0)
        if letters != batch.rejected:
            raise ValueError(
                f"batch {batch.batch_id}: {letters} dead letters for {batch.rejected} rejected"
            )
    if rejected:
        raise ValueError(f"dead letters of batches that are not here: {sorted(rejected)[:5]}")
    stored = sum(frame.height for frame in commit.tables.values())
    said = sum(batch.events for batch in commit.batches)
    if stored != said:
        raise ValueError(f"the tables hold {stored} events, the batches say {said}")
    uids = [*(storable(one.uid) for one in commit.incidents), *commit.gone_incidents]
    if len(uids) != len(set(uids)):
        raise ValueError("an incident stands in the commit twice")
    for entry in commit.entries:
        if not isinstance(entry.get("type"), str) or entry["type"] in OWN_ENTRY_TYPES:
            raise ValueError("a ledger entry needs a type of its own")
