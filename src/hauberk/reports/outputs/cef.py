"""Findings and incidents as CEF 26, for receivers that read no OCSF.

Source: Micro Focus Security ArcSight Common Event Format, versions 0 and 1.
"""

import ipaddress
from collections.abc import Iterator
from typing import Any

import orjson

from hauberk import __version__
from hauberk.reports.words import plain

from .interface import Message

_TEXT = 1000
_SEVERITY = {0: 3, 1: 1, 2: 3, 3: 5, 4: 8, 5: 10, 6: 10}
_FIELDS = {"Hostname": "dhost", "IP Address": "src", "User Name": "duser", "File Path": "filePath",
           "Hash": "fileHash", "Process Name": "sproc"}  # fmt: skip


def cef(message: Message) -> bytes:
    """A message as one line. Text of telemetry is escaped, and holds no control characters."""
    body: dict[str, Any] = orjson.loads(message.data)  # our own OCSF, less what is left out
    analytic = (body.get("finding_info") or {}).get("analytic") or {}
    head = (
        "CEF:0", "Hauberk", "Hauberk", __version__,
        _head(analytic.get("uid") or message.subject), _head(message.title),
        str(_SEVERITY.get(message.severity_id, 3)),
    )  # fmt: skip
    pairs = " ".join(f"{key}={_value(value)}" for key, value in _extension(message, body))
    return "|".join((*head, pairs)).encode("utf-8", "replace")


def _extension(message: Message, body: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield "externalId", message.id
    yield "cat", message.subject
    yield "rt", body.get("time")
    for key, name in (("start_time", "start"), ("end_time", "end"), ("count", "cnt")):
        if body.get(key) is not None:
            yield name, body[key]
    said = body.get("message") or body.get("desc")
    if said:
        yield "msg", said
    seen = set()
    for one in body.get("observables") or ():
        field = _FIELDS.get(str(one.get("type")))
        if field == "src" and not _is_v4(str(one.get("value"))):
            field = "c6a2"  # the device custom field for a source's IPv6 address
        if field is not None and field not in seen:
            seen.add(field)
            yield field, one.get("value")
    techniques = _techniques(body)
    if techniques:
        yield from (("cs1Label", "techniques"), ("cs1", techniques))
    yield from (("cs2Label", "uid"), ("cs2", message.uid))
    if message.incident is not None:
        yield from (
            ("cfp1Label", "probability"), ("cfp1", round(message.incident.probability, 4)),
        )  # fmt: skip


def _techniques(body: dict[str, Any]) -> str:
    attacks = body.get("attacks") or (body.get("finding_info") or {}).get("attacks") or ()
    found = [(one.get("sub_technique") or one.get("technique") or {}).get("uid") for one in attacks]
    return ",".join(str(one) for one in found if one)


def _head(value: object) -> str:
    return plain(value, _TEXT).replace("\\", "\\\\").replace("|", "\\|")


def _value(value: object) -> str:
    return plain(value, _TEXT).replace("\\", "\\\\").replace("=", "\\=")


def _is_v4(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 4
    except ValueError:
        return False
