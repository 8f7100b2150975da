"""Wazuh's alerts.json, also as its index exports it: findings of another product.

Source: Wazuh's alert fields and rule classification (levels 0 to 15).
"""

from collections.abc import Sequence
from pathlib import PurePath

import polars as pl

from hauberk.events import EventClass, LogKey, from_iso
from hauberk.ingest.interface import Framing, Parsed, RecordBatch

from .json_columns import JsonColumns
from .json_lines import first_object, parse_json_lines
from .timed import kept_rows, timed_group

_HIGHEST_LEVEL = 15
# OCSF severity_id by rule level: informational to 3, low to 6, medium to 9, high to 12, critical.
_SEVERITIES = [1] * 4 + [2] * 3 + [3] * 3 + [4] * 3 + [5] * 3


class Wazuh:
    """One alert a line; alerts wrapped in `_source` or `_source.alert` are unwrapped."""

    name = "wazuh"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By a rule with a level and an agent or manager, in the first object."""
        row = first_object(head)
        if row is None:
            return 0.0
        alert = _alert(row)
        rule = alert.get("rule")
        known = isinstance(rule, dict) and "level" in rule and "description" in rule
        return 0.95 if known and ("agent" in alert or "manager" in alert) else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one chunk."""
        found = parse_json_lines(records)
        places = (found.offsets, found.lengths)
        rows = [_alert(row) for row in found.rows]
        if not rows:
            return Parsed([], *places, rejects=found.rejects)
        groups, untimed = timed_group(
            LogKey("wazuh", "alerts"), EventClass.DETECTION_FINDING, _events(rows),
            kept_rows(rows), found.numbers, places,
        )  # fmt: skip
        return Parsed(groups, *places, rejects=[*found.rejects, *untimed])


def _alert(row: dict[str, object]) -> dict[str, object]:
    """The alert itself, out of what the index wraps it in."""
    source = row.get("_source")
    if isinstance(source, dict) and "rule" not in row:
        return source
    return row


def _events(alerts: Sequence[dict[str, object]]) -> pl.DataFrame:
    rows = JsonColumns(alerts)
    level = rows.number("rule.level").clip(0, _HIGHEST_LEVEL)
    time = from_iso(rows.first_text("timestamp", "@timestamp"))
    return rows.frame(
        {
            "time": time,
            "severity_id": level.replace_strict(
                list(range(_HIGHEST_LEVEL + 1)), _SEVERITIES, default=0, return_dtype=pl.Int32
            ),
            "message": rows.text("full_log"),
            "metadata.product.name": "wazuh",
            "metadata.log_name": rows.text("location"),
            "metadata.event_code": rows.text("rule.id"),
            "device.hostname": rows.first_text("predecoder.hostname", "agent.name"),
            "device.ip": rows.text("agent.ip"),
            "actor.user.name": rows.first_text(
                "data.dstuser", "data.srcuser", "data.win.eventdata.targetUserName", "data.user"
            ),
            "actor.process.file.path": rows.first_text(
                "data.win.eventdata.image", "data.audit.exe"
            ),
            "src_endpoint.ip": rows.first_text(
                "data.srcip", "data.src_ip", "data.win.eventdata.ipAddress"
            ),
            "src_endpoint.port": rows.number("data.srcport"),
            "dst_endpoint.ip": rows.first_text("data.dstip", "data.dest_ip"),
            "dst_endpoint.port": rows.number("data.dstport"),
            "file.path": rows.text("syscheck.path"),
            "finding_info.uid": rows.text("id"),
            "finding_info.title": rows.text("rule.description"),
            "finding_info.analytic.uid": rows.text("rule.id"),
            "finding_info.types": rows.texts("rule.groups"),
            "finding_info.attacks": rows.texts("rule.mitre.id"),
        }
    )
