"""Verifies the rows of the records database against what the ledger says they are."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import zstandard
from sqlalchemy import Connection, Table, select

from . import ledger, tables
from .delta_log import version_of
from .expected import Expected
from .records import unpack_head
from .rows import as_json, row_digest
from .tables import to_micros
from .verification import FaultKind, Note

_TOTALS = ("batches", "records", "events", "aggregated", "rejected", "findings")

Rows = dict[object, dict[str, object]]


def check_records(connection: Connection, expected: Expected, note: Note) -> None:
    """Compare every row that matters with the ledger."""
    _compare("batch", _rows(connection, tables.batches, "batch_id"), expected.batches, note)
    files = _rows(connection, tables.files, "path")
    _compare("file", files, dict(_expected_files(expected, files)), note)
    commits = _rows(connection, tables.commits, "number")
    _compare("commit", commits, dict(_expected_commits(expected)), note)
    letters = _rows(connection, tables.dead_letters, "number")
    wanted: Rows = {n: {**facts, "number": n} for n, facts in expected.dead_letters.items()}
    _compare("dead letters of commit", letters, wanted, note)
    _compare("state", _states(connection), dict(_expected_states(expected)), note)
    _check_versions(connection, expected, note)
    _check_incidents(connection, expected, note)
    _check_heads(connection, expected, note)


def _rows(connection: Connection, table: Table, key: str) -> Rows:
    return {row[key]: dict(row) for row in connection.execute(select(table)).mappings()}


def _compare(
    noun: str,
    found: Mapping[Any, Mapping[str, object]],
    wanted: Mapping[Any, Mapping[str, object]],
    note: Note,
) -> None:
    """Name each row and column that differ."""
    for key in [*wanted, *(key for key in found if key not in wanted)]:
        where = f"records database, {noun} {key}"
        if key not in found:
            note(FaultKind.MISSING, where, "a row", "none")
        elif key not in wanted:
            note(FaultKind.ADDED, where, "no row", "one")
        else:
            for column in sorted(wanted[key].keys() | found[key].keys()):
                want, have = wanted[key].get(column), found[key].get(column)
                if want != have or type(want) is not type(have):
                    note(FaultKind.CHANGED, f"{where}, {column}", want, have)


def _expected_files(expected: Expected, found: Rows) -> Iterable[tuple[object, dict[str, object]]]:
    for path, facts in expected.files.items():
        if path in expected.replaced and path not in found:
            continue  # its row went with it
        row = {**facts, "replaced_by": expected.replaced.get(path)}
        row["table_name"] = row.pop("table")
        yield path, row


def _expected_commits(expected: Expected) -> Iterable[tuple[object, dict[str, object]]]:
    for number, entry in expected.commits.items():
        row: dict[str, object] = {name: entry[name] for name in _TOTALS}
        row["number"] = number
        row["facts"] = ledger.canonical(entry["facts"]).decode()
        row["time"] = to_micros(datetime.fromisoformat(entry["time"]))
        yield number, row


def _states(connection: Connection) -> Rows:
    return {
        (row["detector"], row["number"]): dict(row)
        for row in connection.execute(select(tables.states)).mappings()
    }


def _expected_states(expected: Expected) -> Iterable[tuple[object, dict[str, object]]]:
    for (detector, number), state in expected.states.items():
        row = {"detector": detector, "number": number, "tables": as_json(state)}
        yield (detector, number), row


def _check_versions(connection: Connection, expected: Expected, note: Note) -> None:
    versions: dict[str, int] = {}
    for log in expected.logs:
        path = Path(log)
        version = version_of(path.name)
        versions[path.parts[1]] = max(versions.get(path.parts[1], -1), version)
    wanted: Rows = {name: {"name": name, "version": at} for name, at in versions.items()}
    _compare("table", _rows(connection, tables.lake_tables, "name"), wanted, note)


def _check_incidents(connection: Connection, expected: Expected, note: Note) -> None:
    rows = _rows(connection, tables.incidents, "uid")
    found: Rows = {uid: {"digest": row_digest(row)} for uid, row in rows.items()}
    wanted: Rows = {uid: {"digest": digest} for uid, digest in expected.incidents.items()}
    _compare("incident", found, wanted, note)


def _check_heads(connection: Connection, expected: Expected, note: Note) -> None:
    wanted = {batch["head_sha256"] for batch in expected.batches.values()}
    found = set()
    for row in connection.execute(select(tables.heads)):
        found.add(row.sha256)
        try:
            digest = hashlib.sha256(unpack_head(row.data)).hexdigest()
        except (zstandard.ZstdError, TypeError) as error:
            digest = str(error)
        if digest != row.sha256 or row.sha256 not in wanted:
            note(FaultKind.CHANGED, "records database, head of a file", row.sha256, digest)
    for digest in sorted(wanted - found):
        note(FaultKind.MISSING, "records database, head of a file", digest, "none")
