"""Entries are acted on only after the whole ledger was held against its signed checkpoint."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import HomeDamagedError
from hauberk.store import Commit, Home, merkle
from hauberk.store.proven import _Tree

THEN = datetime(2026, 3, 3, 10, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    with Home.open(path, clock=lambda: THEN) as opened:
        for number in range(5):
            entries = [{"type": f"{kind}.x", "n": number} for kind in ("a", "b")]
            opened.commit(Commit(entries=tuple(entries)))
    return path


def change(home: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(home / "records.sqlite3")) as connection:
        connection.execute(statement, values)
        connection.commit()


def proven(home: Path, *prefixes: str) -> list[tuple[int, object, datetime]]:
    with Home.open(home, read_only=True) as opened:
        return [(one.position, one.body["n"], one.time) for one in opened.proven_entries(prefixes)]


def test_entries_come_in_order_with_the_time_of_their_commit(home: Path) -> None:
    assert proven(home, "b.") == [(1 + 3 * n, n, THEN) for n in range(5)]
    assert proven(home, "c.") == []
    assert len(proven(home, "a.", "b.")) == 10


@pytest.mark.parametrize("position", [0, 1, 2, 7, 14])
def test_any_changed_entry_is_named_whoever_asks(home: Path, position: int) -> None:
    change(home, "update ledger_entries set entry = entry || x'20' where position = ?", position)
    with pytest.raises(HomeDamagedError, match=f"ledger entry {position}:"):
        proven(home, "a.")


@pytest.mark.parametrize("position", [0, 6, 14])
def test_a_removed_entry_is_named(home: Path, position: int) -> None:
    change(home, "delete from ledger_entries where position = ?", position)
    with pytest.raises(HomeDamagedError, match=f"ledger entry {position}:"):
        proven(home, "a.")


def test_an_entry_put_at_the_end_is_named(home: Path) -> None:
    forged = b'{"commit":5,"n":9,"type":"a.x"}'
    change(home, "insert into ledger_entries (position, entry) values (15, ?)", forged)
    with pytest.raises(HomeDamagedError, match="ledger entry 15:"):
        proven(home, "a.")


def test_without_the_public_key_nothing_is_proved(home: Path) -> None:
    (home / "keys" / "ledger.pub").unlink()
    with pytest.raises(HomeDamagedError, match=r"ledger\.pub"):
        proven(home, "a.")


def test_a_new_home_has_nothing_to_prove(tmp_path: Path) -> None:
    with Home.open(tmp_path / "home") as opened:
        assert opened.proven_entries(["a."]) == []


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_root_is_that_of_rfc_9162(entries: list[bytes]) -> None:
    tree = _Tree()
    nodes: dict[tuple[int, int], bytes] = {}
    for position, entry in enumerate(entries):
        leaf = merkle.leaf_hash(entry)
        tree.add(leaf)
        for level, at, value in merkle.grow(lambda *key: nodes[key], position, leaf):
            nodes[level, at] = value
    assert tree.root() == merkle.root(lambda *key: nodes[key], len(entries))
