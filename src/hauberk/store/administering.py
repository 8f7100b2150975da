"""What an administrator asks of a home's database: how it stands, and to bring it up to date."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from . import database, postgresql
from .home import Home
from .postgresql import Schema
from .sqlite import DATABASE, engine_for
from .tables import SCHEMA_REVISION


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """How one database of a home stands; `revision` is None where its tables are not made yet."""

    holds: str
    engine: str
    place: str
    revision: str | None
    newest: str
    bytes: int

    @property
    def pending(self) -> bool:
        """Whether it waits to be upgraded."""
        return self.revision is not None and self.revision < self.newest


def records_status(home: Path) -> DatabaseStatus | None:
    """How the records of a home stand; None where there are none. Raises HauberkError."""
    return status_of(home / DATABASE, "records", database.SCHEMA, SCHEMA_REVISION)


def status_of(file: Path, holds: str, begins: str, newest: str) -> DatabaseStatus | None:
    """How a database stands: an SQLite file of the home, or the schema that begins so."""
    schema = postgresql.schema_of(file.parent, begins)
    if schema is not None:
        engine = schema.reading_engine()
        try:
            return DatabaseStatus(
                holds, _version(engine), schema.label, _revision(engine), newest,
                _schema_bytes(engine),
            )  # fmt: skip
        finally:
            engine.dispose()
    if not file.is_file():
        return None
    engine = engine_for(file, writes=False)
    try:
        revision = _revision(engine)
    finally:
        engine.dispose()
    sides = (file, *(file.with_name(f"{file.name}{end}") for end in ("-wal", "-shm")))
    size = sum(one.stat().st_size for one in sides if one.exists())
    return DatabaseStatus(holds, "sqlite", str(file), revision, newest, size)


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return database.revision_of(connection)


def _version(engine: Engine) -> str:
    with engine.connect() as connection:
        number = connection.execute(text("SELECT current_setting('server_version')")).scalar_one()
    return f"postgresql {str(number).split()[0]}"


def _schema_bytes(engine: Engine) -> int:
    query = text(
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c"
        " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace"
    )
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def upgrade_records(home: Path) -> None:
    """Bring the records up to date, making them where there are none.

    Raises HomeBusyError where a process writes them, UsageError where they are too new.
    """
    schema = postgresql.schema_of(home, database.SCHEMA)
    if schema is not None:
        upgrade_schema(schema)
    Home.open(home).close()


def upgrade_schema(schema: Schema) -> None:
    """Run the migrations of the records that a schema still lacks, in one transaction."""
    engine = schema.locking_engine()
    try:
        with engine.begin() as connection:
            revision = database.revision_of(connection)
            if revision is not None and revision != SCHEMA_REVISION:
                database.migrate(connection, revision, schema.label)
    finally:
        engine.dispose()
