"""Is a home what was committed, to the byte? Works offline and beside a process that commits."""

import os
from pathlib import Path

import polars as pl
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from hauberk.errors import HomeDamagedError

from . import database, tables
from .check_files import check_files, is_of_later_commit
from .check_ledger import check_ledger
from .check_records import check_records
from .expected import Expected, check_sums, read_entries
from .place import KEYS
from .signing import KEY_FILE, PUBLIC_KEY_FILE, Verifier, load_signer, load_verifier
from .sqlite import DATABASE
from .verification import Fault, FaultKind, Note, VerifyReport, short

_UNREADABLE = (
    SQLAlchemyError,
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    AttributeError,
    OSError,
    pl.exceptions.PolarsError,
)


def verify(
    path: Path, *, public_key: str | None = None, trusted: str | None = None
) -> VerifyReport:
    """Check lake, dead letters, states, records and ledger against the signed checkpoint.

    `public_key` (note verifier format) and `trusted` (a signed checkpoint) are what somebody kept
    outside of the home: without them whoever can write everything in it, the key too, could have
    written another home. Raises UsageError where there is no home; faults never raise.
    """
    faults: list[Fault] = []

    def note(kind: FaultKind, where: str, expected: object, found: object) -> None:
        faults.append(Fault(kind, where, short(expected), short(found)))

    path = path.absolute()
    counts: dict[str, int] = {}
    checkpoint: str | None = None
    interrupted: int | None = None
    where = DATABASE
    try:
        opened = database.open_for_reading(path)
        engine, where = opened.reading, Path(opened.place).name
        try:
            with engine.connect() as connection:
                _check_integrity(connection, note)
                verifier = _verifier(path, connection, public_key, note)
                entries = check_ledger(connection, verifier, trusted, note)
                expected = read_entries(entries, note)
                check_sums(expected, note)
                check_records(connection, expected, note)
                counts = _counts(expected, len(entries))
                query = select(tables.checkpoints.c.note).order_by(tables.checkpoints.c.size.desc())
                checkpoint = connection.execute(query).scalar()
                interrupted = connection.execute(select(tables.intents.c.number)).scalar()
            strange, counts["bytes"] = check_files(path, expected, note)
            with engine.connect() as connection:
                strange = [name for name in strange if os.path.lexists(path / name)]
                _check_strange(connection, strange, expected, interrupted, note)
        finally:
            opened.close()
    except HomeDamagedError as error:
        note(FaultKind.UNREADABLE, where, "the records database", error.what)
    except _UNREADABLE as error:
        # Whatever an attacker wrote into a row, an entry or a file: it is told and not raised.
        note(FaultKind.UNREADABLE, where, "rows and entries as the store writes them", error)
    return VerifyReport(str(path), tuple(faults), counts, checkpoint, interrupted)


def _check_integrity(connection: Connection, note: Note) -> None:
    """What the database itself says of its pages."""
    if connection.dialect.name == "sqlite":
        for (said,) in connection.execute(text("PRAGMA integrity_check(20)")):
            if said != "ok":
                note(FaultKind.CHANGED, DATABASE, "sound pages", said)


def _verifier(
    path: Path, connection: Connection, public_key: str | None, note: Note
) -> Verifier | None:
    file = path / KEYS / PUBLIC_KEY_FILE
    try:
        verifier = load_verifier(file.parent) if public_key is None else Verifier.parse(public_key)
    except (OSError, ValueError) as error:
        note(FaultKind.UNREADABLE, f"{KEYS}/{PUBLIC_KEY_FILE}", "the ledger's public key", error)
        return None
    query = select(tables.home.c.value).where(tables.home.c.key == "origin")
    origin = connection.execute(query).scalar()
    if origin != verifier.name:
        note(FaultKind.CHANGED, "records database, origin", verifier.name, origin)
    try:
        signer = load_signer(file.parent, verifier.name)
    except HomeDamagedError as error:
        there = os.path.lexists(file.parent / KEY_FILE)
        kind, found = (FaultKind.CHANGED, error.what) if there else (FaultKind.MISSING, "no file")
        note(kind, f"{KEYS}/{KEY_FILE}", "the ledger's private key", found)
    else:
        if signer.verifier != verifier:
            note(FaultKind.CHANGED, f"{KEYS}/{KEY_FILE}", verifier.text, signer.verifier.text)
    return verifier


def _counts(expected: Expected, entries: int) -> dict[str, int]:
    batches = expected.batches.values()
    counts = {
        name: sum(batch[name] for batch in batches)
        for name in ("records", "events", "aggregated", "rejected")
    }
    counts["batches"] = len(expected.batches)
    counts["commits"] = len(expected.commits)
    counts["entries"] = entries
    counts["files"] = len(expected.digests())
    return counts


def _check_strange(
    connection: Connection,
    strange: list[str],
    expected: Expected,
    interrupted: int | None,
    note: Note,
) -> None:
    """Files that the ledger does not name: of a commit made meanwhile, or put there."""
    last = max(expected.commits, default=0)
    newest = connection.execute(select(func.max(tables.commits.c.number))).scalar() or 0
    pending = connection.execute(select(tables.intents.c.number)).scalar()
    moving = interrupted is not None or pending is not None or newest > last
    for path in strange:
        if not (moving and is_of_later_commit(path, last, expected)):
            note(FaultKind.ADDED, path, "no such file", "a file that no commit wrote")
