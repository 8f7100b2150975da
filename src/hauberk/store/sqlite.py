"""SQLite for the records: one file in WAL mode, whose readers see one state at a time."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

DATABASE = "records.sqlite3"


def engine_for(path: Path, *, writes: bool) -> Engine:
    """An engine on an existing file. Raises sqlite3.DatabaseError where it is no database."""
    uri = f"file:{quote(str(path))}?mode={'rw' if writes else 'ro'}"
    if not writes:
        uri += _unchanging(uri)
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
        if writes:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _unchanging(uri: str) -> str:
    """What to add for read-only media: SQLite cannot keep its shared memory, nor need it."""
    try:
        with sqlite3.connect(uri, uri=True) as probe:
            probe.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        return "&immutable=1"
    return ""
