"""A batch of events, in both of its views.

Detectors that compare behaviour read the OCSF columns; rules read the source's own fields under
the names that their authors know. A format yields both, group by group; a group is the events of
one log and one kind (one Windows channel and event id, one Zeek log, one API service).
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, TypeVar, cast

import polars as pl

from .schema import EventClass, conform
from .time import within_calendar

Made = TypeVar("Made")


class Fields(Protocol):
    """The source's own fields of a group of records, by column, in the order of the group's rows.

    Values are what the source wrote: strings, numbers, booleans, None, or lists of those. A field
    that a row lacks reads as None; `has` tells the two apart.
    """

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def names(self) -> Collection[str]:
        """Names of all fields that any row has; nested ones joined by dots."""
        ...

    def column(self, name: str) -> Sequence[object] | None:
        """One value a row, or None when no row has the field."""
        ...

    def has(self, name: str) -> Sequence[bool]:
        """Whether each row has the field at all, were its value null."""
        ...

    def row(self, index: int) -> Mapping[str, object]:
        """All fields of one row, nested names joined by dots."""
        ...


@dataclass(frozen=True, slots=True)
class LogKey:
    """What is the same for every record of a group, in Sigma's terms.

    `product` is windows, linux, zeek, aws ...; `service` the log (security, sysmon, conn,
    cloudtrail, sshd ...) in lower case; `event_code` the event id within it, or "".
    """

    product: str
    service: str
    event_code: str = ""


@dataclass(frozen=True, slots=True)
class EventGroup:
    """Events of one class from one log: row i of `events` and row i of `fields` are one record.

    `events` holds any subset of the class's columns.
    """

    key: LogKey
    event_class: EventClass
    events: pl.DataFrame
    fields: Fields

    def __post_init__(self) -> None:
        if self.events.height != len(self.fields):
            raise ValueError(
                f"{self.key}: {self.events.height} events but {len(self.fields)} rows of fields"
            )


@dataclass(frozen=True)
class EventBatch:
    """Events that are judged together. `groups` is empty when the batch was read from the lake.

    `tables` holds at most one frame per class, its columns a subset of the class's schema. `hits`
    is what rules said of single events, for the detectors that judge several of those together;
    `arrived` is when the last of them came: what claims to be of later is of no time yet.
    """

    batch_id: str
    tables: Mapping[EventClass, pl.DataFrame]
    groups: Sequence[EventGroup] = field(default=())
    hits: pl.DataFrame | None = None
    arrived: datetime | None = None
    _derived: dict[object, list[tuple[tuple[pl.DataFrame, ...], object]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _making: threading.RLock = field(
        default_factory=threading.RLock, init=False, repr=False, compare=False
    )

    @classmethod
    def from_groups(cls, batch_id: str, groups: Sequence[EventGroup]) -> "EventBatch":
        """Join the groups' events into one table a class; times that no calendar holds are null."""
        groups = [replace(group, events=within_calendar(group.events)) for group in groups]
        by_class: dict[EventClass, list[pl.DataFrame]] = {}
        for group in groups:
            by_class.setdefault(group.event_class, []).append(group.events)
        tables = {event_class: _joined(frames) for event_class, frames in by_class.items()}
        return cls(batch_id, tables, groups)

    def events(self, event_class: EventClass, columns: Iterable[str]) -> pl.DataFrame:
        """The named columns of one class, missing ones null; no rows where the batch has none."""
        frame = self.tables.get(event_class)
        names = list(columns)
        if frame is None:
            frame = pl.DataFrame()
        present = [name for name in names if name in frame.columns]
        return conform(frame.select(present), event_class).select(names)

    def derived(self, make: Callable[..., Made], *frames: pl.DataFrame) -> Made:
        """`make(self, *frames)`, made once for the same frames.

        For what several detectors make of the same events: `make` is a pure function of the module
        (it is the key), and whoever gets what it made must not change it.
        """
        with self._making:  # who comes second waits rather than makes it again
            made = self._derived.setdefault(make, [])
            for known, value in made:
                if len(known) == len(frames) and all(map(_same, known, frames)):
                    return cast("Made", value)
            fresh = make(self, *frames)
            made.append((frames, fresh))
            return fresh

    @property
    def height(self) -> int:
        """Number of events in the batch."""
        return sum(frame.height for frame in self.tables.values())


def _same(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    return one is other or (one.schema == other.schema and one.equals(other))


def _joined(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The rows of all frames, with the columns that any of them has."""
    if len(frames) == 1:
        return frames[0]
    try:
        return pl.concat(frames, how="diagonal")
    except pl.exceptions.PolarsError:  # columns of several types; to look for them takes longer
        return pl.concat(frames, how="diagonal_relaxed")
