"""Reads the lake: events by class, projected and pruned, in pieces of bounded size."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import polars as pl
from sqlalchemy import Engine, Select, func, or_, select

from hauberk.events import EARLIEST, LATEST, EventClass, is_plausible, schema

from . import tables
from .lake_files import FINDINGS, UNKNOWN_DAY, bound, stored_schema
from .tables import from_micros, to_micros

_T = TypeVar("_T")
_UID = "metadata.uid"
_WIDTH = timedelta(minutes=10)
"""Where slices of time are cut, unless so little time has too many events."""
_ASK_AT_ONCE = 500
"""Values in one SQL `IN`; every database takes so many."""


@dataclass(frozen=True, slots=True)
class TimeSlice:
    """A piece of the lake: events with since <= time < until, and how many there are."""

    since: datetime
    until: datetime
    events: int


class Lake:
    """The events of a home. Every call sees the commits that were complete when it was made."""

    def __init__(
        self,
        home: Path,
        engine: Engine,
        compact: Callable[[int, datetime | None], int | None] | None = None,
    ) -> None:
        self._home = home
        self._engine = engine
        self._compact = compact

    def scan(
        self,
        event_class: EventClass,
        columns: Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        after_commit: int | None = None,
        undated: bool = False,
    ) -> pl.LazyFrame:
        """Events of one class with since <= time < until (all, also undated ones, without both).

        Reads only the named columns, and only files and row groups that can hold such times.
        `after_commit` leaves out what commits up to that one brought; `undated` all that have a
        plausible time. In no particular order.
        """
        names = schema(event_class).names() if columns is None else list(columns)
        query = self._live(event_class.table)
        if since is not None:
            query = query.where(tables.files.c.max_time >= bound(to_micros(since)))
        if until is not None:
            query = query.where(tables.files.c.min_time <= bound(to_micros(until)))
        if after_commit is not None:
            query = query.where(tables.files.c.last_commit > after_commit)
        if undated:  # they have files of their own
            query = query.where(tables.files.c.day == UNKNOWN_DAY)
        frame = self._read(event_class.table, self._paths(query))
        if since is not None:
            frame = frame.filter(pl.col("time") >= since)
        if until is not None:
            frame = frame.filter(pl.col("time") < until)
        if after_commit is not None:
            frame = frame.filter(pl.col("commit") > after_commit)
        return frame.select(names)

    def files(
        self, table: str, since: datetime | None = None, until: datetime | None = None
    ) -> list[Path]:
        """The committed files of a table that can hold rows with since <= time < until.

        Findings have no bounds: all of their files are given.
        """
        query = self._live(table)
        if since is not None and table != FINDINGS:
            query = query.where(tables.files.c.max_time >= bound(to_micros(since)))
        if until is not None and table != FINDINGS:
            query = query.where(tables.files.c.min_time <= bound(to_micros(until)))
        return [Path(one) for one in self._paths(query)]

    def event_classes(self) -> list[EventClass]:
        """Classes that have events, in order of their uids."""
        files = tables.files
        query = select(files.c.table_name).where(files.c.replaced_by.is_(None)).distinct()
        with self._engine.connect() as connection:
            names = [name for (name,) in connection.execute(query) if name != FINDINGS]
        return sorted(EventClass[name.upper()] for name in names)

    def count(self, event_class: EventClass | None = None) -> int:
        """Events stored, of one class or of all."""
        files = tables.files
        query = select(func.coalesce(func.sum(files.c.rows), 0)).where(
            files.c.replaced_by.is_(None),
            files.c.table_name != FINDINGS
            if event_class is None
            else files.c.table_name == event_class.table,
        )
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def time_range(
        self, event_classes: Iterable[EventClass] | None = None
    ) -> tuple[datetime, datetime] | None:
        """First and last plausible time of the events; None where no event has one."""
        files = tables.files
        query = select(func.min(files.c.min_time), func.max(files.c.max_time)).where(
            files.c.replaced_by.is_(None),
            files.c.day != UNKNOWN_DAY,
            files.c.table_name != FINDINGS,
        )
        if event_classes is not None:
            query = query.where(files.c.table_name.in_([c.table for c in event_classes]))
        with self._engine.connect() as connection:
            first, last = connection.execute(query).one()
        return None if first is None else (from_micros(first), from_micros(last))

    def time_histogram(
        self,
        event_classes: Iterable[EventClass] | None = None,
        every: timedelta = timedelta(hours=1),
        since: datetime | None = None,
        until: datetime | None = None,
        after_commit: int | None = None,
    ) -> pl.DataFrame:
        """Events per interval: columns `time` (start of the interval) and `events`, in order.

        Reads the time column alone, file by file, of plausible times only.
        """
        width = f"{every // timedelta(microseconds=1)}us"
        since, until = max(since or EARLIEST, EARLIEST), min(until or LATEST, LATEST)
        classes = self.event_classes() if event_classes is None else list(event_classes)
        parts = [
            self.scan(event_class, ["time"], since, until, after_commit=after_commit)
            .filter(is_plausible(pl.col("time")))
            .group_by(pl.col("time").dt.truncate(width))
            .agg(pl.len().cast(pl.Int64).alias("events"))
            .collect(engine="streaming")
            for event_class in classes
        ]
        if not parts:
            return pl.DataFrame(schema={"time": schema(EventClass(0))["time"], "events": pl.Int64})
        return pl.concat(parts).group_by("time").agg(pl.col("events").sum()).sort("time")

    def time_slices(
        self,
        max_events: int,
        event_classes: Iterable[EventClass] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after_commit: int | None = None,
    ) -> list[TimeSlice]:
        """Cut plausible time into consecutive slices of at most `max_events`, in time order.

        Only events of the same microsecond are never parted, however many they are. With
        `after_commit`, events of later commits are counted, and what else a file of theirs holds.
        """
        classes = self.event_classes() if event_classes is None else list(event_classes)
        if since is None and until is None:
            whole = self._whole(classes, after_commit)
            if whole is None:
                return []
            if whole.events <= max_events:
                return [whole]
        return self._cut(max_events, classes, _WIDTH, since, until, after_commit)

    def _whole(self, classes: Sequence[EventClass], after_commit: int | None) -> TimeSlice | None:
        """All events of a plausible time as one slice, which no file has to be read for."""
        files = tables.files
        query = select(
            func.sum(files.c.rows), func.min(files.c.min_time), func.max(files.c.max_time)
        ).where(
            files.c.replaced_by.is_(None),
            files.c.day != UNKNOWN_DAY,
            files.c.last_commit > (after_commit or 0),
            files.c.table_name.in_([one.table for one in classes]),
        )
        with self._engine.connect() as connection:
            events, first, last = connection.execute(query).one()
        if not events:
            return None
        width = _WIDTH // timedelta(microseconds=1)
        since, until = first // width * width, (last // width + 1) * width
        return TimeSlice(from_micros(since), from_micros(until), int(events))

    def _cut(
        self,
        max_events: int,
        classes: Sequence[EventClass],
        every: timedelta,
        since: datetime | None,
        until: datetime | None,
        after_commit: int | None,
    ) -> list[TimeSlice]:
        histogram = self.time_histogram(classes, every, since, until, after_commit)
        slices: list[TimeSlice] = []
        start: datetime | None = None
        end = None
        events = 0
        for time, count in histogram.iter_rows():
            if start is not None and end is not None and events + count > max_events:
                slices.append(TimeSlice(start, end, events))
                start, events = None, 0
            if count > max_events and every > timedelta(microseconds=1):
                first = time if since is None else max(time, since)
                last = time + every if until is None else min(time + every, until)
                finer = max(every // 60, timedelta(microseconds=1))
                slices.extend(self._cut(max_events, classes, finer, first, last, after_commit))
                continue
            start = time if start is None else start
            end = time + every
            events += count
        if start is not None and end is not None:
            slices.append(TimeSlice(start, end, events))
        return slices

    def get(self, uids: Iterable[str]) -> dict[EventClass, pl.DataFrame]:
        """The events with these uids, whole, by class; unknown uids yield nothing."""
        wanted = sorted(set(uids))
        numbers = self._commits_of(sorted({uid.partition(":")[0] for uid in wanted}))
        if not numbers:
            return {}
        files = tables.files
        touched: dict[str, list[str]] = {}
        with self._engine.connect() as connection:
            for chunk in _chunks(numbers):
                query = select(files.c.table_name, files.c.path).where(
                    files.c.replaced_by.is_(None),
                    files.c.table_name != FINDINGS,
                    or_(
                        files.c.first_commit.in_(chunk),
                        # A compacted file spans commits.
                        (files.c.first_commit < files.c.last_commit)
                        & (files.c.first_commit <= max(chunk))
                        & (files.c.last_commit >= min(chunk)),
                    ),
                )
                for table, path in connection.execute(query):
                    touched.setdefault(table, []).append(str(self._home / path))
        found: dict[EventClass, pl.DataFrame] = {}
        for table, paths in sorted(touched.items()):
            event_class = EventClass[table.upper()]
            frame = (
                self._read(table, sorted(set(paths)))
                .filter(pl.col(_UID).is_in(wanted))
                .select(schema(event_class).names())
                .collect()
            )
            if frame.height:
                found[event_class] = frame
        return found

    def compact(self, least: int = 2, before: datetime | None = None) -> int | None:
        """Merge small files of each day; number of the commit, or None where nothing was small.

        At least `least` files of like size become one. First the files are deleted that earlier
        ones replaced (before a time, or all): readers may hold the names of newer ones. Commits
        may be made meanwhile. Raises RuntimeError on a home that is open for reading.
        """
        if self._compact is None:
            raise RuntimeError("a home that is open for reading cannot be compacted")
        return self._compact(least, before)

    def _commits_of(self, batch_ids: Sequence[str]) -> list[int]:
        batches = tables.batches
        numbers: set[int] = set()
        with self._engine.connect() as connection:
            for chunk in _chunks(batch_ids):
                query = select(batches.c.number).where(batches.c.batch_id.in_(chunk)).distinct()
                numbers.update(number for (number,) in connection.execute(query))
        return sorted(numbers)

    def _live(self, table: str) -> Select[tuple[str]]:
        files = tables.files
        return select(files.c.path).where(
            files.c.table_name == table, files.c.replaced_by.is_(None)
        )

    def _paths(self, query: Select[tuple[str]]) -> list[str]:
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(tables.files.c.path))
            return [str(self._home / row.path) for row in rows]

    def _read(self, table: str, paths: list[str]) -> pl.LazyFrame:
        return read_files(table, paths)


def read_files(table: str, paths: list[str]) -> pl.LazyFrame:
    """The rows of a table's files, with the columns that the table has now."""
    columns = stored_schema(table)
    if not paths:
        return pl.LazyFrame(schema=columns)
    return pl.scan_parquet(
        paths,
        schema=columns,
        missing_columns="insert",
        extra_columns="ignore",
        hive_partitioning=False,
        glob=False,
    )


def _chunks(values: Sequence[_T]) -> Iterable[Sequence[_T]]:
    return (values[at : at + _ASK_AT_ONCE] for at in range(0, len(values), _ASK_AT_ONCE))
