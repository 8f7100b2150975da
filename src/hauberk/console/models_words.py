"""Statements before somebody signs them: as text, which is what is signed, and in words."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hauberk.governance import VOTE, read_conditions
from hauberk.models import MOVED, REVOKED, Registry
from hauberk.reports import when


@dataclass(frozen=True, slots=True)
class ToSign:
    """A statement that waits for a signature; `words` are its parts as people read them."""

    kind: str
    statement: Mapping[str, Any]
    title: str
    words: Sequence[tuple[str, str]]

    @property
    def text(self) -> str:
        """The statement as JSON: the browser signs exactly what it reads here."""
        return json.dumps(self.statement, indent=2, sort_keys=True, ensure_ascii=False)

    @property
    def request(self) -> str:
        """What `hauberk people sign` takes as a file."""
        body = {"type": self.kind, "statement": self.statement, "signatures": []}
        return json.dumps(body, indent=2, sort_keys=True)


def to_sign(registry: Registry, kind: str, statement: Mapping[str, Any]) -> ToSign:
    """A statement with its words. It must be one that the console made."""
    version = registry.versions.get(str(statement.get("artifact")))
    name = version.name if version else str(statement.get("name", ""))
    if kind == VOTE:
        decision = "Approve" if statement["decision"] == "approve" else "Reject"
        conditions = read_conditions(statement["conditions"], registry.authority.policy.conditions)
        title = f"{decision} {name}"
        words = [
            ("until", _time(statement["expires"])),
            ("conditions", str(conditions)),
            ("comment", str(statement["comment"]) or "none"),
            ("exactly these files", str(statement["artifact"])),
            ("this report", str(statement["report"])),
            ("under this policy", str(statement["policy"])),
        ]
    elif kind == MOVED:
        title = f"Promote {name} to {statement['to']}"
        words = [("from", str(statement["from"])), ("to", str(statement["to"]))]
        if "share" in statement:
            words.append(("judges", f"{statement['share']:.3g} of the entities"))
        words += [("reason", _said(statement)), ("exactly these files", str(statement["artifact"]))]
    elif kind == REVOKED:
        title = f"Revoke {name} for good"
        words = [("reason", _said(statement)), ("exactly these files", str(statement["artifact"]))]
    else:
        title, words = _of_person(kind, statement)
    return ToSign(kind, statement, title, [*words, ("made", _time(statement["at"]))])


def _of_person(kind: str, statement: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    name = str(statement["name"])
    if kind == "person.added":
        roles = ", ".join(statement["roles"])
        return f"Add {name} as {roles}", [("key", str(statement["public_key"]))]
    if kind == "person.key_added":
        return f"Give {name} a further key", [("key", str(statement["public_key"]))]
    words = [("key", str(statement["key"])), ("reason", _said(statement))]
    return f"Revoke a key of {name}", [*words, ("from", _time(statement["since"]))]


def _said(statement: Mapping[str, Any]) -> str:
    return str(statement.get("reason", "")) or "none"


def _time(text: str) -> str:
    return when(datetime.fromisoformat(text))
