"""OCSF findings (classes 2001, 2002, 2004) of any product, in lines or in one document.

Source: OCSF 1.8, https://schema.ocsf.io; older versions spell a few attributes otherwise.
"""

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
import polars as pl

from hauberk.events import EventClass, LogKey, from_epoch_seconds, from_iso
from hauberk.ingest.interface import Framing, Parsed, RecordBatch

from .json_columns import JsonColumns
from .json_fields import value_at
from .json_lines import JsonRecords, first_object, parse_json_document, parse_json_lines
from .timed import kept_rows, rejects_at, timed_group

FINDINGS = frozenset({2001, 2002, 2004})
"""Security Finding (deprecated), Vulnerability Finding, Detection Finding."""

_MARK = b'"class_uid"'


class Ocsf:
    """One finding a line."""

    name = "ocsf"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By a finding's class and a time, in the first object."""
        row = first_object(head, _MARK)
        return 0.95 if row and row.get("class_uid") in FINDINGS and "time" in row else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one chunk."""
        return _parsed(parse_json_lines(records))


class OcsfDocument:
    """An array of findings, or findings that are printed over several lines."""

    name = "ocsf-document"
    version = "1"
    framing = Framing.DOCUMENT

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By the marks of a finding near the start of a document that is no JSON lines."""
        text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if not text.startswith((b"[", b"{")) or Ocsf().sniff(head, None):
            return 0.0
        marks = (_MARK, b'"finding', b'"time"', b'"metadata"')
        squeezed = text.replace(b" ", b"")
        known = any(b'"class_uid":%d' % uid in squeezed for uid in FINDINGS)
        return 0.9 if known and all(mark in text for mark in marks) else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one document."""
        return _parsed(parse_json_document(records))


def _parsed(found: JsonRecords) -> Parsed:
    places = (found.offsets, found.lengths)
    known = np.array([row.get("class_uid") in FINDINGS for row in found.rows], bool)
    rejects = rejects_at(
        np.flatnonzero(~known).tolist(),
        "no OCSF finding; expected class_uid 2001, 2002 or 2004", found.numbers, places,
    )  # fmt: skip
    rows = [found.rows[i] for i in np.flatnonzero(known).tolist()]
    rejects = [*found.rejects, *rejects]
    if not rows:
        return Parsed([], *places, rejects=rejects, raw=found.raw)
    groups, untimed = timed_group(
        LogKey("ocsf", "findings"), EventClass.DETECTION_FINDING, _events(rows),
        kept_rows(rows), found.numbers[known], places,
    )  # fmt: skip
    return Parsed(groups, *places, rejects=[*rejects, *untimed], raw=found.raw)


def _events(findings: Sequence[dict[str, object]]) -> pl.DataFrame:
    rows = JsonColumns(findings)
    millis = rows.real("time")
    return rows.frame(
        {
            "time": from_epoch_seconds(millis / 1e3).fill_null(from_iso(rows.text("time_dt"))),
            "activity_id": rows.number("activity_id"),
            "severity_id": rows.number("severity_id").clip(0, 99),
            "status_id": rows.number("status_id"),
            "message": rows.text("message"),
            "metadata.product.name": rows.first_text(
                "metadata.product.name", "metadata.product.vendor_name"
            ),
            "metadata.log_name": rows.text("metadata.log_name"),
            "metadata.event_code": rows.text("metadata.event_code"),
            "device.hostname": rows.first_text(
                "device.hostname", "device.name", "evidences.device.hostname",
                "resources.name", "resource.name", "resources.uid", "resource.uid",
            ),
            "device.ip": rows.first_text("device.ip", "evidences.device.ip"),
            "actor.user.name": rows.first_text(
                "actor.user.name", "evidences.actor.user.name", "evidences.user.name"
            ),
            "actor.process.file.path": rows.first_text(
                "actor.process.file.path", "evidences.process.file.path"
            ),
            "actor.process.cmd_line": rows.first_text(
                "actor.process.cmd_line", "evidences.process.cmd_line"
            ),
            "src_endpoint.ip": rows.first_text("src_endpoint.ip", "evidences.src_endpoint.ip"),
            "src_endpoint.port": rows.number("src_endpoint.port"),
            "dst_endpoint.ip": rows.first_text("dst_endpoint.ip", "evidences.dst_endpoint.ip"),
            "dst_endpoint.port": rows.number("dst_endpoint.port"),
            "file.path": rows.first_text("file.path", "evidences.file.path"),
            "finding_info.uid": rows.first_text("finding_info.uid", "finding.uid"),
            "finding_info.title": rows.first_text("finding_info.title", "finding.title"),
            "finding_info.analytic.uid": rows.first_text(
                "finding_info.analytic.uid", "finding_info.analytic.name", "analytic.uid",
                "analytic.name",
            ),
            "finding_info.types": rows.texts("finding_info.types"),
            "finding_info.attacks": pl.Series(
                [_techniques(row) for row in findings], dtype=pl.List(pl.String)
            ),
            "finding_info.count": rows.number("count"),
        }
    )  # fmt: skip


def _techniques(finding: dict[str, object]) -> list[str]:
    """ATT&CK ids wherever this version of OCSF keeps them, sub-techniques before techniques."""
    found: list[str] = []
    for place in ("finding_info.attacks", "attacks"):
        for name in ("sub_technique.uid", "technique.uid", "techniques.uid"):
            _gather(value_at(finding, f"{place}.{name}"), found, 0)
    return list(dict.fromkeys(found))


def _gather(value: object, into: list[str], depth: int) -> None:
    if isinstance(value, str) and value:
        into.append(value)
    elif isinstance(value, list) and depth < 8:  # attacks nest two deep
        for member in value:
            _gather(member, into, depth + 1)
