"""Takes a home's records from SQLite to PostgreSQL, checked row by row; the ledger says so.

The instant of the move is the file that names the schema: before it the home is in SQLite as ever,
and what was copied is dropped again; after it the old file is only a copy, kept aside.
"""

import gc
import hashlib
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, insert, select
from sqlalchemy import Table as SqlTable

from hauberk.errors import HomeBusyError, HomeDamagedError, UsageError

from . import database, postgresql, tables
from .commit import Commit
from .home import Home
from .postgresql import MARKER, Schema, Server
from .rows import as_json
from .sqlite import DATABASE, engine_for

ASIDE = ".moved"
"""What is added to the name of a file whose rows were taken to a server."""

_ROWS = 1_000
_WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Part:
    """A database of the home that moves: its file, its tables, how its schema's name begins.

    `make` makes the tables in an empty schema.
    """

    file: str
    begins: str
    metadata: MetaData
    make: Callable[[Connection], None]


RECORDS = Part(DATABASE, database.SCHEMA, tables.metadata, database.make)


@dataclass(frozen=True, slots=True)
class Moved:
    """Rows by table, each proved to be the same by a digest over all of its rows."""

    place: str
    rows: Mapping[str, int]


def move_home(home: Path, url: str | None, parts: Sequence[Part] = (RECORDS,)) -> Moved:
    """Move the databases of a home to the server of a URL, or the one that its settings name.

    Raises HomeBusyError where a process has any of them open, UsageError where the home is not in
    SQLite or nothing names a server, HomeDamagedError where a row arrives otherwise.
    """
    if (home / MARKER).exists():
        raise UsageError("the records of this home are in PostgreSQL already", where=str(home))
    if url is None:
        server = postgresql.server_of(home)
    else:
        server = postgresql.read_server(url, "--to").server
    if server is None:
        raise UsageError("nothing names a server", hint="Give --to URL, or [database] url")
    there = [one for one in parts if (home / one.file).exists()]
    with Home.open(home, create=False, in_file=True) as opened:
        entry = {"type": "database.moved", "to": server.label}
        opened.commit(Commit(entries=[entry]))
        opened.close_database()
        for part in there:
            _only_us(home / part.file)
        home_id = secrets.token_hex(8)
        schemas = [Schema(server, f"{part.begins}_{home_id}") for part in there]
        rows: dict[str, int] = {}
        try:
            for part, schema in zip(there, schemas, strict=True):
                rows.update(_copy(home / part.file, part, schema))
            postgresql.make_id(home, home_id)
        except BaseException:
            if not (home / MARKER).exists():
                _drop(server, schemas)
            raise
        for part in there:
            (home / part.file).rename(home / f"{part.file}{ASIDE}")
    return Moved(", ".join(one.label for one in schemas), rows)


def _only_us(path: Path) -> None:
    """Fold the write-ahead log into the file, which works only where nobody else has it open."""
    gc.collect()  # connections of this process that nobody holds any more
    until = time.monotonic() + _WAIT_SECONDS
    with closing(sqlite3.connect(path, timeout=0.1)) as connection:
        while True:
            try:
                if connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0] == "delete":
                    return
            except sqlite3.OperationalError:
                pass
            if time.monotonic() > until:
                raise HomeBusyError(
                    "another process has it open", where=str(path),
                    hint="Stop watch and console, and run the same command again",
                )  # fmt: skip
            time.sleep(0.1)


def _copy(file: Path, part: Part, schema: Schema) -> dict[str, int]:
    schema.make()
    source, target = engine_for(file, writes=False), schema.locking_engine()
    try:
        with target.begin() as connection:
            part.make(connection)
            for table in part.metadata.sorted_tables:
                _copy_table(source, connection, table)
            found = {}
            for table in part.metadata.sorted_tables:
                with source.connect() as old:
                    was = _digest(old, table)
                now = _digest(connection, table)
                if was != now:
                    raise HomeDamagedError(
                        f"the table {table.name} arrived otherwise: {was[0]} rows, then {now[0]}",
                        where=schema.label,
                        hint="The home is as before, in SQLite",
                    )
                found[f"{part.begins}.{table.name}"] = now[0]
        return found
    finally:
        source.dispose()
        target.dispose()


def _copy_table(source: Engine, target: Connection, table: SqlTable) -> None:
    with source.connect() as connection:
        found = connection.execution_options(yield_per=_ROWS).execute(select(table)).mappings()
        for rows in found.partitions(_ROWS):
            target.execute(insert(table), [dict(row) for row in rows])


def _digest(connection: Connection, table: SqlTable) -> tuple[int, str]:
    """How many rows there are, and a digest over all of them in order of their key."""
    digest, count = hashlib.sha256(), 0
    query = select(table).order_by(*table.primary_key.columns)
    for row in connection.execution_options(yield_per=_ROWS).execute(query).mappings():
        values = {
            name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()
        }
        digest.update(as_json(values).encode())
        count += 1
    return count, digest.hexdigest()


def _drop(server: Server, schemas: Sequence[Schema]) -> None:
    with server.connect(None, writes=True) as connection:
        for schema in schemas:
            connection.execute(f'DROP SCHEMA IF EXISTS "{schema.name}" CASCADE'.encode())
