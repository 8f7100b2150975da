"""Opens the records database: SQLite in the home, or PostgreSQL where a setting names a server.

An older schema of SQLite is migrated when the home is opened for writing. A server is shared and
looked after by others: there `hauberk db upgrade` does it, and nothing else.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    text,
)
from sqlalchemy.exc import DatabaseError

from hauberk.errors import HomeDamagedError, UsageError

from . import postgresql
from .postgresql import MARKER, Patience, Schema
from .sqlite import DATABASE, engine_for
from .tables import SCHEMA_REVISION, metadata

SCHEMA = "hauberk"
"""What the name of the records' schema begins with, in PostgreSQL."""
NO_HOME = "Scan something into it first, or name another home: --home, or HAUBERK_HOME"
"""What to do about a folder that is no home."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A database that was opened. With SQLite `writing` is the same engine as `reading`."""

    reading: Engine
    writing: Engine
    place: str

    def close(self) -> None:
        """Let go of every connection."""
        self.reading.dispose()
        self.writing.dispose()


def is_there(folder: Path) -> bool:
    """Whether the folder has records, in a file or on a server."""
    return (folder / DATABASE).exists() or (folder / MARKER).exists()


def open_for_writing(
    folder: Path, patience: Patience | None = None, *, in_file: bool = False
) -> Opened:
    """The database of a home, made where needed, migrated where it is SQLite.

    Raises HomeDamagedError where it is none, or lost what the folder beside it still has,
    UsageError where a newer version of Hauberk made it, or an older one in PostgreSQL,
    UnreachableError where the server cannot be reached. With `in_file` SQLite is opened, also
    where settings name a server: to be moved there.
    """
    if in_file:
        return _open_sqlite(folder)
    schema = postgresql.schema_of(folder, SCHEMA)
    if schema is None:
        server = postgresql.server_of(folder)
        if server is None:
            return _open_sqlite(folder)
        _refuse_move(folder)
        check_first(folder, server.label)
        schema = Schema(server, f"{SCHEMA}_{postgresql.make_id(folder)}")
    return _open_server(folder, schema, patience)


def _open_sqlite(folder: Path) -> Opened:
    path = folder / DATABASE
    if not path.exists():
        path.touch(mode=0o600)
    engine = engine_for(path, writes=True)
    try:
        with engine.connect() as connection:
            revision = revision_of(connection)
            if revision is None:
                check_first(folder, str(path))
                make(connection)
                connection.commit()
            elif revision != SCHEMA_REVISION:
                migrate(connection, revision, str(path))
                connection.commit()
    except BaseException as error:
        engine.dispose()
        if is_damage(error):
            raise damaged(path) from error
        raise
    return Opened(engine, engine, str(path))


def _open_server(folder: Path, schema: Schema, patience: Patience | None) -> Opened:
    schema.make()
    writing = schema.locking_engine(patience)
    try:
        with writing.connect() as connection:
            revision = revision_of(connection)
            if revision is None:
                check_first(folder, schema.label)
                make(connection)
                connection.commit()
            else:
                check_revision(revision, schema.label)
    except BaseException:
        writing.dispose()
        raise
    return Opened(schema.reading_engine(patience), writing, schema.label)


def _refuse_move(folder: Path) -> None:
    """A setting alone moves nothing: what is in the file would seem to be gone."""
    if (folder / DATABASE).exists():
        raise UsageError(
            "the settings name a server, but the records of this home are in SQLite",
            where=str(folder / DATABASE),
            hint="`hauberk db move` takes them to the server",
        )


def is_damage(error: BaseException) -> bool:
    """Whether this error says that the database's pages are not what was written."""
    driver = error.orig if isinstance(error, DatabaseError) else error
    if str(getattr(driver, "sqlstate", None) or "").startswith("XX0"):
        return True
    code = getattr(driver, "sqlite_errorcode", None)
    # The low byte is the kind of error, the rest says more of it.
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damaged(path: Path) -> HomeDamagedError:
    """The error that tells of a damaged database."""
    return HomeDamagedError(
        "the records database is damaged",
        where=str(path),
        hint="`hauberk verify` says what is left; restore the home from a backup, or scan the logs"
        " again into another home",
    )


def check_first(folder: Path, place: str) -> None:
    """Refuse to begin anew where a home has been: its files would belong to no commit."""
    left = [name for name in ("lake", "states", "dead-letters") if (folder / name).exists()]
    if left:
        raise HomeDamagedError(
            f"the records database is empty, but the home holds {left[0]}",
            where=place,
            hint="Restore the home from a backup, or scan the logs again into another home",
        )


def open_for_reading(folder: Path) -> Opened:
    """The database of a home, not to be changed; works while another process commits.

    Raises UsageError where there is none or it is of an older version of Hauberk.
    """
    schema = postgresql.schema_of(folder, SCHEMA)
    if schema is not None:
        engine = schema.reading_engine()
        try:
            with engine.connect() as connection:
                check_revision(revision_of(connection), schema.label)
        except BaseException:
            engine.dispose()
            raise
        return Opened(engine, engine, schema.label)
    path = folder / DATABASE
    if not path.is_file():
        raise UsageError("this is no home", where=str(folder), hint=NO_HOME)
    try:
        engine = engine_for(path, writes=False)
        with engine.connect() as connection:
            revision = revision_of(connection)
    except (DatabaseError, sqlite3.DatabaseError) as error:
        raise damaged(path) from error
    if revision != SCHEMA_REVISION:
        engine.dispose()
    check_revision(revision, str(path), "Open the home once for writing (any scan does)")
    return Opened(engine, engine, str(path))


def check_revision(
    revision: str | None, place: str, upgrade: str = "Run `hauberk db upgrade`"
) -> None:
    """Refuse a schema that this version does not know, or not any more. Raises UsageError."""
    if revision is not None and revision > SCHEMA_REVISION:
        raise _newer(revision, place)
    if revision != SCHEMA_REVISION:
        raise UsageError(
            f"its records are of schema {revision or 'none'}, expected {SCHEMA_REVISION}",
            where=place,
            hint=f"{upgrade} to bring it up to date",
        )


def revision_of(connection: Connection) -> str | None:
    """The newest migration that made this database; None where there are no tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(row[0]) if row else None


def _newer(revision: str, place: str) -> UsageError:
    return UsageError(
        f"its records are of schema {revision[:40]}, newer than {SCHEMA_REVISION}, the last that"
        " this version knows",
        where=place,
        hint="Use the version of Hauberk that made this home, or name another home",
    )


def make(connection: Connection) -> None:
    """Make every table at once, as all migrations together do; a test holds both equal.

    Loading Alembic takes longer than a home takes to be made.
    """
    metadata.create_all(connection)
    version = Table(
        "alembic_version",
        MetaData(),
        Column("version_num", String(32), nullable=False),
        PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    version.create(connection, checkfirst=True)
    connection.execute(insert(version).values(version_num=SCHEMA_REVISION))


def migrate(connection: Connection, revision: str | None, place: str) -> None:
    """Bring the tables of an older version up to date, by Alembic's migrations.

    Raises UsageError where a newer version of Hauberk made them.
    """
    if revision is not None and revision > SCHEMA_REVISION:
        raise _newer(revision, place)
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    scripts = Path(__file__).with_name("migrations")
    # Alembic reads the option through an interpolating parser.
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
