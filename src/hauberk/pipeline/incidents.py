"""Incidents as the store keeps them, and back."""

from dataclasses import asdict, fields
from typing import Any

from hauberk.store import StoredIncident
from hauberk.triage import Incident, Link, Reason

_FIELDS = [one.name for one in fields(Incident)]


def stored_incident(incident: Incident) -> StoredIncident:
    """An incident as the store keeps it: its body is the incident as JSON."""
    body = {name: getattr(incident, name) for name in _FIELDS}
    body["reasons"] = [asdict(one) for one in incident.reasons]
    body["links"] = [asdict(one) for one in incident.links]
    body["start"], body["end"] = incident.start.isoformat(), incident.end.isoformat()
    return StoredIncident(
        incident.uid,
        incident.probability,
        incident.start,
        incident.end,
        incident.above_budget,
        body,
    )


def load_incident(stored: StoredIncident) -> Incident:
    """An incident from what the store keeps of it."""
    body: dict[str, Any] = dict(stored.body)
    body["start"], body["end"] = stored.start, stored.end
    body["reasons"] = [Reason(**one) for one in body["reasons"]]
    body["links"] = [Link(**one) for one in body["links"]]
    return Incident(**body)
