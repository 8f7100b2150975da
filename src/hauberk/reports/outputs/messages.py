"""Messages: OCSF bodies with an id, and without what is not to leave."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import orjson

from hauberk import __version__
from hauberk.events import OCSF_VERSION, EventClass
from hauberk.reports.ocsf import detection_finding, incident_finding
from hauberk.triage import Incident

from .interface import Filter, Message, Subject

MAX_BYTES = 1 << 20
"""Bytes of a message; one that is larger is sent without its longest parts."""

MAX_RAW = 16 << 10
"""Bytes of a raw record that are sent, where they are."""

_LONG = (("observables",), ("finding_info_list",), ("unmapped", "reasons"), ("unmapped", "records"),
         ("finding_info", "related_events"), ("desc",))  # fmt: skip
_UPDATE = {
    "activity_id": 2, "activity_name": "Update",
    "type_uid": int(EventClass.INCIDENT_FINDING) * 100 + 2,
}  # fmt: skip


def digest_of(incident: Incident) -> str:
    """A digest of what of an incident is worth telling again once it has changed."""
    matters = (
        incident.title, incident.severity_id, incident.above_budget,
        round(incident.probability, 2), list(incident.findings), list(incident.techniques),
        list(incident.entities), list(incident.supersedes),
    )  # fmt: skip
    return hashlib.blake2b(orjson.dumps(matters, default=str), digest_size=8).hexdigest()


def finding_message(
    row: Mapping[str, object],
    commit: int,
    chosen: Filter,
    evidence: Mapping[str, Mapping[str, object]],
) -> Message:
    """A finding (a row of FINDING_SCHEMA) as a commit said it."""
    uid, time = str(row["uid"]), row["time"]
    body = detection_finding(row, evidence if chosen.raw else {})
    if chosen.raw:
        _add_raw(body, evidence)
    severity = row["severity_id"]
    return _message(
        f"{uid}-{commit}", uid, Subject.FINDING,
        time if isinstance(time, datetime) else datetime.now(UTC),
        severity if isinstance(severity, int) else 0, str(row["title"] or ""), body, chosen,
    )  # fmt: skip


def incident_message(incident: Incident, times: int, digest: str, chosen: Filter) -> Message:
    """An incident, of which something was told so many times before."""
    body = incident_finding(incident, None)
    unmapped = body["unmapped"]
    assert isinstance(unmapped, dict)
    unmapped |= {"revision": times + 1, "supersedes": list(incident.supersedes)}
    if times:
        body |= _UPDATE
    return _message(
        f"{incident.uid}-{times + 1}-{digest}", incident.uid, Subject.INCIDENT, incident.start,
        incident.severity_id, incident.title, body, chosen, incident, is_new=not times,
    )  # fmt: skip


def trial_message(name: str, now: datetime) -> Message:
    """A message that says of itself that it is a test: an OCSF finding of activity Other."""
    uid = f"test-{hashlib.blake2b(f'{name} {now.timestamp()}'.encode(), digest_size=8).hexdigest()}"
    millis = round(now.timestamp() * 1000)
    title = f"Test of the output {name}: nothing has happened"
    body: dict[str, object] = {
        "class_uid": int(EventClass.DETECTION_FINDING), "class_name": "Detection Finding",
        "category_uid": 2, "category_name": "Findings", "activity_id": 99, "activity_name": "Test",
        "type_uid": int(EventClass.DETECTION_FINDING) * 100 + 99,
        "severity_id": 1, "severity": "Informational", "time": millis, "message": title,
        "finding_info": {"uid": uid, "title": title},
        "metadata": {"version": OCSF_VERSION, "product": {
            "name": "Hauberk", "vendor_name": "Hauberk", "version": __version__}},
        "unmapped": {"test": True},
    }  # fmt: skip
    return _message(uid, uid, Subject.TEST, now, 1, title, body, Filter())


def _message(
    identity: str,
    uid: str,
    subject: Subject,
    time: datetime,
    severity: int,
    title: str,
    body: dict[str, object],
    chosen: Filter,
    incident: Incident | None = None,
    *,
    is_new: bool = True,
) -> Message:
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    body["metadata"] = {**metadata, "uid": identity, "log_name": "hauberk"}
    for path in chosen.leave_out:
        _remove(body, path)
    data = orjson.dumps(body, default=_plainer)
    for path in _LONG:
        if len(data) <= MAX_BYTES:
            break
        _remove(body, path)
        data = orjson.dumps(body, default=_plainer)
    return Message(identity, uid, subject, time, severity, title, data, is_new, incident)


def _plainer(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return list(value) if isinstance(value, Sequence) else str(value)


def _remove(body: dict[str, object], path: tuple[str, ...]) -> None:
    """Take out a field; nothing where there is none."""
    *above, last = path
    at: object = body
    for name in above:
        at = at.get(name) if isinstance(at, dict) else None
    if isinstance(at, dict):
        at.pop(last, None)


def _add_raw(body: dict[str, object], evidence: Mapping[str, Mapping[str, object]]) -> None:
    unmapped = body["unmapped"]
    assert isinstance(unmapped, dict)
    for place in unmapped["records"]:
        raw = evidence[place["uid"]].get("raw_data")
        if isinstance(raw, bytes):
            place["raw_data"] = raw[:MAX_RAW].decode("utf-8", "replace")
