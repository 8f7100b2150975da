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
    """Everything the ledger's entries vouch for, keyed as the records database keys it.

    again, dropped
        files whose rows retention wrote again, and the events that it removed.
    unlettered, gone
        commits whose dead letters it removed; states and dead letters that may still lie on disk.
    """

    batches: dict[str, JsonObject] = field(default_factory=dict)
    commits: dict[int, JsonObject] = field(default_factory=dict)
    files: dict[str, JsonObject] = field(default_factory=dict)
    replaced: dict[str, int] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    states: dict[tuple[str, int], JsonObject] = field(default_factory=dict)
    dead_letters: dict[int, JsonObject] = field(default_factory=dict)
    incidents: dict[str, str] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    dropped: int = 0
    unlettered: set[int] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

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
    elif kind == "retention":
        _remove(expected, entry, number)
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
            if incidents.get("replace"):  # earlier versions put all in place of all
                expected.incidents.clear()
            for uid in incidents.get("gone", ()):
                expected.incidents.pop(uid, None)
            expected.incidents.update(incidents["rows"])


def _remove(expected: Expected, entry: JsonObject, number: int) -> None:
    """What a retention removed: exactly what was there, by its digest. Raises ValueError."""
    for old in entry["removed"]:
        facts = expected.files[old["path"]]
        same = all(facts[name] == old[name] for name in ("sha256", "table", "rows"))
        if not same or old["path"] in expected.replaced:
            raise ValueError(f"{old['path']} is not what was removed")
        expected.replaced[old["path"]] = number
        expected.dropped += 0 if facts["table"] == FINDINGS else facts["rows"]
    for new in entry["kept"]:
        facts = expected.files[new["from"]]
        if expected.replaced.get(new["from"]) != number or not 0 < new["rows"] < facts["rows"]:
            raise ValueError(f"{new['file']} does not stand for {new['from']}")
        expected.again.add(new["file"])
        expected.dropped -= 0 if facts["table"] == FINDINGS else new["rows"]
    for letters in entry["dead_letters"]:
        if expected.dead_letters.pop(letters["number"])["sha256"] != letters["sha256"]:
            raise ValueError(f"{letters['path']} is not what was removed")
        expected.unlettered.add(letters["number"])
        expected.gone.add(letters["path"])
    for state in entry["states"]:
        known = expected.states.pop((state["detector"], state["number"])).values()
        if {one["path"]: one["sha256"] for one in known} != {
            one["path"]: one["sha256"] for one in state["files"]
        }:
            raise ValueError(f"the state of {state['detector']} is not what was removed")
        expected.gone.update(one["path"] for one in state["files"])
    for incident in entry["incidents"]:
        if expected.incidents.pop(incident["uid"]) != incident["digest"]:
            raise ValueError(f"incident {incident['uid']} is not what was removed")


def check_sums(expected: Expected, note: Note) -> None:
    """Whether the ledger's numbers agree with each other, batch by batch and in sum."""
    stored: dict[int, int] = {}
    for path, facts in expected.files.items():
        if path in expected.again:
            continue
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
    total = sum(said.values()) - expected.dropped
    if expected.events() != total:
        note(FaultKind.COUNT, "lake", f"{total} events", expected.events())
