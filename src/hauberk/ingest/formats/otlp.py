"""OpenTelemetry log records as OTLP's JSON mapping writes them, one in each line.

What a host's programs say through a collector means what it means in syslog: the body is read as a
syslog line where it is one, and else as the message of the record's service.

Source: the OpenTelemetry protocol 1.x, JSON mapping; log data model; semantic conventions.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePath

import numpy as np
import orjson
import polars as pl

from hauberk.events import EventGroup, from_epoch_seconds
from hauberk.ingest.interface import Framing, Parsed, ParsedGroup, RecordBatch

from .heads import line_objects
from .json_fields import JsonFields
from .json_lines import parse_json_lines
from .syslog import message_groups
from .syslog_lines import read_lines
from .timed import rejects_at

_DEPTH = 8
_PROGRAMS = ("service.name", "process.executable.name", "syslog.appname", "appname")
_HOSTS = ("host.name", "host.id", "syslog.hostname", "hostname")
_PIDS = ("process.pid", "syslog.procid", "proc_id")


class Otlp:
    """One log record a line, with its resource and scope."""

    name = "otlp"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By the first name in the first objects."""
        found = line_objects(head) if b'"resourceLogs"' in head else []
        return 0.97 if found and all("resourceLogs" in one for one in found) else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one chunk, by service and class."""
        found = parse_json_lines(records)
        places = (found.offsets, found.lengths)
        flat = [_flat(row) for row in found.rows]
        known = [at for at, row in enumerate(flat) if row is not None]
        strange = rejects_at(
            [at for at, row in enumerate(flat) if row is None],
            "no single log record in this line; expected resourceLogs with one",
            found.numbers, places,
        )  # fmt: skip
        rows = [row for row in flat if row is not None]
        if not rows:
            return Parsed([], *places, rejects=[*found.rejects, *strange])
        groups, untimed = message_groups(
            _source(rows), pl.DataFrame({"at": np.arange(len(rows))}), found.numbers[known], places
        )
        own = [_with_fields(part, rows) for part in groups]
        return Parsed(own, *places, rejects=[*found.rejects, *strange, *untimed])


def _source(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """The columns that `message_groups` asks for."""

    def first(*names: str) -> pl.Series:
        values = [next((row[name] for name in names if row.get(name)), None) for row in rows]
        return pl.Series([None if one is None else str(one) for one in values], dtype=pl.String)

    body = first("body")
    line = read_lines(body.fill_null(""))
    is_line = line["host"].is_not_null() & line["message"].is_not_null()
    nanoseconds = first("timeUnixNano", "observedTimeUnixNano").cast(pl.Float64(), strict=False)
    level = first("severityNumber").cast(pl.Int32(), strict=False)
    told = pl.DataFrame(
        {"program": first(*_PROGRAMS), "host": first(*_HOSTS), "pid": first(*_PIDS), "body": body}
    )
    return pl.DataFrame(
        {
            "time": from_epoch_seconds(nanoseconds / 1e9),
            "program": line["program"].zip_with(is_line, told["program"]),
            "message": line["message"].zip_with(is_line, told["body"]),
            "pid": line["pid"].zip_with(is_line, told["pid"]),
            "device.hostname": line["host"].zip_with(is_line, told["host"]),
            "facility": (line["pri"].cast(pl.Int32(), strict=False) // 8),
            "severity_id": _severities(level),
        }
    )


def _severities(level: pl.Series) -> pl.Series:
    """OCSF severity_id of OpenTelemetry's severity numbers: trace .. fatal, four steps each."""
    frame = pl.DataFrame({"level": level})
    number = pl.col("level")
    told = pl.when(number >= 21).then(6).when(number >= 17).then(4).when(number >= 13).then(3)
    return frame.select(told.when(number >= 1).then(1).cast(pl.Int32()).alias("level"))["level"]


def _flat(row: Mapping[str, object]) -> dict[str, object] | None:
    """A record with its attributes, and those of its resource, by their names; None for several."""
    resources = row.get("resourceLogs")
    by_resource = _only(resources)
    by_scope = _only(by_resource.get("scopeLogs")) if by_resource else None
    record = _only(by_scope.get("logRecords")) if by_scope else None
    if by_resource is None or record is None:
        return None
    resource = by_resource.get("resource")
    flat = {
        **_attributes(resource.get("attributes") if isinstance(resource, dict) else None),
        **_attributes(record.get("attributes")),
    }
    flat.update({name: value for name, value in record.items() if name != "attributes"})
    body = _value(record.get("body"), 0)
    if isinstance(body, dict):
        flat.update({f"body.{name}": value for name, value in body.items()})
        body = body.get("message") if isinstance(body.get("message"), str) else body
    flat["body"] = body if isinstance(body, str | None) else orjson.dumps(body).decode()
    return flat


def _only(found: object) -> dict[str, object] | None:
    if isinstance(found, list) and len(found) == 1 and isinstance(found[0], dict):
        return found[0]
    return None


def _attributes(found: object) -> dict[str, object]:
    if not isinstance(found, list):
        return {}
    return {
        str(one.get("key")): _value(one.get("value"), 0) for one in found if isinstance(one, dict)
    }


def _value(value: object, depth: int) -> object:
    """An AnyValue as plain JSON."""
    if not isinstance(value, dict) or depth > _DEPTH:
        return value if isinstance(value, str | int | float | bool) else None
    for name, inside in value.items():
        match name:
            case "stringValue" | "boolValue" | "doubleValue" | "bytesValue":
                return inside
            case "intValue":
                return _whole(inside)
            case "arrayValue" if isinstance(inside, dict):
                values = inside.get("values")
                return (
                    [_value(one, depth + 1) for one in values] if isinstance(values, list) else []
                )
            case "kvlistValue" if isinstance(inside, dict):
                pairs = inside.get("values")
                return {
                    str(one.get("key")): _value(one.get("value"), depth + 1)
                    for one in (pairs if isinstance(pairs, list) else ())
                    if isinstance(one, dict)
                }
    return None


def _whole(value: object) -> object:
    """64-bit numbers stand as text in OTLP's JSON."""
    text = str(value)
    return int(text) if len(text) < 21 and text.removeprefix("-").isdecimal() else value


def _with_fields(part: ParsedGroup, rows: Sequence[dict[str, object]]) -> ParsedGroup:
    """The same group with the record's own fields."""
    at = part.group.fields.column("at") or ()
    fields = JsonFields([rows[i] for i in at if isinstance(i, int)])
    group = EventGroup(part.group.key, part.group.event_class, part.group.events, fields)
    return ParsedGroup(group, part.records)
