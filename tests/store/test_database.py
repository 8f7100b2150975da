"""The records database is what the migrations make, and opens for readers as they need."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect

from hauberk.errors import HomeDamagedError, UsageError
from hauberk.store import Home, database, tables


def schema_of(connection: Connection) -> dict[str, object]:
    said = inspect(connection)
    return {
        name: (
            [{**column, "type": str(column["type"])} for column in said.get_columns(name)],
            said.get_pk_constraint(name),
            said.get_indexes(name),
            said.get_unique_constraints(name),
            said.get_foreign_keys(name),
        )
        for name in said.get_table_names()
    }


def test_the_migrations_make_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    (tmp_path / "migrated.sqlite3").touch()
    migrated = create_engine(f"sqlite:///{tmp_path / 'migrated.sqlite3'}")
    made = database.open_for_writing(tmp_path)
    with migrated.connect() as connection, made.writing.connect() as other:
        database.migrate(connection, None, str(tmp_path))
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
        assert schema_of(connection) == schema_of(other)
        versions = [one.exec_driver_sql("SELECT * FROM alembic_version").all()
                    for one in (connection, other)]  # fmt: skip
        assert versions[0] == versions[1]
    made.close()
    migrated.dispose()


def test_a_new_home_is_made_without_the_migrations(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from hauberk.store import Home\n"
        "Home.open(Path(sys.argv[1])).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "home")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "False"


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
    opened = database.open_for_writing(make_home("a"))
    with opened.writing.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    opened.close()
