"""Events that have a time, and rejects for the records that have none."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from hauberk.events import EventClass, EventGroup, Fields, LogKey, is_plausible
from hauberk.ingest.interface import ParsedGroup, Reject

from .frame_fields import FrameFields
from .json_fields import JsonFields, Row

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def timed_group(
    key: LogKey,
    event_class: EventClass,
    events: pl.DataFrame,
    fields: Callable[[Flags], Fields],
    numbers: Numbers,
    places: tuple[Numbers, Numbers],
) -> tuple[list[ParsedGroup], list[Reject]]:
    """The group of those rows whose `time` a clock could have said, and rejects for the others.

    Row i of `events` is record `numbers[i]`; `places` are offsets and lengths of all records;
    `fields` gives the fields of the rows that are kept.
    """
    kept = events.select(is_plausible(pl.col("time")).fill_null(value=False))["time"].to_numpy()
    offsets, lengths = places
    rejects = [
        Reject(int(offsets[n]), int(lengths[n]), "no time that can be read; expected one")
        for n in numbers[~kept].tolist()
    ]
    if not kept.any():
        return [], rejects
    whole = bool(kept.all())
    group = EventGroup(key, event_class, events if whole else events.filter(kept), fields(kept))
    return [ParsedGroup(group, numbers if whole else numbers[kept])], rejects


def rejects_at(
    positions: Sequence[int], reason: str, numbers: Numbers, places: tuple[Numbers, Numbers]
) -> list[Reject]:
    """One reject for each of `positions` in `numbers`."""
    offsets, lengths = places
    return [
        Reject(int(offsets[numbers[at]]), int(lengths[numbers[at]]), reason) for at in positions
    ]


def kept_rows(rows: Sequence[Row]) -> Callable[[Flags], JsonFields]:
    """Gives the fields of those objects that are kept."""

    def fields(kept: Flags) -> JsonFields:
        return JsonFields(rows if kept.all() else [rows[i] for i in np.flatnonzero(kept).tolist()])

    return fields


def kept_of(frame: pl.DataFrame) -> Callable[[Flags], FrameFields]:
    """Gives the fields of those rows of the frame that are kept."""
    return lambda kept: FrameFields(frame if kept.all() else frame.filter(kept))
