"""CSV and JSON lines of any product, by a mapping file: the way in for what has no format yet."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np
import orjson
import polars as pl

from hauberk.events import LogKey
from hauberk.ingest.interface import Framing, Parsed, RecordBatch, Reject

from .json_fields import JsonFields
from .json_lines import parse_json_lines
from .lines import Lines, Numbers, split_lines, utf16_of
from .mapping import Form, Mapping, mappings_in, shipped_mappings
from .separated import split_columns
from .timed import kept_of, kept_rows, rejects_at, timed_group

FOLDER_VARIABLE = "HAUBERK_MAPPINGS"
"""Environment variable that names a folder of one's own mapping files."""

_MAX_COLUMNS = 1000


class Mapped:
    """Files that a mapping recognises; one's own mappings come before those that are shipped.

    A record is a line: a quoted CSV value must not hold a line end. `mappings` given, nothing is
    looked up.
    """

    name = "mapped"
    version = "1"
    framing = Framing.LINES

    def __init__(self, mappings: Sequence[Mapping] | None = None) -> None:
        if mappings is None:
            folder = os.environ.get(FOLDER_VARIABLE)
            mappings = [*(mappings_in(Path(folder)) if folder else []), *shipped_mappings()]
        self.mappings = tuple(mappings)

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By the names in a CSV header or in the first JSON object, all of a mapping's."""
        found = self._mapping(head)
        return 0.0 if found is None else 0.9

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one chunk."""
        mapping = self._mapping(records.data if records.offset == 0 else records.head)
        if mapping is None:
            lines = split_lines(records)
            places = (lines.offsets, lines.lengths)
            at = range(len(lines.numbers))
            rejects = rejects_at(at, "no mapping knows this file", lines.numbers, places)
            return Parsed([], *places, rejects=[*lines.rejects, *rejects])
        if mapping.form is Form.JSON:
            return _parse_json(records, mapping)
        return _parse_csv(records, mapping)

    def _mapping(self, head: bytes) -> Mapping | None:
        """The mapping whose fields are all there; of several, the one that asks for most."""
        line = _first_line(head)
        names = frozenset(_names(line))
        fits = [m for m in self.mappings if names.issuperset(m.recognise)]
        if fits:
            form = Form.JSON if line.startswith(b"{") else Form.CSV
            fits = [m for m in fits if m.form is form]
            return max(fits, key=lambda m: len(m.recognise), default=None)
        width = len(_row(line) or ())
        headless = [m for m in self.mappings if m.header and m.form is Form.CSV]
        return next((m for m in headless if len(m.header) == width), None)


def _first_line(head: bytes) -> bytes:
    text = head.removeprefix(b"\xef\xbb\xbf")
    codec = utf16_of(head)
    if codec:
        text = head[2:].decode(codec, "replace").encode("utf-8", "replace")
    return text.lstrip().split(b"\n", 1)[0].rstrip(b"\r")


def _names(line: bytes) -> Sequence[str]:
    """Names in a CSV header or a JSON object."""
    if not line.startswith(b"{"):
        return _row(line) or ()
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return ()
    return list(JsonFields([record]).names()) + list(record) if isinstance(record, dict) else ()


def _row(text: bytes) -> list[str] | None:
    """The values of one CSV line, or None where its quotes do not close."""
    try:
        rows = list(csv.reader([text.decode("utf-8", "replace")], strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _parse_csv(records: RecordBatch, mapping: Mapping) -> Parsed:
    lines = split_lines(records)
    head = records.data if records.offset == 0 else records.head
    line = _first_line(head)
    named = _row(line) or []
    has_header = set(named).issuperset(mapping.recognise)
    names = named if has_header else list(mapping.header)
    if len(set(names)) != len(names) or len(names) > _MAX_COLUMNS:
        # Columns of the same name, or of none: only the first of each can be spoken of.
        names = [
            name if name and name not in names[:i] else f"column {i + 1}"
            for i, name in enumerate(names[:_MAX_COLUMNS])
        ]
    if (
        has_header
        and records.offset == 0
        and lines.texts
        and lines.texts[0].strip() == line.strip()
    ):
        lines = _without_first(lines)
    frame, good, rejects = _table(lines, names)
    shown = frame.drop(mapping.leave_out, strict=False)
    places = (lines.offsets, lines.lengths)

    groups, untimed = timed_group(
        LogKey(mapping.product, mapping.service), mapping.event_class, mapping.events(shown),
        kept_of(shown), lines.numbers[good], places,
    )  # fmt: skip
    return Parsed(groups, *places, rejects=[*lines.rejects, *rejects, *untimed])


def _table(lines: Lines, names: Sequence[str]) -> tuple[pl.DataFrame, Numbers, list[Reject]]:
    """Values by column, the positions of the lines they are from, and rejects for the others."""
    width = len(names)
    texts = lines.texts
    fits = np.fromiter((text.count(b",") == width - 1 for text in texts), bool, len(texts))
    quoted = np.fromiter((b'"' in text for text in texts), bool, len(texts))
    plain = np.flatnonzero(fits & ~quoted)
    frame = split_columns([texts[i] for i in plain.tolist()], b",", names, None)
    slow: list[int] = []
    rows: list[list[str]] = []
    bad: list[int] = np.flatnonzero(~fits & ~quoted).tolist()
    for at in np.flatnonzero(quoted).tolist():
        row = _row(texts[at])
        if row is None or len(row) != width:
            bad.append(at)
        else:
            slow.append(at)
            rows.append(row)
    good = np.concatenate((plain, np.array(slow, np.int64)))
    if slow:
        more = pl.DataFrame(rows, schema=frame.schema, orient="row")
        order = np.argsort(good, kind="stable")
        frame, good = pl.concat([frame, more])[order], good[order]
    reason = f"not {width} values; expected as many as the header has"
    return (
        frame,
        good,
        rejects_at(sorted(bad), reason, lines.numbers, (lines.offsets, lines.lengths)),
    )


def _without_first(lines: Lines) -> Lines:
    """The same without its first record, which is the header."""
    return Lines(
        lines.texts[1:], lines.numbers[1:] - 1, lines.offsets[1:], lines.lengths[1:], lines.rejects
    )


def _parse_json(records: RecordBatch, mapping: Mapping) -> Parsed:
    found = parse_json_lines(records)
    for row in found.rows:
        for name in mapping.leave_out:
            row.pop(name, None)
    fields = JsonFields(found.rows)
    source = pl.DataFrame(
        [pl.Series(name, _texts(fields.column(name)), dtype=pl.String())
         for name in mapping.needed() if fields.column(name) is not None]
    )  # fmt: skip
    if source.width == 0:
        source = pl.DataFrame(
            {mapping.time_field: [None] * len(fields)}, {mapping.time_field: pl.String()}
        )
    places = (found.offsets, found.lengths)

    groups, untimed = timed_group(
        LogKey(mapping.product, mapping.service), mapping.event_class, mapping.events(source),
        kept_rows(found.rows), found.numbers, places,
    )  # fmt: skip
    return Parsed(groups, *places, rejects=[*found.rejects, *untimed])


def _texts(values: Sequence[object] | None) -> list[str | None]:
    """Values as text; a list as its members joined by commas."""
    texts: list[str | None] = []
    for value in values or ():
        if isinstance(value, list):
            texts.append(",".join(str(member) for member in value))
        else:
            texts.append(None if value is None else str(value))
    return texts
