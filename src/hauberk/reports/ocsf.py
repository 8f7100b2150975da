"""A scan for machines: OCSF 1.8 Incident Findings (2005) and Detection Findings (2004), JSON lines.

Source: OCSF 1.8.0, classes `incident_finding` and `detection_finding`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TextIO

import orjson
import polars as pl

from hauberk import __version__
from hauberk.events import (
    OCSF_VERSION,
    EntityKind,
    EventClass,
    Tactic,
    tactics_of,
    technique_name,
)
from hauberk.pipeline import FindingView, IncidentView, Scan
from hauberk.triage import Incident

_CREATE = 1
_OBSERVABLE_TYPE = {
    EntityKind.HOST: (1, "Hostname"),
    EntityKind.IP: (2, "IP Address"),
    EntityKind.USER: (4, "User Name"),
    EntityKind.MAILBOX: (5, "Email Address"),
    EntityKind.FILE: (45, "File Path"),
    EntityKind.HASH: (8, "Hash"),
    EntityKind.PROCESS: (9, "Process Name"),
    EntityKind.DOMAIN: (1, "Hostname"),
    EntityKind.PRINCIPAL: (31, "User UID"),
}
_TACTIC_ID = {
    Tactic.RECONNAISSANCE: "TA0043",
    Tactic.RESOURCE_DEVELOPMENT: "TA0042",
    Tactic.INITIAL_ACCESS: "TA0001",
    Tactic.EXECUTION: "TA0002",
    Tactic.PERSISTENCE: "TA0003",
    Tactic.PRIVILEGE_ESCALATION: "TA0004",
    Tactic.DEFENSE_EVASION: "TA0005",
    Tactic.CREDENTIAL_ACCESS: "TA0006",
    Tactic.DISCOVERY: "TA0007",
    Tactic.LATERAL_MOVEMENT: "TA0008",
    Tactic.COLLECTION: "TA0009",
    Tactic.COMMAND_AND_CONTROL: "TA0011",
    Tactic.EXFILTRATION: "TA0010",
    Tactic.IMPACT: "TA0040",
}
_SEVERITY = ("Unknown", "Informational", "Low", "Medium", "High", "Critical", "Fatal")


def write_json(scan: Scan, stream: TextIO) -> None:
    """Write incidents, best first, then their findings: one JSON object a line.

    What Hauberk knows beyond OCSF (bits, surprise, budget, the place of each record) is under
    `unmapped`.
    """
    write_incidents(scan.incidents, stream)
    write_findings(scan.findings, scan.evidence, stream)


def write_incidents(incidents: Sequence[Incident], stream: TextIO) -> None:
    """Write incidents in their order, ranked from 1: one OCSF Incident Finding a line."""
    for place, incident in enumerate(incidents, start=1):
        _line(stream, incident_finding(incident, place))


def write_findings(
    findings: pl.DataFrame, evidence: Mapping[str, Mapping[str, object]], stream: TextIO
) -> None:
    """Write findings (FINDING_SCHEMA) in order of time: one OCSF Detection Finding a line."""
    for row in findings.sort("time", "uid").iter_rows(named=True):
        _line(stream, detection_finding(row, evidence))


def write_view(view: IncidentView | FindingView, stream: TextIO) -> None:
    """Write what `hauberk show` found: the incident and its findings, or the finding."""
    if isinstance(view, FindingView):
        _line(stream, detection_finding(view.finding, view.evidence))
        return
    _line(stream, incident_finding(view.incident, None))
    for row in view.findings.iter_rows(named=True):
        _line(stream, detection_finding(row, view.evidence))


def incident_finding(incident: Incident, place: int | None) -> dict[str, object]:
    """One incident as an OCSF Incident Finding."""
    return {
        **_base(EventClass.INCIDENT_FINDING, incident.start, incident.severity_id),
        "start_time": _millis(incident.start),
        "end_time": _millis(incident.end),
        "desc": incident.narrative,
        "status_id": 1,
        "status": "New",
        "confidence_score": round(incident.probability * 100),
        "count": len(incident.findings),
        "attacks": _attacks(incident.techniques),
        "observables": _observables(incident.entities),
        "finding_info_list": [{"uid": uid, "title": incident.title} for uid in incident.findings],
        "unmapped": {
            "uid": incident.uid,
            "title": incident.title,
            "rank": place,
            "probability": incident.probability,
            "above_budget": incident.above_budget,
            "prior_bits": incident.prior_bits,
            "tactic_bits": incident.tactic_bits,
            "tactics": list(incident.tactics),
            "reasons": [
                {"text": one.text, "finding": one.finding_uid, "bits": one.bits}
                for one in incident.reasons
            ],
            "event_count": incident.event_count,
        },
    }


def detection_finding(
    row: Mapping[str, object], evidence: Mapping[str, Mapping[str, object]]
) -> dict[str, object]:
    """One finding (a row of FINDING_SCHEMA) as an OCSF Detection Finding."""
    techniques = _texts(row["techniques"])
    uids = _texts(row["evidence"])
    return {
        **_base(EventClass.DETECTION_FINDING, _time(row["time"]), _number(row["severity_id"])),
        "start_time": _millis(_time(row["time"])),
        "end_time": _millis(_time(row["end_time"])),
        "message": row["message"],
        "count": row["count"],
        "finding_info": {
            "uid": row["uid"],
            "title": row["title"],
            "desc": row["message"],
            "analytic": {
                "type_id": 1 if row["kind"] == "rule" else 2,
                "uid": row["rule_uid"],
                "name": row["detector"],
                "version": row["detector_version"],
            },
            "attacks": _attacks(techniques),
            "related_events": [{"uid": uid} for uid in uids],
        },
        "observables": _observables(_texts(row["entities"])),
        "unmapped": {
            "kind": row["kind"],
            "surprise": row["surprise"],
            "reasons": row["reasons"],
            "records": [_place(uid, evidence[uid]) for uid in uids if uid in evidence],
        },
    }


def _line(stream: TextIO, value: Mapping[str, object]) -> None:
    stream.write(orjson.dumps(value, default=_readable).decode("utf-8") + "\n")


def _readable(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, pl.Series):
        return value.to_list()
    return str(value)


def _base(event_class: EventClass, time: datetime | None, severity_id: int) -> dict[str, object]:
    return {
        "class_uid": int(event_class),
        "class_name": event_class.name.replace("_", " ").title(),
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": _CREATE,
        "activity_name": "Create",
        "type_uid": int(event_class) * 100 + _CREATE,
        "severity_id": severity_id,
        "severity": _SEVERITY[severity_id] if 0 <= severity_id < len(_SEVERITY) else "Other",
        "time": _millis(time) or 0,
        "metadata": {
            "version": OCSF_VERSION,
            "product": {"name": "Hauberk", "vendor_name": "Hauberk", "version": __version__},
        },
    }


def _attacks(techniques: object) -> list[dict[str, object]]:
    return list(_each_attack(_texts(techniques)))


def _each_attack(techniques: list[str]) -> Iterator[dict[str, object]]:
    for technique in techniques:
        parent, _, sub = technique.partition(".")
        tactics = [
            {"uid": _TACTIC_ID[tactic], "name": tactic.title} for tactic in tactics_of([technique])
        ]
        attack: dict[str, object] = {
            "technique": {"uid": parent, "name": technique_name(parent)},
            "tactics": tactics,
        }
        if sub:
            attack["sub_technique"] = {"uid": technique, "name": technique_name(technique)}
        yield attack


def _observables(entities: object) -> list[dict[str, object]]:
    found = []
    for name in _texts(entities):
        kind, _, value = name.partition(":")
        type_id, type_name = _OBSERVABLE_TYPE.get(EntityKind(kind), (99, "Other"))
        found.append({"name": kind, "value": value, "type_id": type_id, "type": type_name})
    return found


def _place(uid: str, event: Mapping[str, object]) -> dict[str, object]:
    return {
        "uid": uid,
        "source": event.get("record.source"),
        "offset": event.get("record.offset"),
        "length": event.get("record.length"),
    }


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else []


def _time(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _millis(time: datetime | None) -> int | None:
    return round(time.timestamp() * 1000) if time else None
