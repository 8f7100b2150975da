"""What a home must hold, as its ledger says: the entries, read back into facts."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .lake_files import FINDINGS
from .verification import FaultKind, Note

JsonObject = dict[str, Any]  # an entry may be anything that an attacker wrote


@dataclass(slots=True)
class Expected:
    """Everything the ledger's entries vouch for, keyed as the records database keys it."""

    batches: dict[str, JsonObject] = field(default_factory=dict)
    commits: dict[int, JsonObject] = field(default_factory=dict)
    files: dict[str, JsonObject] = field(default_factory=dict)
    replaced: dict[str, int] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    states: dict[tuple[str, int], JsonObject] = field(default_factory=dict)
    dead_letters: dict[int, JsonObject] = field(default_factory=dict)
    incidents: dict[str, str] = field(default_factory=dict)

    def digests(self) -> dict[str, str]:
        """SHA-256 of every file that must be there, by path."""
        digests = {
            path: str(facts["sha256"])
            for path, facts in self.files.items()
            if path not in self.replaced
        }
        digests.update(self.logs)
        for state in self.states.values():
            for table in state.values():
                digests[table["path"]] = table["sha256"]
        for letters in self.dead_letters.values():
            digests[letters["path"]] = letters["sha256"]
        return digests

    def events(self) -> int:
        """Rows of events in all files that were not replaced."""
        return sum(
            facts["rows"]
            for path, facts in self.files.items()
            if path not in self.replaced and facts["table"] != FINDINGS
        )


def read_entries(entries: Iterable[bytes], note: Note) -> Expected:
    """Facts of all entries in order; an entry that says nothing readable is a fault."""
    expected = Expected()
    for position, entry in enumerate(entries):
        try:
            _read(expected, json.loads(entry))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            note(FaultKind.UNREADABLE, f"ledger entry {position}", "an entry of the store", error)
    return expected


def _read(expected: Expected, entry: JsonObject) -> None:
    kind, number = entry.pop("type"), entry.pop("commit")
    if kind == "batch":
        expected.batches[entry["batch_id"]] = {**entry, "number": number}
    elif kind == "compaction":
        for merged in entry["merged"]:
            expected.replaced.update((path, number) for path in merged["replaced"])
    elif kind == "commit":
        expected.commits[number] = entry
        expected.files.update((file["path"], file) for file in entry["files"])
        expected.logs.update((log["path"], log["sha256"]) for log in entry["logs"])
        for detector, state in entry["states"].items():
            expected.states[detector, number] = state
        if entry["dead_letters"]:
            expected.dead_letters[number] = entry["dead_letters"]
        incidents = entry["incidents"]
        if incidents:
            if incidents["replace"]:
                expected.incidents.clear()
            expected.incidents.update(incidents["rows"])


def check_sums(expected: Expected, note: Note) -> None:
    """Whether the ledger's numbers agree with each other, batch by batch and in sum."""
    stored: dict[int, int] = {}
    for facts in expected.files.values():
        if facts["table"] != FINDINGS and facts["first_commit"] == facts["last_commit"]:
            number = facts["last_commit"]
            stored[number] = stored.get(number, 0) + facts["rows"]
    said = dict.fromkeys(expected.commits, 0)
    for batch_id, batch in expected.batches.items():
        total = batch["events"] + batch["aggregated"] + batch["rejected"]
        if batch["records"] != total:
            note(FaultKind.COUNT, f"batch {batch_id}", f"{batch['records']} records", total)
        said[batch["number"]] = said.get(batch["number"], 0) + batch["events"]
    for number, events in said.items():
        if stored.get(number, 0) != events:
            note(
                FaultKind.COUNT,
                f"commit {number}",
                f"{events} events in the lake",
                stored.get(number, 0),
            )
    total = sum(said.values())
    if expected.events() != total:
        note(FaultKind.COUNT, "lake", f"{total} events", expected.events())
