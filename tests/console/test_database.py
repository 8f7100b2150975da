"""The console's database: made by its migrations, as the tables say."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import InternalError

from hauberk.console import acts, lockout, tables
from hauberk.console.database import FILE, open_database
from hauberk.errors import HomeDamagedError, UsageError
from hauberk.store import Home


def shape(path: str) -> dict[str, object]:
    found = inspect(create_engine(path))
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(name)],
            found.get_pk_constraint(name)["constrained_columns"],
            sorted((str(i["name"]), *map(str, i["column_names"])) for i in found.get_indexes(name)),
            sorted(str(u["column_names"]) for u in found.get_unique_constraints(name)),
        )
        for name in found.get_table_names()
        if name != "alembic_version"
    }


def test_migrations_make_the_tables_as_declared(tmp_path: Path) -> None:
    open_database(tmp_path).close()
    declared = f"sqlite:///{tmp_path / 'declared'}"
    tables.metadata.create_all(create_engine(declared))
    assert shape(f"sqlite:///{tmp_path / FILE}") == shape(declared)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_newer_or_damaged_database_is_refused_in_words(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(UsageError, match="newer than"):
        open_database(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(HomeDamagedError, match="damaged"):
        open_database(tmp_path / "other")


def test_what_raises_in_a_transaction_leaves_nothing(tmp_path: Path) -> None:
    database = open_database(tmp_path)

    def fails() -> None:
        with database.write() as connection:
            connection.exec_driver_sql("INSERT INTO facts VALUES ('a', 'b')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM facts").scalar() == 0
    database.close()


def test_the_console_is_in_postgresql_where_its_home_is(
    home_path: Path, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres.database()
    monkeypatch.setenv("HAUBERK_DATABASE_URL", postgres.url(name))
    Home.open(home_path).close()
    database = open_database(home_path)
    now = datetime(2026, 3, 2, tzinfo=UTC)
    with database.write() as connection:
        acts.enter(connection, now, "comment", "ann", "i-1", text="first")
        told = [lockout.failed(connection, "bob", "10.0.0.1", now) for _ in range(4)]
    with database.read() as connection:
        assert [one.incident for one in acts.waiting(connection, 9)] == ["i-1"]
        assert told == [False, False, True, True]
        with pytest.raises(InternalError, match="read-only"):
            connection.execute(tables.facts.insert().values(key="a", value="b"))
    database.close()
    assert not (home_path / FILE).exists()


def test_writers_of_the_console_wait_for_each_other_in_postgresql(
    home_path: Path, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAUBERK_DATABASE_URL", postgres.url(postgres.database()))
    Home.open(home_path).close()
    database = open_database(home_path)

    def add(number: int) -> int:
        with database.write() as connection:
            # Two that counted at once would give one number twice.
            return acts.enter(connection, datetime.now(UTC), "comment", "ann", f"i-{number}")

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(add, range(24))) == list(range(1, 25))
    database.close()
