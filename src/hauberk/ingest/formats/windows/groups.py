"""Rows of Windows events into groups, one for each channel and event id, in both views."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from hauberk.events import EventGroup, LogKey, column_type
from hauberk.ingest.formats.row_order import gathered
from hauberk.ingest.interface import ParsedGroup

from .channels import names, service_of
from .fields import WindowsFields
from .mapping import EventMapping, Reading, mappings, other_events
from .readings import as_text, integer, per_distinct, read, text_series
from .system_part import SystemPart, system_part

Row = dict[str, object]
Numbers = npt.NDArray[np.int64]

_MAX_NAME = 256
_MAX_KINDS = 1024
_PROVIDERS = ("Provider_Name", *names().aliases["Provider_Name"])


@dataclass(frozen=True, slots=True)
class Grouped:
    """Groups of the rows that are events, and position and reason of each row that is none."""

    groups: list[ParsedGroup]
    bad: list[tuple[int, str]]


def group_rows(rows: Sequence[Row], numbers: Numbers) -> Grouped:
    """Group flat rows; row i is record number `numbers[i]`."""
    if not rows:
        return Grouped([], [])
    part = system_part(rows)
    buckets: dict[tuple[str, str], list[int]] = {}
    bad: list[tuple[int, str]] = []
    for (channel, code), members in _by_kind(rows, part).items():
        if code is None:
            bad.extend((i, "no EventID; expected a Windows event") for i in members)
        else:
            service = service_of(channel)[:_MAX_NAME]
            buckets.setdefault((service, code), []).extend(members)
    planned: list[tuple[LogKey, EventMapping, Numbers]] = []
    for (service, code), members in _bounded(buckets).items():
        members.sort()
        mapping = mappings().get((service, code)) or other_events()
        for chosen, chosen_rows in _split(mapping, service, rows, members):
            positions = np.array(chosen_rows, np.int64)
            planned.append((LogKey("windows", service, code), chosen, positions))
    if not planned:
        return Grouped([], bad)
    # One look-up for all groups, of which each takes a slice, costs far less than many.
    system = gathered(part.columns, np.concatenate([positions for _, _, positions in planned]))
    groups: list[ParsedGroup] = []
    at = 0
    for key, mapping, positions in planned:
        mine = system.slice(at, len(positions))
        at += len(positions)
        group = _group(key, mapping, [rows[i] for i in positions.tolist()], mine)
        groups.append(ParsedGroup(group, numbers[positions]))
    return Grouped(groups, bad)


def _bounded(buckets: dict[tuple[str, str], list[int]]) -> dict[tuple[str, str], list[int]]:
    """The same rows in a bounded number of groups.

    Anybody may write events of any id into the Application log, and each group has its price. The
    rarest kinds that have no mapping share one group a service, without an event code.
    """
    free = [key for key in buckets if key not in mappings()]
    if len(free) <= _MAX_KINDS:
        return buckets
    known = set(names().services.values())
    for key in sorted(free, key=lambda key: -len(buckets[key]))[_MAX_KINDS:]:
        members = buckets.pop(key)
        buckets.setdefault((key[0] if key[0] in known else "", ""), []).extend(members)
    return buckets


def _by_kind(rows: Sequence[Row], part: SystemPart) -> dict[tuple[str, str | None], list[int]]:
    """Positions of rows by channel and event id (a decimal number, None where it is none).

    Channels and ids are spelled out once for each way of writing them, not once a row.
    """
    raw: defaultdict[object, defaultdict[object, list[int]]] = defaultdict(
        lambda: defaultdict(list)
    )
    odd: list[int] = []
    for i, (channel, code) in enumerate(zip(part.channels, part.codes, strict=True)):
        try:
            raw[channel][code].append(i)
        except TypeError:  # a list or an object where a name should be
            odd.append(i)
    found: dict[tuple[str, str | None], list[int]] = {}
    for channel, by_code in raw.items():
        for code, members in by_code.items():
            if isinstance(channel, str) and channel:
                found.setdefault((channel, _code(code)), []).extend(members)
            else:
                odd.extend(members)
    for i in odd:
        channel = as_text(part.channels[i]) or _channel_of_provider(rows[i])
        found.setdefault((channel, _code(part.codes[i])), []).append(i)
    return found


def _channel_of_provider(row: Row) -> str:
    """The channel that a record's provider writes to, "" where that is not known."""
    provider = next((as_text(row[name]) for name in _PROVIDERS if row.get(name)), None) or ""
    return names().channels.get(provider.lower(), "")


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


def _group(key: LogKey, mapping: EventMapping, rows: list[Row], system: pl.DataFrame) -> EventGroup:
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
    if not key.event_code:
        columns["metadata.event_code"] = text_series(
            "metadata.event_code", fields.column("EventID") or [None] * len(rows)
        )
    constants: Mapping[str, str | int] = {
        **mapping.constants, "metadata.event_code": key.event_code,
    }  # fmt: skip
    for column, value in constants.items():
        if column not in columns:
            columns[column] = _one(column, value).new_from_index(0, len(rows))
    # hstack skips the checks of pl.DataFrame(), which cost more than the columns of a small group.
    return EventGroup(key, mapping.event_class, system.hstack(list(columns.values())), fields)


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
