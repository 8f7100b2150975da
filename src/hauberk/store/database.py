"""Opens the records database: SQLite in WAL mode, an older schema migrated by Alembic."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_engine,
    event,
    insert,
    inspect,
    text,
)
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from hauberk.errors import HomeDamagedError, UsageError

from .tables import SCHEMA_REVISION, metadata

DATABASE = "records.sqlite3"


def _engine(uri: str, *, begin: str) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=30),
        poolclass=QueuePool,
    )

    # The driver's own way of opening transactions leaves reads outside of them; a reader must see
    # one state of the database from its first query to its last.
    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def open_for_writing(folder: Path) -> Engine:
    """The database of a home, made or migrated where needed.

    Raises HomeDamagedError where it is none, or lost what the folder beside it still has, and
    UsageError where a newer version of Hauberk made it.
    """
    path = folder / DATABASE
    fresh = not path.exists()
    if fresh:
        path.touch(mode=0o600)
    engine = _engine(f"file:{quote(str(path))}?mode=rw", begin="BEGIN")

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    try:
        with engine.connect() as connection:
            revision = _revision(connection)
            if revision is None:
                _check_first(folder)
                make(connection)
                connection.commit()
            elif revision != SCHEMA_REVISION:
                migrate(connection, revision, path)
                connection.commit()
    except BaseException as error:
        engine.dispose()
        if is_damage(error):
            raise damaged(path) from error
        raise
    return engine


def is_damage(error: BaseException) -> bool:
    """Whether this error says that the database's pages are not what SQLite wrote."""
    driver = error.orig if isinstance(error, DatabaseError) else error
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


def _check_first(folder: Path) -> None:
    """Refuse to begin anew where a home has been: its files would belong to no commit."""
    left = [name for name in ("lake", "states", "dead-letters") if (folder / name).exists()]
    if left:
        raise HomeDamagedError(
            f"the records database is empty, but the home holds {left[0]}",
            where=str(folder / DATABASE),
            hint="Restore the home from a backup, or scan the logs again into another home",
        )


def open_for_reading(folder: Path) -> Engine:
    """The database of a home, not to be changed; works while another process commits.

    Raises UsageError where there is none or it is of an older version of Hauberk.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise UsageError("this is no home", where=str(folder), hint="Scan something into it first")
    uri = f"file:{quote(str(path))}?mode=ro"
    try:
        with sqlite3.connect(uri, uri=True) as probe:
            probe.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        # On read-only media SQLite cannot keep its shared memory; nothing can change there either.
        uri += "&immutable=1"
    except sqlite3.DatabaseError as error:
        raise damaged(path) from error
    engine = _engine(uri, begin="BEGIN")
    try:
        with engine.connect() as connection:
            revision = _revision(connection)
    except DatabaseError as error:
        raise damaged(path) from error
    if revision is not None and revision > SCHEMA_REVISION:
        raise _newer(revision, path)
    if revision != SCHEMA_REVISION:
        raise UsageError(
            f"its records are of schema {revision or 'none'}, expected {SCHEMA_REVISION}",
            where=str(path),
            hint="Open the home once for writing (any scan does) to bring it up to date",
        )
    return engine


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(row[0]) if row else None


def _newer(revision: str, path: Path) -> UsageError:
    return UsageError(
        f"its records are of schema {revision[:40]}, newer than {SCHEMA_REVISION}, the last that"
        " this version knows",
        where=str(path),
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


def migrate(connection: Connection, revision: str | None, path: Path) -> None:
    """Bring the tables of an older version up to date, by Alembic's migrations.

    Raises UsageError where a newer version of Hauberk made them.
    """
    if revision is not None and revision > SCHEMA_REVISION:
        raise _newer(revision, path)
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    scripts = Path(__file__).with_name("migrations")
    # Alembic reads the option through an interpolating parser.
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
