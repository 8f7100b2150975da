"""Reads the records database: batches, accounting, incidents, states, commits; and findings."""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import polars as pl
import zstandard
from sqlalchemy import Row, func, select

from hauberk.errors import HomeDamagedError, UsageError

from . import tables
from .accounts import Accounting, CommitInfo, KnownRange, SourceAccount
from .commit import MAX_HEAD, BatchEntry, StoredIncident
from .finding_records import FindingRecords
from .rows import DEAD_LETTER_SCHEMA
from .tables import from_micros

_ASK_AT_ONCE = 500
"""Values in one SQL `IN`; every database takes so many."""


class Records(FindingRecords):
    """What a home knows besides events. Every call sees complete commits only."""

    def known_ranges(self, first_record: str, start: int) -> list[KnownRange]:
        """Stored ranges that begin at `start` with that record, longest first."""
        batches = tables.batches
        query = (
            select(batches)
            .where(batches.c.first_record == first_record, batches.c.start == start)
            .order_by(batches.c.length.desc(), batches.c.batch_id)
        )
        with self._engine.connect() as connection:
            return [
                KnownRange(
                    row.batch_id,
                    row.source,
                    row.start,
                    row.length,
                    row.sha256,
                    row.format,
                    row.format_version,
                )
                for row in connection.execute(query)
            ]

    def has_batch(self, batch_id: str) -> bool:
        """Whether a batch is stored."""
        query = select(tables.batches.c.batch_id).where(tables.batches.c.batch_id == batch_id)
        with self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def stored(self, batch_ids: Sequence[str]) -> list[str]:
        """Those of the batches that are stored."""
        column = tables.batches.c.batch_id
        with self._engine.connect() as connection:
            return [
                str(found)
                for at in range(0, len(batch_ids), _ASK_AT_ONCE)
                for found in connection.execute(
                    select(column).where(column.in_(batch_ids[at : at + _ASK_AT_ONCE]))
                ).scalars()
            ]

    def batch(self, batch_id: str) -> BatchEntry | None:
        """A batch with the head of its file; None where it is not stored."""
        batches, heads = tables.batches, tables.heads
        query = (
            select(batches, heads.c.data)
            .join(heads, heads.c.sha256 == batches.c.head_sha256)
            .where(batches.c.batch_id == batch_id)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        return BatchEntry(
            batch_id=row.batch_id,
            source=row.source,
            start=row.start,
            length=row.length,
            sha256=row.sha256,
            first_record=row.first_record,
            format=row.format,
            format_version=row.format_version,
            records=row.records,
            events=row.events,
            aggregated=row.aggregated,
            rejected=row.rejected,
            head=unpack_head(row.data),
            modified=None if row.modified is None else from_micros(row.modified),
        )

    def commit_of(self, batch_id: str) -> int | None:
        """Number of the commit that brought a batch; None where it is not stored."""
        query = select(tables.batches.c.number).where(tables.batches.c.batch_id == batch_id)
        with self._engine.connect() as connection:
            number: int | None = connection.execute(query).scalar()
        return number

    def time_of(self, number: int) -> datetime | None:
        """When a commit was made; None where there is none of that number."""
        query = select(tables.commits.c.time).where(tables.commits.c.number == number)
        with self._engine.connect() as connection:
            time: int | None = connection.execute(query).scalar()
        return None if time is None else from_micros(time)

    def accounting(self) -> list[Accounting]:
        """What became of the records, by format."""
        batches = tables.batches
        sums = [
            func.sum(column)
            for column in (
                batches.c.records,
                batches.c.events,
                batches.c.aggregated,
                batches.c.rejected,
            )
        ]
        query = (
            select(batches.c.format, func.count(), *sums)
            .group_by(batches.c.format)
            .order_by(batches.c.format)
        )
        with self._engine.connect() as connection:
            return [
                Accounting(name, *(int(value) for value in numbers))
                for name, *numbers in connection.execute(query)
            ]

    def sources(self, limit: int) -> list[SourceAccount]:
        """What came from each source, those that something came from last first."""
        batches, commits = tables.batches, tables.commits
        sums = [func.sum(one) for one in (batches.c.records, batches.c.events, batches.c.rejected)]
        newest = func.max(batches.c.number)
        query = (
            select(batches.c.source, batches.c.format, newest, *sums)
            .group_by(batches.c.source, batches.c.format)
            .order_by(newest.desc(), batches.c.source)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            rows = list(connection.execute(query))
            numbers = sorted({row[2] for row in rows})
            times: dict[int, datetime] = {}
            for at in range(0, len(numbers), _ASK_AT_ONCE):
                chunk = commits.c.number.in_(numbers[at : at + _ASK_AT_ONCE])
                found = connection.execute(select(commits.c.number, commits.c.time).where(chunk))
                times.update((number, from_micros(time)) for number, time in found)
        return [
            SourceAccount(source, name, times[number], int(records), int(events), int(rejected))
            for source, name, number, records, events, rejected in rows
        ]

    def dead_letters(self, batch_id: str | None = None) -> pl.LazyFrame:
        """Rejected records (batch_id, source, offset, length, reason, bytes)."""
        letters = tables.dead_letters
        query = select(letters.c.path).order_by(letters.c.number)
        if batch_id is not None:
            query = query.where(letters.c.number == self.commit_of(batch_id))
        with self._engine.connect() as connection:
            paths = [str(self._home / path) for (path,) in connection.execute(query)]
        if not paths:
            return pl.LazyFrame(schema=DEAD_LETTER_SCHEMA)
        frame = pl.scan_parquet(paths, hive_partitioning=False, glob=False)
        return frame if batch_id is None else frame.filter(pl.col("batch_id") == batch_id)

    def incidents(self) -> list[StoredIncident]:
        """All incidents, the most probable first, of equals the one that began first."""
        return list(self.each_incident())

    def each_incident(self) -> Iterator[StoredIncident]:
        """Incidents one after the other, as `incidents`; few are in memory at a time."""
        incidents = tables.incidents
        column = incidents.c
        query = select(incidents).order_by(column.probability.desc(), column.start, column.uid)
        with self._engine.connect() as connection:
            for row in connection.execute(query.execution_options(yield_per=100)):
                yield _incident(row)

    def incidents_of_commit(self) -> tuple[int, int]:
        """How many incidents there are, and the newest commit that brought one (0 for none)."""
        query = select(func.count(), func.max(tables.incidents.c.number))
        with self._engine.connect() as connection:
            number, newest = connection.execute(query).one()
        return int(number), int(newest or 0)

    def incident(self, uid: str) -> StoredIncident | None:
        """The incident with this uid, or whose uid alone begins so; None where none does.

        Raises UsageError where several begin so.
        """
        column = tables.incidents.c.uid
        query = select(tables.incidents).where(column.startswith(uid, autoescape=True))
        with self._engine.connect() as connection:
            # By far the most often asked for, and found by the key.
            known = connection.execute(select(tables.incidents).where(column == uid)).first()
            if known is not None:
                return _incident(known)
            # SQLite compares LIKE without regard to case; uids do not.
            found = [row for row in connection.execute(query) if row.uid.startswith(uid)]
        if len(found) == 1:
            return _incident(found[0])
        if found:
            names = ", ".join(sorted(row.uid for row in found)[:5])
            raise UsageError(
                f"{len(found)} incidents begin with {uid}", hint=f"Give more of it: {names}"
            )
        return None

    def state(self, detector: str, before_commit: int | None = None) -> dict[str, pl.DataFrame]:
        """A detector's newest state, or the one that stood before a commit; empty at first.

        Raises HomeDamagedError where a state file is not what was written.
        """
        states = tables.states
        query = select(states.c.tables).where(states.c.detector == detector)
        if before_commit is not None:
            query = query.where(states.c.number < before_commit)
        with self._engine.connect() as connection:
            found = connection.execute(query.order_by(states.c.number.desc()).limit(1)).scalar()
        if found is None:
            return {}
        return {
            name: self._state_table(facts["path"], facts["sha256"])
            for name, facts in json.loads(found).items()
        }

    def states(self) -> list[tuple[str, int]]:
        """Which states there are: detector, and number of the commit; in order."""
        states = tables.states.c
        query = select(states.detector, states.number).order_by(states.detector, states.number)
        with self._engine.connect() as connection:
            return [(str(name), int(number)) for name, number in connection.execute(query)]

    def left(
        self, detector: str, table: str, *, after_commit: int, until_commit: int
    ) -> Iterator[pl.DataFrame]:
        """A table that a detector left with each commit after one and up to another, in order.

        Raises HomeDamagedError where a file is not what was written.
        """
        states = tables.states
        query = select(states.c.tables).where(
            states.c.detector == detector,
            states.c.number > after_commit,
            states.c.number <= until_commit,
        )
        with self._engine.connect() as connection:
            found = list(connection.execute(query.order_by(states.c.number)).scalars())
        for facts in map(json.loads, found):
            if table in facts:
                yield self._state_table(facts[table]["path"], facts[table]["sha256"])

    def _state_table(self, relative: str, expected: str) -> pl.DataFrame:
        path = self._home / relative
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            data = b""
        if hashlib.sha256(data).hexdigest() != expected:
            raise HomeDamagedError(
                "a detector's state is not what was written",
                where=str(path),
                hint="Run `hauberk verify` to see what else was changed",
            )
        return pl.read_ipc(io.BytesIO(data))

    def commits(self) -> list[CommitInfo]:
        """All commits in order."""
        query = select(tables.commits).order_by(tables.commits.c.number)
        with self._engine.connect() as connection:
            return [
                CommitInfo(
                    number=row.number,
                    time=from_micros(row.time),
                    batches=row.batches,
                    records=row.records,
                    events=row.events,
                    aggregated=row.aggregated,
                    rejected=row.rejected,
                    findings=row.findings,
                    facts=json.loads(row.facts),
                )
                for row in connection.execute(query)
            ]

    def newest_fact(self, name: str) -> tuple[int, object]:
        """Number of the newest commit with such a fact, and what it says; 0 and None without one.

        Of a home with ten thousands of commits few are read.
        """
        commits = tables.commits
        query = (
            select(commits.c.number, commits.c.facts)
            .where(commits.c.facts.contains(f"{json.dumps(name)}:", autoescape=True))
            .order_by(commits.c.number.desc())
            .execution_options(yield_per=16)
        )
        with self._engine.connect() as connection:
            for number, text in connection.execute(query):
                facts = json.loads(text)
                if name in facts:
                    return number, facts[name]
        return 0, None

    def last_commit(self) -> int:
        """Number of the newest commit; 0 before the first."""
        with self._engine.connect() as connection:
            return connection.execute(select(func.max(tables.commits.c.number))).scalar() or 0


def unpack_head(data: bytes) -> bytes:
    """The head of a file as it was committed."""
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_HEAD)


def _incident(row: Row[Any]) -> StoredIncident:  # a row has no static type in SQLAlchemy
    return StoredIncident(
        uid=row.uid,
        probability=row.probability,
        start=from_micros(row.start),
        end=from_micros(row.end),
        above_budget=row.above_budget,
        body=json.loads(row.body),
    )
