"""An incident as a STIX 2.1 bundle, checked by the `stix2` library.

One bundle holds the incident, who says so, what it is about (observed data with its observables;
hosts are identities of class `system`, as STIX has no observable for them), each ATT&CK technique
as an attack pattern with a sighting, and what relates them. No indicators: what an incident names
is the victim's more often than the attacker's, and nobody should block it unseen.

Ids are digests of what they name, so the same incident makes the same objects; `modified` tells one
version from the next. Source: STIX 2.1 (OASIS standard), sections 2.9 (ids), 4, 5, 6 and 7.2.1.4.
"""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID, uuid5

import stix2  # type: ignore[import-untyped]

from hauberk.events import EntityKind, Tactic, tactics_of, technique_name
from hauberk.reports.words import plain
from hauberk.triage import Incident

MARKINGS = {"clear": stix2.TLP_WHITE, "white": stix2.TLP_WHITE, "green": stix2.TLP_GREEN,
            "amber": stix2.TLP_AMBER, "red": stix2.TLP_RED}  # fmt: skip
"""The Traffic Light Protocol as STIX 2.1 knows it: TLP 2's CLEAR is its WHITE."""

MAX_ENTITIES = 500
_OURS = UUID("3c2bd4de-9a41-5b0f-8f4e-6d1c64a0e6f5")
_HASHES = {32: "MD5", 40: "SHA-1", 64: "SHA-256", 128: "SHA-512"}
_HEX = re.compile(r"[0-9a-fA-F]+\Z")
_MAIL = re.compile(r"[^@\s]{1,200}@[^@\s]{1,200}\Z")

_Object = Any  # the library has no types


def bundle(incident: Incident, revision: str, now: datetime, marking: str = "amber") -> str:
    """A bundle as JSON. `revision` names this version of the incident, `now` is when it was made.

    Raises KeyError for a marking that is none of MARKINGS.
    """
    mark = MARKINGS[marking]
    maker = stix2.Identity(
        id=_id("identity", "hauberk"), name="Hauberk", identity_class="system",
        created=_EPOCH, modified=_EPOCH, object_marking_refs=[mark],
    )  # fmt: skip
    modified = max(now, incident.start)
    common = {"created_by_ref": maker.id, "created": incident.start, "modified": modified,
              "object_marking_refs": [mark]}  # fmt: skip
    story = stix2.Incident(
        id=_id("incident", incident.uid), name=plain(incident.title, 500) or "Incident",
        description=plain(incident.narrative, 8000) or plain(incident.title, 500),
        confidence=min(100, max(0, round(incident.probability * 100))),
        external_references=[{"source_name": "hauberk", "external_id": incident.uid}],
        **common,
    )  # fmt: skip
    systems, observables = _entities(incident.entities, common, mark)
    patterns = [_pattern(one, maker, mark) for one in dict.fromkeys(incident.techniques)]
    objects: list[_Object] = [mark, maker, story, *systems, *observables.values(), *patterns]
    seen: list[_Object] = []
    if observables:
        seen = [
            stix2.ObservedData(
                id=_id("observed-data", incident.uid), first_observed=incident.start,
                last_observed=max(incident.end, incident.start),
                number_observed=min(999_999_999, max(1, incident.event_count)),
                object_refs=list(observables), **common,
            )
        ]  # fmt: skip
        objects += seen
    for pattern in patterns:
        objects.append(
            stix2.Sighting(
                id=_id("sighting", incident.uid, pattern.id), sighting_of_ref=pattern.id,
                where_sighted_refs=[one.id for one in systems] or [maker.id],
                observed_data_refs=[one.id for one in seen] or None,
                first_seen=incident.start, last_seen=max(incident.end, incident.start), **common,
            )
        )  # fmt: skip
    for target in (*patterns, *seen, *systems):
        objects.append(
            stix2.Relationship(
                id=_id("relationship", story.id, target.id), relationship_type="related-to",
                source_ref=story.id, target_ref=target.id, **common,
            )
        )  # fmt: skip
    made = stix2.Bundle(objects=objects, id=_id("bundle", incident.uid, revision))
    return str(made.serialize())


_EPOCH = "2026-01-01T00:00:00.000Z"
"""When what never changes was made: our own identity, and techniques by their names."""


def _id(kind: str, *names: str) -> str:
    return f"{kind}--{uuid5(_OURS, ' '.join((kind, *names)))}"


def _pattern(technique: str, maker: _Object, mark: _Object) -> _Object:
    phases = [
        {"kill_chain_name": "mitre-attack", "phase_name": Tactic(one).value.replace("_", "-")}
        for one in tactics_of([technique])
    ]
    name = technique_name(technique) or technique
    reference = {
        "source_name": "mitre-attack", "external_id": technique,
        "url": f"https://attack.mitre.org/techniques/{technique.replace('.', '/')}",
    }  # fmt: skip
    return stix2.AttackPattern(
        id=_id("attack-pattern", technique), name=name, created=_EPOCH, modified=_EPOCH,
        created_by_ref=maker.id, object_marking_refs=[mark], external_references=[reference],
        kill_chain_phases=phases or None,
    )  # fmt: skip


def _entities(
    entities: Sequence[str], common: dict[str, object], mark: _Object
) -> tuple[list[_Object], dict[str, _Object]]:
    """Hosts as identities, all else as observables by id."""
    systems: dict[str, _Object] = {}
    observables: dict[str, _Object] = {}
    for entity in entities[:MAX_ENTITIES]:
        kind, _, value = entity.partition(":")
        text = plain(value, 1000)
        if not text:
            continue
        if kind == EntityKind.HOST:
            one = stix2.Identity(
                id=_id("identity", "host", value), name=text, identity_class="system", **common
            )
            systems[one.id] = one
            continue
        for made in _observables(kind, text, mark):
            observables[made.id] = made
    return list(systems.values()), observables


def _observables(kind: str, text: str, mark: _Object) -> Iterator[_Object]:
    marked = {"object_marking_refs": [mark]}
    if kind in (EntityKind.USER, EntityKind.PRINCIPAL):
        name = {"account_login": text} if kind == EntityKind.USER else {"user_id": text}
        yield stix2.UserAccount(**name, **marked)
    elif kind == EntityKind.IP:
        try:
            version = ipaddress.ip_address(text).version
        except ValueError:
            return
        made = stix2.IPv4Address if version == 4 else stix2.IPv6Address
        yield made(value=text, **marked)
    elif kind == EntityKind.DOMAIN:
        yield stix2.DomainName(value=text, **marked)
    elif kind == EntityKind.MAILBOX and _MAIL.match(text):
        yield stix2.EmailAddress(value=text, **marked)
    elif kind == EntityKind.HASH and _HEX.match(text) and len(text) in _HASHES:
        yield stix2.File(hashes={_HASHES[len(text)]: text.lower()}, **marked)
    elif kind == EntityKind.FILE:
        yield from _file(text, marked)
    elif kind == EntityKind.PROCESS:
        image = list(_file(text, marked))
        yield from image
        # What a process is called is no identity of it: ids of processes are random in STIX.
        if image:
            yield stix2.Process(id=_id("process", text), image_ref=image[-1].id, **marked)


def _file(text: str, marked: dict[str, Any]) -> Iterator[_Object]:
    path = PureWindowsPath(text) if "\\" in text or text[1:2] == ":" else PurePosixPath(text)
    parent = str(path.parent)
    if not path.name:
        return
    if parent in (".", ""):
        yield stix2.File(name=path.name, **marked)
        return
    folder = stix2.Directory(path=parent, **marked)
    yield folder
    yield stix2.File(name=path.name, parent_directory_ref=folder.id, **marked)
