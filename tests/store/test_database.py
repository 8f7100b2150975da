"""The records database is what the migrations make, and opens for readers as they need."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from hauberk.errors import HomeDamagedError, UsageError
from hauberk.store import Home, database, tables


def test_the_migrations_make_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    engine = database.open_for_writing(tmp_path)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    engine.dispose()


def test_the_newest_migration_is_the_one_that_the_code_asks_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == tables.SCHEMA_REVISION


def test_a_database_of_another_schema_is_not_read(make_home: Callable[..., Path]) -> None:
    path = make_home("a")
    with closing(sqlite3.connect(path / "records.sqlite3")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
        connection.commit()
    with pytest.raises(UsageError, match="0000"):
        Home.open(path, read_only=True)


def test_a_database_that_is_none_is_told(make_home: Callable[..., Path]) -> None:
    path = make_home("a")
    for name in ("records.sqlite3-wal", "records.sqlite3-shm"):
        (path / name).unlink(missing_ok=True)
    (path / "records.sqlite3").write_bytes(b"no database at all" * 100)
    with pytest.raises(HomeDamagedError):
        Home.open(path, read_only=True)


def test_the_database_keeps_a_commit_through_a_power_cut(make_home: Callable[..., Path]) -> None:
    engine = database.open_for_writing(make_home("a"))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    engine.dispose()
