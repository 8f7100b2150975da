"""The systemd journal as `journalctl -o json` writes it: one object a line.

Source: systemd.journal-fields(7) and the journal's JSON format.
"""

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
import orjson
import polars as pl

from hauberk.events import EventGroup, from_epoch_seconds
from hauberk.ingest.interface import Framing, Parsed, ParsedGroup, RecordBatch

from .json_fields import JsonFields
from .json_lines import parse_json_lines
from .syslog import message_groups
from .syslog_lines import severities

_MOST_BYTES = 1 << 20


class Journald:
    """Journal entries; their messages mean what the same messages mean in syslog."""

    name = "journald"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By the journal's own time stamp in the first object."""
        line = head.lstrip(b"\xef\xbb\xbf \t\r\n").split(b"\n", 1)[0]
        if not line.startswith(b"{") or b'"__REALTIME_TIMESTAMP"' not in line:
            return 0.0
        try:
            return 0.95 if isinstance(orjson.loads(line), dict) else 0.0
        except orjson.JSONDecodeError:
            return 0.3

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one chunk, by service and class."""
        found = parse_json_lines(records)
        places = (found.offsets, found.lengths)
        if not found.rows:
            return Parsed([], *places, rejects=found.rejects)
        rows = [_readable(row) for row in found.rows]
        fields = JsonFields(rows)

        def texts(name: str) -> pl.Series:
            values = fields.column(name) or [None] * len(rows)
            return pl.Series(name, [_text(value) for value in values], dtype=pl.String)

        stamp = texts("__REALTIME_TIMESTAMP").cast(pl.Float64(), strict=False)
        sent = texts("_SOURCE_REALTIME_TIMESTAMP").cast(pl.Float64(), strict=False)
        source = pl.DataFrame(
            {
                "time": from_epoch_seconds(stamp.fill_null(sent) / 1e6),
                "program": texts("SYSLOG_IDENTIFIER").fill_null(texts("_COMM")),
                "message": texts("MESSAGE"),
                "pid": texts("_PID").fill_null(texts("SYSLOG_PID")),
                "device.hostname": texts("_HOSTNAME"),
                "facility": texts("SYSLOG_FACILITY").cast(pl.Int32(), strict=False),
                "severity_id": severities(texts("PRIORITY")),
            }
        )
        position = pl.DataFrame({"at": np.arange(len(rows))})
        groups, untimed = message_groups(source, position, found.numbers, places)
        own = [_with_fields(part, rows) for part in groups]
        return Parsed(own, *places, rejects=[*found.rejects, *untimed])


def _with_fields(part: ParsedGroup, rows: Sequence[dict[str, object]]) -> ParsedGroup:
    """The same group with the journal's own fields."""
    at = part.group.fields.column("at") or ()
    fields = JsonFields([rows[i] for i in at if isinstance(i, int)])
    group = EventGroup(part.group.key, part.group.event_class, part.group.events, fields)
    return ParsedGroup(group, part.records)


def _readable(row: dict[str, object]) -> dict[str, object]:
    """Values that the journal writes as arrays of bytes as the text they are."""
    arrays = [name for name, value in row.items() if isinstance(value, list)]
    if not arrays:
        return row
    return {**row, **{name: _bytes_as_text(row[name]) for name in arrays}}


def _bytes_as_text(value: object) -> object:
    if not isinstance(value, list) or len(value) > _MOST_BYTES:
        return value
    numbers = [n for n in value if isinstance(n, int) and 0 <= n <= 255]  # a byte
    if len(numbers) != len(value):
        return value  # several values of one field, which the journal allows
    return bytes(numbers).decode("utf-8", "replace")


def _text(value: object) -> str | None:
    """A field's value as text; the first where it has several."""
    if isinstance(value, list):
        value = value[0] if value else None
    return value if value is None or isinstance(value, str) else str(value)
