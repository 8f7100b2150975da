"""Enters a commit's rows into the records database, inside its one transaction."""

from collections.abc import Mapping, Sequence

import zstandard
from sqlalchemy import Connection, delete, insert, select, update

from . import tables
from .commit import BatchEntry, DeadLetter
from .lake_files import LakeFile
from .rows import batch_facts, letter_digests

_ASK_AT_ONCE = 500
"""Values in one SQL `IN`; every database takes so many."""


def enter_batches(
    connection: Connection,
    batches: Sequence[BatchEntry],
    number: int,
    letters: Sequence[DeadLetter],
) -> None:
    """Enter batches and the heads of their files."""
    if not batches:
        return
    digests = letter_digests(letters)
    rows = [batch_facts(batch, number, digests.get(batch.batch_id, "")) for batch in batches]
    for row in rows:
        del row["type"]
        row["number"] = row.pop("commit")
    connection.execute(insert(tables.batches), rows)
    heads = {str(row["head_sha256"]): batch.head for row, batch in zip(rows, batches, strict=True)}
    known: set[str] = set()
    digest = tables.heads.c.sha256
    for at in range(0, len(rows), _ASK_AT_ONCE):
        asked = [str(row["head_sha256"]) for row in rows[at : at + _ASK_AT_ONCE]]
        known.update(connection.execute(select(digest).where(digest.in_(asked))).scalars())
    packer = zstandard.ZstdCompressor()
    fresh = [
        {"sha256": name, "data": packer.compress(head)}
        for name, head in heads.items()
        if name not in known
    ]
    if fresh:
        connection.execute(insert(tables.heads), fresh)


def enter_files(
    connection: Connection, files: Sequence[LakeFile], versions: Mapping[str, int]
) -> None:
    """Enter lake files and the new versions of tables."""
    rows = []
    for file in files:
        row = file.facts()
        row["table_name"] = row.pop("table")
        rows.append(row)
    if rows:
        connection.execute(insert(tables.files), rows)
    for table, version in versions.items():
        known = update(tables.lake_tables).where(tables.lake_tables.c.name == table)
        if connection.execute(known.values(version=version)).rowcount == 0:
            connection.execute(insert(tables.lake_tables).values(name=table, version=version))


def enter_removals(connection: Connection, paths: Sequence[str], number: int) -> None:
    """Take files out of the lake and the states; they are deleted later (removing.vacuum)."""
    if not paths:
        return
    connection.execute(
        insert(tables.removals), [{"path": path, "number": number} for path in paths]
    )
    for at in range(0, len(paths), _ASK_AT_ONCE):
        chosen = tables.files.c.path.in_(paths[at : at + _ASK_AT_ONCE])
        connection.execute(update(tables.files).where(chosen).values(replaced_by=number))


def enter_incidents(
    connection: Connection, rows: Sequence[Mapping[str, object]], gone: Sequence[str]
) -> None:
    """Enter incidents in place of those with the same uid, and take out those that are gone."""
    uids = [*gone, *(str(row["uid"]) for row in rows)]
    for at in range(0, len(uids), _ASK_AT_ONCE):
        chosen = tables.incidents.c.uid.in_(uids[at : at + _ASK_AT_ONCE])
        connection.execute(delete(tables.incidents).where(chosen))
    if rows:
        connection.execute(insert(tables.incidents), list(rows))
