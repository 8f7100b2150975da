"""The ledger keeps entries in canonical form and proves what it says."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hauberk.store import Home, merkle
from hauberk.store.ledger import canonical
from hauberk.store.signing import load_verifier

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def home(make_home: Callable[..., Path]) -> Path:
    return make_home("a", "b", "c")


def test_each_batch_and_each_commit_is_an_entry(home: Path) -> None:
    with Home.open(home, read_only=True) as opened:
        entries = list(opened.ledger.entries())
    assert [entry["type"] for entry in entries] == ["batch", "incident", "commit"] * 3
    assert [entry["commit"] for entry in entries] == [1] * 3 + [2] * 3 + [3] * 3
    batch, commit = entries[0], entries[2]
    assert (batch["source"], batch["start"], batch["length"]) == ("logs/a.log", 0, 1000)
    assert (batch["records"], batch["rejected"], batch["format"]) == (23, 1, "auth")
    files = commit["files"]
    assert isinstance(files, list)
    assert all((home / file["path"]).is_file() for file in files)


def test_entries_are_stored_as_rfc_8785_writes_them(home: Path) -> None:
    with Home.open(home, read_only=True) as opened:
        for index in range(opened.ledger.size):
            entry = opened.ledger.entry_bytes(index)
            assert canonical(json.loads(entry)) == entry
        with pytest.raises(IndexError):
            opened.ledger.entry_bytes(99)


def test_every_entry_is_proved_to_be_in_the_signed_tree(home: Path) -> None:
    verifier = load_verifier(home / "keys")
    with Home.open(home, read_only=True) as opened:
        note = opened.ledger.checkpoint()
        assert note is not None
        checkpoint = verifier.open(note)
        assert checkpoint.size == opened.ledger.size
        for index in range(checkpoint.size):
            leaf = merkle.leaf_hash(opened.ledger.entry_bytes(index))
            proof = opened.ledger.inclusion_proof(index)
            assert merkle.verify_inclusion(leaf, index, checkpoint.size, proof, checkpoint.root)


def test_the_log_is_proved_to_have_only_grown(home: Path) -> None:
    with Home.open(home, read_only=True) as opened:
        ledger = opened.ledger
        for old in range(ledger.size + 1):
            proof = ledger.consistency_proof(old)
            assert merkle.verify_consistency(
                old, ledger.size, ledger.root(old), ledger.root(), proof
            )


def test_what_is_no_json_is_no_entry() -> None:
    with pytest.raises(ValueError, match=r"JCS|float"):
        canonical({"type": "x", "value": float("nan")})
    with pytest.raises((ValueError, TypeError)):
        canonical({"type": "x", "value": object()})


def test_the_checkpoint_names_its_root_in_base64(home: Path) -> None:
    with Home.open(home, read_only=True) as opened:
        note = opened.ledger.checkpoint()
        assert note is not None
        assert base64.b64decode(note.splitlines()[2]) == opened.ledger.root()
