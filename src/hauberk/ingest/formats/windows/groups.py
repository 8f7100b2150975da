"""Rows of Windows events into groups, one for each channel and event id, in both views."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from hauberk.events import EventGroup, LogKey, column_type
from hauberk.ingest.interface import ParsedGroup

from .channels import names, service_of
from .clock import times
from .fields import WindowsFields
from .mapping import EventMapping, Reading, mappings, other_events
from .readings import as_text, integer, per_distinct, read, text_series

Row = dict[str, object]
Numbers = npt.NDArray[np.int64]

_MAX_NAME = 256
_CODES = ("EventID", *names().aliases["EventID"])
_CHANNELS = ("Channel", *names().aliases["Channel"])
_PROVIDERS = ("Provider_Name", *names().aliases["Provider_Name"])


@dataclass(frozen=True, slots=True)
class Grouped:
    """Groups of the rows that are events, and position and reason of each row that is none."""

    groups: list[ParsedGroup]
    bad: list[tuple[int, str]]


def group_rows(rows: Sequence[Row], numbers: Numbers) -> Grouped:
    """Group flat rows; row i is record number `numbers[i]`."""
    buckets: dict[tuple[str, str], list[int]] = {}
    bad: list[tuple[int, str]] = []
    for (channel, code), members in _by_raw_key(rows).items():
        if code is None:
            bad.extend((i, "no EventID; expected a Windows event") for i in members)
        else:
            service = service_of(channel)[:_MAX_NAME]
            buckets.setdefault((service, code), []).extend(members)
    if not buckets:
        return Grouped([], bad)
    clock = times(rows)
    groups: list[ParsedGroup] = []
    for (service, code), members in buckets.items():
        members.sort()
        mapping = mappings().get((service, code)) or other_events()
        for chosen, part in _split(mapping, service, rows, members):
            key = LogKey("windows", service, code)
            positions = np.array(part, np.int64)
            group = _group(key, chosen, [rows[i] for i in part], clock[positions])
            groups.append(ParsedGroup(group, numbers[positions]))
    return Grouped(groups, bad)


def _by_raw_key(rows: Sequence[Row]) -> dict[tuple[str, str | None], list[int]]:
    """Positions of rows by channel as written and event id as a decimal number.

    The first key of each kind is spelled out once, so that the loop over rows stays short.
    """
    raw: defaultdict[object, defaultdict[object, list[int]]] = defaultdict(
        lambda: defaultdict(list)
    )
    odd: list[int] = []
    for i, row in enumerate(rows):
        try:
            raw[row.get("Channel")][row.get("EventID")].append(i)
        except TypeError:  # a list or an object where a name should be
            odd.append(i)
    found: dict[tuple[str, str | None], list[int]] = {}
    for channel, by_code in raw.items():
        for code, members in by_code.items():
            if isinstance(channel, str) and channel and code is not None:
                found.setdefault((channel, _code(code)), []).extend(members)
            else:
                odd.extend(members)
    for i in odd:
        found.setdefault(_key(rows[i]), []).append(i)
    return found


def _key(row: Row) -> tuple[str, str | None]:
    code = next((row[name] for name in _CODES if row.get(name) is not None), None)
    channel = next((as_text(row[name]) for name in _CHANNELS if row.get(name)), None)
    if not channel:
        provider = next((as_text(row[name]) for name in _PROVIDERS if row.get(name)), None) or ""
        channel = names().channels.get(provider.lower(), "")
    return channel, _code(code)


def _code(value: object) -> str | None:
    """The event id without leading zeros; None where it is no number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    number = integer(str(value))
    return str(number) if number is not None else None


def _split(
    mapping: EventMapping, service: str, rows: Sequence[Row], members: list[int]
) -> Iterator[tuple[EventMapping, list[int]]]:
    """The members under the mapping that each of them asks for."""
    if mapping.split is None:
        yield mapping, members
        return
    field, entries = mapping.split
    parts: dict[str | None, list[int]] = {}
    for i in members:
        said = rows[i].get(field)
        parts.setdefault(entries.get(said) if isinstance(said, str) else None, []).append(i)
    for entry, part in parts.items():
        yield (mappings()[service, entry] if entry is not None else mapping), part


def _group(key: LogKey, mapping: EventMapping, rows: list[Row], clock: pl.Series) -> EventGroup:
    known = names()
    fields = WindowsFields(rows, known.service_aliases.get(key.service, known.aliases))
    columns: dict[str, pl.Series] = {}
    for column, readings in mapping.columns.items():
        made = _first_said(fields, column, readings)
        if made is not None:
            columns[column] = made
    for column, (field, table) in mapping.choose.items():
        chosen = fields.column(field)
        if chosen is not None:
            codes = per_distinct(chosen, lambda text, table=table: table.get(text.lower()))  # type: ignore[misc]
            columns[column] = _series(column, codes)
    for column, field in (("device.hostname", "Computer"), ("metadata.log_name", "Channel")):
        named = fields.column(field)
        if named is not None:
            columns[column] = text_series(column, named)
    level = fields.column("Level")
    if level is not None:
        columns["severity_id"] = _series("severity_id", per_distinct(level, known.severity.get))
    constants: Mapping[str, str | int] = {
        **mapping.constants,
        "metadata.product.name": key.product,
        "metadata.event_code": key.event_code,
    }
    for column, value in constants.items():
        if column not in columns:
            columns[column] = _one(column, value).new_from_index(0, len(rows))
    # hstack skips the checks of pl.DataFrame(), which cost more than the columns of a small group.
    events = clock.to_frame().hstack(list(columns.values()))
    return EventGroup(key, mapping.event_class, events, fields)


@lru_cache(4096)
def _one(column: str, value: str | int) -> pl.Series:
    """A column of one constant; far cheaper to spread out than pl.repeat is to run."""
    return pl.Series(column, [value], dtype=column_type(column))


def _first_said(
    fields: WindowsFields, column: str, readings: Sequence[Reading]
) -> pl.Series | None:
    """The first of several readings that says something, row by row."""
    found: list[object] | None = None
    for field, reading in readings:
        values = fields.column(field)
        if values is None:
            continue
        if found is None and not reading and (len(readings) == 1 or None not in values):
            return text_series(column, values)
        made = read(values, reading)
        if found is None:
            found = made
        else:
            found = [b if a is None else a for a, b in zip(found, made, strict=True)]
        if None not in found:
            break
    return _series(column, found) if found is not None else None


def _series(column: str, values: Sequence[object]) -> pl.Series:
    dtype = column_type(column)
    if isinstance(dtype, pl.Int32):
        return pl.Series(column, values, dtype=pl.Int64).cast(dtype, strict=False)
    return pl.Series(column, values, dtype=dtype)
