"""Opens the console's database: SQLite in WAL mode, for its owner alone, migrated by Alembic.

Where the home's records are in PostgreSQL it is there too, in a schema of its own.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from hauberk.errors import HomeDamagedError, UsageError
from hauberk.store import DatabaseStatus, Part, Schema, schema_of, status_of

from .tables import SCHEMA_REVISION, metadata

FILE = "console.sqlite3"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SCHEMA = "console"
"""What the name of its schema begins with, in PostgreSQL."""

_WRITES = "hauberk_writes"


def to_micros(time: datetime) -> int:
    """An aware time as microseconds since 1970."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """Microseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


class Database:
    """The database, to be read from and written to by any thread."""

    def __init__(self, reading: Engine, writing: Engine) -> None:
        self._reading = reading
        self._writing = writing

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state from its first query to its last."""
        with self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction; no other one writes meanwhile. Rolled back where the block raises."""
        with self._writing.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of every connection."""
        self._reading.dispose()
        self._writing.dispose()


def open_database(home: Path) -> Database:
    """The console's database of a home, made where needed, migrated where it is SQLite.

    Raises HomeDamagedError where the file is none, UsageError where a newer version made it, or an
    older one in PostgreSQL, UnreachableError where the server is gone.
    """
    schema = schema_of(home, SCHEMA)
    if schema is not None:
        return _open_server(schema)
    path = home / FILE
    if not path.exists():
        path.touch(mode=0o600)
    engine = _engine(path)
    try:
        with engine.connect() as connection:
            if check_revision(connection, str(path)) != SCHEMA_REVISION:
                migrate(connection)
                connection.commit()
    except DatabaseError as error:
        engine.dispose()
        raise HomeDamagedError(
            "the console's database is damaged",
            where=str(path),
            hint="Restore it from a backup; the acts that it held are in the home's ledger",
        ) from error
    except BaseException:
        engine.dispose()
        raise
    return Database(engine, engine.execution_options(**{_WRITES: True}))


def _open_server(schema: Schema) -> Database:
    schema.make()
    writing = schema.writing_engine()

    @event.listens_for(writing, "begin")
    def _begun(connection: Connection) -> None:
        # Each statement sees what was committed before it, and nobody else commits meanwhile.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({schema.lock_key})")

    try:
        with writing.connect() as connection:
            revision = check_revision(connection, schema.label)
            if revision is None:
                migrate(connection)
                connection.commit()
            elif revision != SCHEMA_REVISION:
                raise UsageError(
                    f"the console's schema is {revision}, expected {SCHEMA_REVISION}",
                    where=schema.label,
                    hint="Run `hauberk db upgrade` to bring it up to date",
                )
    except BaseException:
        writing.dispose()
        raise
    return Database(schema.reading_engine(), writing)


def check_revision(connection: Connection, place: str) -> str | None:
    """The newest migration that made this database. Raises UsageError where it is not known."""
    revision = _revision(connection)
    if revision is not None and revision > SCHEMA_REVISION:
        raise UsageError(
            f"its schema {revision[:40]} is newer than {SCHEMA_REVISION}",
            where=place,
            hint="Use the version of Hauberk that made it",
        )
    return revision


def _engine(path: Path) -> Engine:
    uri = f"file:{quote(str(path.absolute()))}?mode=rw"
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=30),
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=40,
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # transactions begin where we say so
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(row[0]) if row else None


def migrate(connection: Connection) -> None:
    """Bring the tables up to date by Alembic's migrations, from nothing too."""
    from alembic import command  # noqa: PLC0415  # slow to load, seldom needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    scripts = Path(__file__).with_name("migrations")
    # Alembic reads the option through an interpolating parser.
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def console_status(home: Path) -> DatabaseStatus | None:
    """How the console's database of a home stands; None where there is none."""
    return status_of(home / FILE, "console", SCHEMA, SCHEMA_REVISION)


def upgrade_console(home: Path) -> None:
    """Bring the console's database up to date, where there is one. Raises HauberkError."""
    schema = schema_of(home, SCHEMA)
    if schema is not None:
        engine = schema.writing_engine()
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({schema.lock_key})")
                if check_revision(connection, schema.label) is not None:
                    migrate(connection)
        finally:
            engine.dispose()
    elif (home / FILE).exists():
        open_database(home).close()


CONSOLE = Part(FILE, SCHEMA, metadata, migrate)
"""What `hauberk db move` takes along."""
