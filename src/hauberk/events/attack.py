"""The ATT&CK vocabulary: tactics in order, techniques with their tactics and names.

Source: MITRE ATT&CK Enterprise v18 (STIX 2). © 2025 The MITRE Corporation. This work is
reproduced and distributed with the permission of The MITRE Corporation.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources


class Tactic(StrEnum):
    """ATT&CK Enterprise tactics, in the order an intrusion tends to take."""

    RECONNAISSANCE = "reconnaissance"
    RESOURCE_DEVELOPMENT = "resource-development"
    INITIAL_ACCESS = "initial-access"
    EXECUTION = "execution"
    PERSISTENCE = "persistence"
    PRIVILEGE_ESCALATION = "privilege-escalation"
    DEFENSE_EVASION = "defense-evasion"
    CREDENTIAL_ACCESS = "credential-access"
    DISCOVERY = "discovery"
    LATERAL_MOVEMENT = "lateral-movement"
    COLLECTION = "collection"
    COMMAND_AND_CONTROL = "command-and-control"
    EXFILTRATION = "exfiltration"
    IMPACT = "impact"

    @property
    def order(self) -> int:
        """Position in the order above, from 0."""
        return list(Tactic).index(self)

    @property
    def title(self) -> str:  # type: ignore[override]  # str.title is of no use on a tactic
        """The tactic as ATT&CK writes it."""
        words = self.value.split("-")
        return " ".join(word if word == "and" else word.capitalize() for word in words)


@dataclass(frozen=True, slots=True)
class Technique:
    """One technique or sub-technique."""

    id: str
    name: str
    tactics: tuple[Tactic, ...]

    @property
    def parent(self) -> str:
        """Id of the technique above a sub-technique, or its own."""
        return self.id.split(".", 1)[0]


@cache
def techniques() -> dict[str, Technique]:
    """Every live technique by id."""
    text = resources.files(__package__).joinpath("attack.csv").read_text("utf-8")
    return {
        row["technique"]: Technique(
            row["technique"], row["name"], tuple(Tactic(t) for t in row["tactics"].split())
        )
        for row in csv.DictReader(text.splitlines())
    }


@cache
def _other_ids() -> dict[str, str]:
    """Ids of other ATT&CK versions, earlier and later, and the live technique each stands for.

    Retired ids of v18's own STIX by name, or as ATT&CK says what replaced them; those of v19 as
    public Sigma rules name them where they named the live one before.
    """
    text = resources.files(__package__).joinpath("attack_other_ids.csv").read_text("utf-8")
    return {row["technique"]: row["stands_for"] for row in csv.DictReader(text.splitlines())}


def technique_of(technique_id: str) -> Technique | None:
    """The live technique that an id of any ATT&CK version means; the parent's where it has none."""
    known, other = techniques(), _other_ids()
    for each in (technique_id, technique_id.split(".", 1)[0]):
        found = known.get(each) or known.get(other.get(each, ""))
        if found:
            return found
    return None


def technique_name(technique_id: str) -> str:
    """Name of a technique, its parent's for a sub-technique that is not known, else the id."""
    found = technique_of(technique_id)
    return found.name if found else technique_id


def tactics_of(technique_ids: Iterable[str]) -> list[Tactic]:
    """Tactics that the techniques serve, in order, without repeats."""
    found: set[Tactic] = set()
    for technique_id in technique_ids:
        technique = technique_of(technique_id)
        if technique:
            found.update(technique.tactics)
    return sorted(found, key=lambda tactic: tactic.order)
