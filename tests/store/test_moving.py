"""A home moves from SQLite to PostgreSQL whole, or stays where it was."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hauberk.errors import HomeBusyError, HomeDamagedError, UnreachableError, UsageError
from hauberk.store import (
    Home,
    move_home,
    moving,
    postgresql,
    records_status,
    upgrade_records,
    verify,
)

FullCommit = Callable[..., Any]
URL = "HAUBERK_DATABASE_URL"


@pytest.fixture
def home(make_home: Callable[..., Path]) -> Path:
    return make_home("a", "b")


def schemas(postgres: Any, database: str) -> list[str]:
    query = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'hauberk\\_%'"
    with postgres.connect(database) as connection:
        return [name for (name,) in connection.execute(query)]


def test_a_home_that_moved_is_what_it_was_and_goes_on(
    home: Path, postgres: Any, full_commit: FullCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Home.open(home, read_only=True) as before:
        was = (before.records.incidents(), before.ledger.entry_bytes(3))
    database = postgres.database()
    moved = move_home(home, postgres.url(database))
    assert moved.rows["hauberk.batches"] == 2
    assert moved.rows["hauberk.commits"] == 3
    monkeypatch.setenv(URL, postgres.url(database))
    assert verify(home).ok
    with Home.open(home) as after:
        assert (after.records.incidents(), after.ledger.entry_bytes(3)) == was
        (entry,) = [one for one in after.ledger.entries() if one["type"] == "database.moved"]
        assert str(entry["to"]).endswith(f"/{database}")
        after.commit(full_commit("c"))
        assert after.lake.count() == 60
    assert not (home / "records.sqlite3").exists()
    assert (home / "records.sqlite3.moved").exists()
    with pytest.raises(UsageError, match="already"):
        move_home(home, None)


def test_a_row_that_arrives_otherwise_leaves_the_home_where_it_was(
    home: Path, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, calls = moving._digest, []

    def other(*arguments: Any) -> tuple[int, str]:
        calls.append(1)
        count, said = digest(*arguments)
        return (count, said[::-1]) if len(calls) == 6 else (count, said)

    monkeypatch.setattr(moving, "_digest", other)
    database = postgres.database()
    with pytest.raises(HomeDamagedError, match="arrived otherwise"):
        move_home(home, postgres.url(database))
    assert schemas(postgres, database) == []
    assert verify(home).ok
    with Home.open(home) as again:
        assert again.lake.count() == 40


def test_a_home_that_is_open_is_not_moved(
    home: Path, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "_WAIT_SECONDS", 0.2)
    url = postgres.url(postgres.database())
    with Home.open(home), pytest.raises(HomeBusyError):
        move_home(home, url)
    with closing(sqlite3.connect(home / "records.sqlite3")) as reader:
        reader.execute("SELECT count(*) FROM batches").fetchone()
        with pytest.raises(HomeBusyError, match="has it open"):
            move_home(home, url)
    assert verify(home).ok


def test_a_server_that_is_not_there_leaves_the_home_where_it_was(home: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(UnreachableError):
        move_home(home, "postgresql:///x?host=/nowhere")
    assert postgresql.id_of(home) is None
    assert verify(home).ok


def test_status_says_where_and_how_large(
    home: Path, home_path: Path, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = records_status(home)
    assert said is not None
    assert (said.engine, said.revision, said.pending) == ("sqlite", said.newest, False)
    assert said.bytes >= (home / "records.sqlite3").stat().st_size
    database = postgres.database()
    move_home(home, postgres.url(database))
    monkeypatch.setenv(URL, postgres.url(database))
    said = records_status(home)
    assert said is not None
    assert said.engine.startswith("postgresql ")
    assert said.bytes > 100_000
    assert records_status(home_path.parent) is None


def test_an_older_schema_on_a_server_is_upgraded_when_asked_for(
    home: Path, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres.database()
    move_home(home, postgres.url(database))
    monkeypatch.setenv(URL, postgres.url(database))
    (schema,) = schemas(postgres, database)
    with postgres.connect(database) as connection:
        connection.execute(f"DROP TABLE {schema}.removals")
        connection.execute(f"UPDATE {schema}.alembic_version SET version_num = '0001'")
    said = records_status(home)
    assert said is not None
    assert said.pending
    with pytest.raises(UsageError, match="hauberk db upgrade"):
        Home.open(home)
    upgrade_records(home)
    with Home.open(home) as opened:
        opened.lake.compact()
    assert verify(home).ok


def test_an_older_home_in_sqlite_is_upgraded_when_it_is_opened(home: Path) -> None:
    with Home.open(home) as opened:
        opened.lake.compact()
        replaced = len(list(home.rglob("lake/**/*.parquet")))
    with closing(sqlite3.connect(home / "records.sqlite3")) as connection:
        connection.execute("DROP TABLE removals")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.commit()
    with Home.open(home) as opened:
        count, _ = opened.vacuum()
    assert count > 0
    assert len(list(home.rglob("lake/**/*.parquet"))) == replaced - count
    assert verify(home).ok
