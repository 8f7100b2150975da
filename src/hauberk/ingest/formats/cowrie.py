"""Cowrie, the SSH and Telnet honeypot: JSON lines.

Source: Cowrie's output event code reference, https://docs.cowrie.org.
"""

from pathlib import PurePath

import polars as pl

from hauberk.events import EventClass, LogKey, Status, from_iso
from hauberk.ingest.interface import Framing, Parsed, ParsedGroup, RecordBatch, Reject

from .json_columns import JsonColumns
from .json_lines import first_object, parse_json_lines
from .timed import kept_rows, timed_group

_PREFIX = "cowrie."
_MAX_KINDS = 200

_CLASSES = {
    "cowrie.login.success": EventClass.AUTHENTICATION,
    "cowrie.login.failed": EventClass.AUTHENTICATION,
    "cowrie.command.input": EventClass.PROCESS_ACTIVITY,
    "cowrie.session.connect": EventClass.NETWORK_ACTIVITY,
    "cowrie.session.closed": EventClass.NETWORK_ACTIVITY,
    "cowrie.direct-tcpip.request": EventClass.NETWORK_ACTIVITY,
    "cowrie.session.file_download": EventClass.FILE_ACTIVITY,
    "cowrie.session.file_upload": EventClass.FILE_ACTIVITY,
}
_OPEN, _CLOSE, _CREATE, _LAUNCH, _LOG_ON = 1, 2, 1, 1, 1


class Cowrie:
    """One event a line; the host is the sensor, the session joins what one visitor did."""

    name = "cowrie"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By an event id that Cowrie gives, in the first object."""
        row = first_object(head)
        return 0.97 if row and _event_id(row).startswith(_PREFIX) else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one chunk, by event id."""
        found = parse_json_lines(records)
        places = (found.offsets, found.lengths)
        by_id: dict[str, list[int]] = {}
        for at, row in enumerate(found.rows):
            kind = _event_id(row)
            if kind not in by_id and len(by_id) >= _MAX_KINDS:
                kind = ""
            by_id.setdefault(kind, []).append(at)
        groups: list[ParsedGroup] = []
        rejects: list[Reject] = [*found.rejects]
        for kind, positions in by_id.items():
            rows = [found.rows[i] for i in positions]
            event_class = _CLASSES.get(kind, EventClass.BASE_EVENT)
            made, untimed = timed_group(
                LogKey("cowrie", "", kind), event_class, _events(JsonColumns(rows), kind),
                kept_rows(rows), found.numbers[positions], places,
            )  # fmt: skip
            groups += made
            rejects += untimed
        return Parsed(groups, *places, rejects=rejects)


def _event_id(row: dict[str, object]) -> str:
    kind = row.get("eventid")
    return kind[:100].lower() if isinstance(kind, str) else ""


def _events(rows: JsonColumns, kind: str) -> pl.DataFrame:
    """OCSF columns of the rows, all of one event id. Messages that quote passwords stay out."""
    columns: dict[str, pl.Series | str | int] = {
        "time": from_iso(rows.text("timestamp")),
        "metadata.product.name": "cowrie",
        "metadata.event_code": kind,
        "device.hostname": rows.text("sensor"),
        "actor.session.uid": rows.text("session"),
    }
    source = {"src_endpoint.ip": rows.text("src_ip"), "src_endpoint.port": rows.number("src_port")}
    target = {"dst_endpoint.ip": rows.text("dst_ip"), "dst_endpoint.port": rows.number("dst_port")}
    match _CLASSES.get(kind, EventClass.BASE_EVENT):
        case EventClass.AUTHENTICATION:
            won = kind.endswith("success")
            columns |= source | {
                "activity_id": _LOG_ON,
                "status_id": int(Status.SUCCESS if won else Status.FAILURE),
                "user.name": rows.text("username"),
                "session.uid": rows.text("session"),
                "service.name": rows.text("protocol", "ssh"),
                "auth_protocol": "password",
            }
        case EventClass.PROCESS_ACTIVITY:
            columns |= {"activity_id": _LAUNCH, "process.cmd_line": rows.text("input")}
        case EventClass.NETWORK_ACTIVITY:
            closed = kind.endswith("closed")
            columns |= source | target | {
                "activity_id": _CLOSE if closed else _OPEN,
                "connection_info.uid": rows.text("session"),
                "connection_info.protocol_name": "tcp",
                "app_name": rows.text("protocol"),
                "duration": rows.real("duration"),
            }  # fmt: skip
        case EventClass.FILE_ACTIVITY:
            digest = rows.text("shasum")
            columns |= {
                "activity_id": _CREATE,
                "file.path": rows.text("outfile"),
                "file.name": rows.text("filename"),
                "file.hashes": "SHA256=" + digest,
                "message": rows.text("message"),
            }
        case _:
            columns |= source | target | {"message": rows.text("message")}
    return rows.frame(columns)
