"""Somebody who can write to a home changes one thing about a model: it is refused, and named."""

import runpy
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hauberk.governance import VOTE, adopt_policy, default_policy, read_policy
from hauberk.models import Check, Refusal, Task, enter, load, verify_models
from hauberk.store import Commit, FaultKind, Home, verify

Office: Any = runpy.run_path(str(Path(__file__).parents[1] / "models" / "office.py"))["Office"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tampering") / "office"
    folder.mkdir()
    office = Office.open(folder)
    with office.home:
        office.people().signing_key()
        before = default_policy()
        policy = read_policy(before.text + "\n# reviewed in March\n")
        signers = [office.keys["sam"], office.keys["cem"]]
        enter(
            office.home,
            adopt_policy(office.home.origin, office.clock(), policy, before.digest, signers),
        )
        office.live()
    return folder


@pytest.fixture
def office(made: Path, tmp_path: Path) -> Iterator[Any]:
    shutil.copytree(made, tmp_path / "office")
    office = Office.open(tmp_path / "office")
    with office.home:
        yield office


def refused(home: Home) -> Refusal:
    found = load(home, Task.DOMAIN)
    assert isinstance(found, Refusal), found
    return found


FILES = {
    "artifact": "weights.safetensors",
    "manifest": "data.json",
    "report": "report.json",
    "description": "model.json",
    "card": "card.md",
}


@pytest.mark.parametrize("what", FILES)
def test_a_changed_file_is_refused_and_named(office: Any, what: str) -> None:
    (path,) = (office.home.path / "models").glob(f"*/{FILES[what]}")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    found = refused(office.home)
    assert (found.check, found.failures[0].where) == (Check.FILES, FILES[what])
    report = verify_models(office.home.path, verify(office.home.path))
    assert [FILES[what] in fault.where for fault in report.faults] == [True]


ENTRIES = {
    "approval": ("board.vote", b'"decision":"approve"', b'"decision":"Approve"'),
    "policy": ("policy.adopted", b"reviewed in March", b"reviewed in april"),
    "person": ("person.added", b'"name":"sam"', b'"name":"eve"'),
    "trusted key": ("model.key_trusted", b'"holder":"ada"', b'"holder":"sam"'),
    "registration": ("model.registered", b'"owner":"ada"', b'"owner":"sam"'),
    "signature": ("model.signed", b'"artifact":"', b'"artifact":"0'),
    "promotion": ("model.moved", b'"to":"live"', b'"to":"Live"'),
}


def entry_of(home: Path, kind: str, was: bytes) -> tuple[int, bytes]:
    with closing(sqlite3.connect(home / "records.sqlite3")) as connection:
        for at, entry in connection.execute("select position, entry from ledger_entries"):
            if f'"type":"{kind}"'.encode() in bytes(entry) and was in bytes(entry):
                return at, bytes(entry)
    raise AssertionError(kind)


def write(home: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(home / "records.sqlite3")) as connection:
        connection.execute(statement, values)
        connection.commit()


@pytest.mark.parametrize("what", ENTRIES)
def test_a_changed_ledger_entry_is_refused_and_named(office: Any, what: str) -> None:
    kind, was, now = ENTRIES[what]
    at, entry = entry_of(office.home.path, kind, was)
    write(
        office.home.path, "update ledger_entries set entry = ? where position = ?",
        entry.replace(was, now), at,
    )  # fmt: skip
    found = refused(office.home)
    assert (found.check, found.failures[0].where) == (Check.LEDGER, f"ledger entry {at}")
    report = verify_models(office.home.path, verify(office.home.path))
    assert f"ledger entry {at}" in {fault.where for fault in report.faults}


def test_a_removed_ledger_entry_is_refused_and_named(office: Any) -> None:
    at, _ = entry_of(office.home.path, "board.vote", b"approve")
    write(office.home.path, "delete from ledger_entries where position = ?", at)
    assert refused(office.home).failures[0].where == f"ledger entry {at}"


def test_a_removed_end_of_the_ledger_is_refused(office: Any) -> None:
    size = office.home.ledger.size
    write(office.home.path, "delete from ledger_entries where position = ?", size - 1)
    assert refused(office.home).check is Check.LEDGER


def test_a_forged_checkpoint_is_refused(office: Any) -> None:
    note = office.home.ledger.checkpoint()
    origin, size, root, *rest = note.split("\n")
    forged = "\n".join([origin, size, ("B" if root[0] == "A" else "A") + root[1:], *rest])
    write(office.home.path, "update checkpoints set note = ? where size = ?", forged, int(size))
    found = refused(office.home)
    assert (found.check, found.failures[0].where) == (Check.LEDGER, "checkpoint")


def test_another_shipped_policy_voids_the_votes_given_under_it(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loosened = read_policy(default_policy().text.replace("quorum = 2", "quorum = 1"))
    monkeypatch.setattr("hauberk.governance.authority.default_policy", lambda: loosened)
    found = refused(office.home)
    assert found.check is not Check.LEDGER
    report = verify_models(office.home.path, verify(office.home.path))
    assert any("replaces another policy" in fault.found for fault in report.faults)
    assert {fault.kind for fault in report.faults} == {FaultKind.SIGNATURE}


def test_whoever_holds_the_ledgers_key_still_cannot_vote_for_others(office: Any) -> None:
    """The ledger takes any entry that its own process appends; the fold takes none unfounded."""
    at, _ = entry_of(office.home.path, VOTE, b"approve")
    entries = list(office.home.ledger.entries(at, at + 1))
    forged = {**entries[0], "statement": {**entries[0]["statement"], "person": "cem"}}
    forged.pop("commit")
    office.home.commit(Commit(entries=(forged,)))
    assert verify(office.home.path).ok
    report = verify_models(office.home.path, verify(office.home.path))
    assert [fault.kind for fault in report.faults] == [FaultKind.SIGNATURE]
    assert "the signature of sam does not hold" in report.faults[0].found
