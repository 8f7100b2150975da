"""Zeek logs, tab-separated and JSON lines: connections, DNS, HTTP, TLS, files and the rest.

Source: Zeek's logging framework, https://docs.zeek.org/en/master/scripts/base/frameworks/logging/.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePath

import numpy as np
import numpy.typing as npt
import polars as pl

from hauberk.events import EventGroup, LogKey, from_iso
from hauberk.ingest.interface import Framing, Parsed, ParsedGroup, RecordBatch, Reject

from .heads import line_objects, readable_head
from .json_fields import JsonFields, value_at
from .json_lines import parse_json_lines
from .json_paths import is_given, typed
from .lines import Lines, split_lines
from .zeek_logs import (
    UNKNOWN_LOG,
    events_of,
    facts,
    log_name,
    log_named,
    log_of_fields,
    source_type,
)
from .zeek_tsv import Header, follow, guess_header, header_of, read_table

_HEAD = 64 << 10
_MAX_HEADERS = 64
_MAX_LOGS = 64
_MAX_SHAPES = 4096
_FIRST_MILLISECOND = 1e11  # as seconds, in the year 5138


class Zeek:
    """One format for every Zeek log in both of its spellings.

    Columns that ground truth was added in by others (`label`, `detailedlabel`) reach neither view.
    """

    name = "zeek"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By Zeek's header, by the keys of the first JSON object, or by a line's shape."""
        start = readable_head(head)
        if start.startswith(b"#separator "):
            return 1.0
        if start.startswith((b"#fields\t", b"#path\t")):
            return 0.95
        found = line_objects(head)
        if found or start.startswith(b"{"):
            return max(map(_sniff_record, found), default=0.0)
        line = start.split(b"\n", 1)[0].rstrip(b"\r")
        return 0.7 if guess_header(line).fields else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one chunk, by log."""
        head = records.head if records.offset else records.data[:_HEAD]
        if readable_head(head).startswith(b"{") or line_objects(head):
            return _parse_json(records)
        return _parse_tsv(records)


def _sniff_record(record: Mapping[str, object]) -> float:
    if not ("ts" in record or "_write_ts" in record):
        return 0.0
    if "_path" in record or ("uid" in record and value_at(record, "id.orig_h") is not None):
        return 0.95
    return 0.0 if log_of_fields(record) == UNKNOWN_LOG else 0.8


def _parse_tsv(records: RecordBatch) -> Parsed:
    """Lines under each header that stands in the chunk, or stood at the file's start."""
    lines = split_lines(records)
    header = Header()
    if records.offset:
        header = header_of(records.head[: records.offset])
    by_header, directives, orphans = _by_header(lines, header)
    rejects = list(lines.rejects)
    gone = lines.numbers[directives]
    groups: list[ParsedGroup] = []
    for found, positions in by_header.items():
        texts = _picked(lines.texts, positions)
        log = log_named(found.log)
        table = read_table(found, texts, log.fields)
        numbers = lines.numbers[positions]
        expected = f"expected {len(found.fields)} values, as #fields says"
        for at in np.delete(np.arange(len(texts)), table.good).tolist():
            count = texts[at].count(found.separator) + 1
            rejects.append(_reject(lines, numbers[at], f"{count} values; {expected}"))
        if len(table.good):
            events = events_of(log, table.source, found.log)
            group = EventGroup(LogKey("zeek", found.log), log.event_class, events, table.fields)
            groups.append(ParsedGroup(group, numbers[table.good]))
    rejects += [_reject(lines, lines.numbers[at], reason) for at, reason in orphans]
    return _without(Parsed(groups, lines.offsets, lines.lengths, rejects=rejects), gone)


def _by_header(
    lines: Lines, header: Header
) -> tuple[dict[Header, npt.NDArray[np.int64]], list[int], list[tuple[int, str]]]:
    """Positions of the records under each header, of header lines, and of records under none."""
    texts = lines.texts
    directives = [i for i, text in enumerate(texts) if text[:1] == b"#"]
    if texts and int(lines.offsets[0]) == 0 and texts[0].lstrip().startswith(b"#separator "):
        directives = sorted({0, *directives})
    pieces: dict[Header, list[npt.NDArray[np.int64]]] = {}
    orphans: list[tuple[int, str]] = []
    start = 0
    for stop in [*directives, len(texts)]:
        if stop > start:
            if not header.fields:
                header = _guessed(header, texts[start])
            if not header.fields:
                reason = "no #fields line says what its columns are"
                orphans += [(at, reason) for at in range(start, stop)]
            elif header not in pieces and len(pieces) >= _MAX_HEADERS:
                reason = f"more than {_MAX_HEADERS} different headers in one chunk"
                orphans += [(at, reason) for at in range(start, stop)]
            else:
                pieces.setdefault(header, []).append(np.arange(start, stop))
        if stop < len(texts):
            header = follow(header, texts[stop].lstrip())
        start = stop + 1
    return {key: np.concatenate(runs) for key, runs in pieces.items()}, directives, orphans


def _guessed(header: Header, text: bytes) -> Header:
    """A header for a file without one; a file that had one keeps to what it said."""
    return guess_header(text) if header == Header() else header


def _picked(texts: Sequence[bytes], positions: npt.NDArray[np.int64]) -> Sequence[bytes]:
    first, last = int(positions[0]), int(positions[-1])
    if last - first + 1 == len(positions):
        return texts[first : last + 1]
    return [texts[i] for i in positions.tolist()]


def _reject(lines: Lines, number: int, reason: str) -> Reject:
    return Reject(int(lines.offsets[number]), int(lines.lengths[number]), reason)


def _without(parsed: Parsed, gone: npt.NDArray[np.int64]) -> Parsed:
    """The same, header lines no longer counted as records."""
    if not len(gone):
        return parsed
    stays = np.ones(len(parsed.offsets), bool)
    stays[gone] = False
    number = np.cumsum(stays) - 1
    groups = [ParsedGroup(part.group, number[part.records]) for part in parsed.groups]
    return Parsed(groups, parsed.offsets[stays], parsed.lengths[stays], rejects=parsed.rejects)


def _parse_json(records: RecordBatch) -> Parsed:
    found = parse_json_lines(records)
    by_log: dict[str, list[int]] = {}
    shapes: dict[tuple[str, ...], str] = {}
    labels = facts().labels
    for at, row in enumerate(found.rows):
        path = row.get("_path")
        if type(path) is str:
            named = log_name(path)
        else:
            shape = tuple(row)
            known = shapes.get(shape)
            named = log_of_fields(row) if known is None else known
            if known is None and len(shapes) < _MAX_SHAPES:
                shapes[shape] = named
        if named not in by_log and len(by_log) >= _MAX_LOGS:
            named = UNKNOWN_LOG
        by_log.setdefault(named, []).append(at)
        if not labels.isdisjoint(row):
            for label in labels:
                row.pop(label, None)
    groups = []
    for name, positions in by_log.items():
        rows = found.rows if len(by_log) == 1 else [found.rows[i] for i in positions]
        log = log_named(name)
        events = events_of(log, _json_source(rows, log.fields), name)
        group = EventGroup(LogKey("zeek", name), log.event_class, events, JsonFields(rows))
        groups.append(ParsedGroup(group, found.numbers[positions]))
    return Parsed(groups, found.offsets, found.lengths, rejects=found.rejects)


def _json_source(rows: Sequence[dict[str, object]], needed: Sequence[str]) -> pl.DataFrame:
    columns = []
    for name in needed:
        values = [row.get(name) for row in rows]
        if "." in name and not is_given(values):
            # Some exporters nest what Zeek writes flat.
            values = [value_at(row, name) for row in rows]
        if name == "ts":
            columns.append(_seconds(values).alias(name))
        elif is_given(values):
            columns.append(typed(values, source_type(name)).alias(name))
    return pl.DataFrame(columns)


def _seconds(values: Sequence[object]) -> pl.Series:
    """Times in any of the three ways that Zeek's JSON writer knows, as seconds since 1970."""
    seconds = typed(values, pl.Float64())
    if str in set(map(type, values)):
        written = from_iso(typed(values, pl.String())).dt.epoch("us").cast(pl.Float64) / 1e6
        seconds = seconds.fill_null(written)
    milliseconds = (seconds > _FIRST_MILLISECOND).fill_null(value=False)
    return seconds.zip_with(~milliseconds, seconds / 1000)
