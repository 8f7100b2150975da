"""Which playbook fits an incident, and its text with the incident's entities in it.

The files are CACAO Security Playbooks 2.0 (OASIS, CS01, 27 November 2023) whose steps are manual
commands: nothing here acts. Their `labels` say what they are for: `attack.t1110` an ATT&CK
technique with all below it, `entity.host` a kind of entity that the incident should name.

An incident's entities are whatever an attacker called them. A value that holds more than names,
paths and addresses need is not put into a command that somebody may copy: it is left out and said.
"""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

from hauberk.events import is_internal
from hauberk.triage import Incident

MOST = 3
"""Playbooks that are proposed for one incident."""

MAX_VALUES = 5
"""Entities of a kind that a command names."""

LEAST_FIT = 0.2
"""Below this a playbook is not proposed: the technique that it is for stands far down."""

_KINDS = {
    "hosts": "host", "users": "user", "addresses": "ip", "domains": "domain",
    "principals": "principal", "mailboxes": "mailbox", "programs": "process",
}  # fmt: skip
_VARIABLE = re.compile(r"__([a-z]+)__:value")
_PLAIN = re.compile(r"[\w\\/.][\w.@:/\\ ()+~#-]{0,199}\$?")
_NAMESPACE = uuid.UUID("6f0c1d0e-5a3e-4b0e-9a55-1f2f6f2d8d11")


@dataclass(frozen=True, slots=True)
class Playbook:
    """A playbook: `name` as in addresses, `body` as CACAO has it."""

    name: str
    body: Mapping[str, Any]  # JSON of our own, checked by a test

    @property
    def labels(self) -> frozenset[str]:
        """What it is for."""
        return frozenset(self.body["labels"])


@dataclass(frozen=True, slots=True)
class Proposed:
    """A playbook, and the incident's techniques that speak for it, the best supported first."""

    playbook: Playbook
    techniques: Sequence[str]


@dataclass(frozen=True, slots=True)
class Step:
    """A step for people: what, why, who, and the commands as text."""

    name: str
    why: str
    who: str
    commands: Sequence[str]


@cache
def library() -> Mapping[str, Playbook]:
    """All playbooks that there are, by name."""
    files = resources.files(__package__).iterdir()
    found = sorted(one for one in (file.name for file in files) if one.endswith(".json"))
    folder = resources.files(__package__)
    return {
        one.removesuffix(".json"): Playbook(
            one.removesuffix(".json"), json.loads(folder.joinpath(one).read_text("utf-8"))
        )
        for one in found
    }


def proposed(incident: Incident, most: int = MOST) -> list[Proposed]:
    """The playbooks that fit an incident, best first.

    Each technique speaks for the playbooks that name it, or what it is a part of, by how well it
    is supported; a playbook about things that the incident does not name is worth half.
    """
    kinds = {one.partition(":")[0] for one in incident.entities}
    fits: list[tuple[float, str, list[str]]] = []
    for name, playbook in library().items():
        entities = {
            one.removeprefix("entity.") for one in playbook.labels if one.startswith("entity.")
        }
        speaking = [
            (1 / (1 + place), technique, exact)
            for place, technique in enumerate(incident.techniques)
            for exact in [_names(playbook, technique)]
            if exact
        ]
        fit = sum(weight * exact for weight, _, exact in speaking)
        fit *= 1.0 if entities & kinds else 0.5
        if fit >= LEAST_FIT:
            fits.append((fit, name, [technique for _, technique, _ in speaking]))
    fits.sort(key=lambda one: (-one[0], one[1]))
    return [Proposed(library()[name], techniques) for _, name, techniques in fits[:most]]


def _names(playbook: Playbook, technique: str) -> float:
    """1 where the playbook names the technique, less where it names what it is a part of."""
    whole, _, part = technique.lower().partition(".")
    if f"attack.{technique.lower()}" in playbook.labels:
        return 1.0
    return 0.8 if part and f"attack.{whole}" in playbook.labels else 0.0


def steps(playbook: Playbook, incident: Incident) -> list[Step]:
    """The steps in order, their commands with the incident's entities in them."""
    said = _values(incident)
    body = playbook.body
    found = []
    place = body["workflow"][body["workflow_start"]]["on_completion"]
    while (step := body["workflow"][place])["type"] != "end":
        commands = [
            _VARIABLE.sub(
                lambda match: said.get(match[1]) or f"(no {_one(match[1])} is named)", one
            )
            for one in (command["command"] for command in step["commands"])
        ]
        who = body["agent_definitions"][step["agent"]]["name"]
        found.append(Step(step["name"], step["description"], who, commands))
        place = step["on_completion"]
    return found


def filled(playbook: Playbook, incident: Incident, now: datetime) -> dict[str, Any]:
    """The playbook for this incident: a CACAO playbook of its own, derived from the library's."""
    said = _values(incident)
    body = dict(playbook.body)
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03}Z"
    variables = {
        name: {**variable, "value": said.get(name.strip("_"))}
        for name, variable in body["playbook_variables"].items()
    }
    name = f"{body['id']} {incident.uid} {stamp}"
    return {
        **body,
        "id": f"playbook--{uuid.uuid5(_NAMESPACE, name)}",
        "derived_from": [body["id"]],
        "created": stamp,
        "modified": stamp,
        "playbook_variables": variables,
    }


def _values(incident: Incident) -> dict[str, str | None]:
    """What variables stand for, by name; None where the incident names nothing of the kind.

    An address of our own is a host where no other name of it is known; a block is for the others.
    """
    named: dict[str, list[str]] = {}
    for one in incident.entities:
        kind, _, value = one.partition(":")
        named.setdefault(kind, []).append(value)
    addresses = named.get("ip", [])
    own = [one for one in addresses if is_internal(one)]
    named["ip"] = [one for one in addresses if one not in own]
    named.setdefault("host", own)
    found: dict[str, str | None] = {"incident": incident.uid}
    for name, kind in _KINDS.items():
        found[name] = _said(name, named.get(kind, []))
    return found


def _said(name: str, named: Sequence[str]) -> str | None:
    plain = [one for one in named if _PLAIN.fullmatch(one)][:MAX_VALUES]
    more = len(named) - len(plain)
    if plain and more:
        return f"{', '.join(plain)} and {more} more (see the incident)"
    if more:
        return f"{more} {name if more > 1 else _one(name)} (see the incident)"
    return ", ".join(plain) or None


def _one(name: str) -> str:
    singular = {"addresses": "address from outside", "mailboxes": "mailbox", "users": "account"}
    return singular.get(name, name.removesuffix("s"))
