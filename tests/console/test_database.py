"""The console's database: made by its migrations, as the tables say."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from hauberk.console import tables
from hauberk.console.database import FILE, open_database
from hauberk.errors import HomeDamagedError, UsageError


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
