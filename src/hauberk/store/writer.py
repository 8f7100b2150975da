"""The commit protocol: how everything of a commit becomes durable together.

1. An *intent* names the commit's number in the records database.
2. Parquet files, state files and dead letters are written under that number and flushed.
3. Delta logs grow by a version, and are flushed.
4. One transaction of the records database enters all of it, with the ledger's entries and the
   signed checkpoint, and takes the intent away. This is the instant of the commit.

Before step 4 ends nothing counts: readers go by the records database. What an interrupted commit
left carries the intent's number and is removed when the home is next opened or written.
See docs/decisions/0001-one-commit.md.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import polars as pl
import zstandard
from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from hauberk.events import conform

from . import ledger, tables
from .commit import BatchEntry, Commit, DeadLetter, StoredIncident, storable
from .delta_log import DeltaLogs, LogFile
from .durable import make_folder, seal, sync_folder
from .lake_files import (
    COMMIT,
    FINDINGS,
    LakeFile,
    by_day,
    file_name,
    stored_schema,
    write_file,
)
from .signing import Signer

STATES = "states"
DEAD_LETTERS = "dead-letters"


class Step(StrEnum):
    """The instants between which a process may die."""

    INTENT = "intent"
    LAKE_FILE = "lake file"
    STATE_FILE = "state file"
    DEAD_LETTERS = "dead letters"
    DELTA_LOG = "delta log"
    RECORDS = "records"
    RECORDS_WRITTEN = "records written"
    DONE = "done"


Reach = Callable[[Step], None]
"""Called when a commit is about to take a step."""


@dataclass(frozen=True, slots=True)
class Files:
    """What lies on disk for a commit before the records know it."""

    lake: Sequence[LakeFile]
    logs: Sequence[LogFile]
    versions: Mapping[str, int]
    states: Mapping[str, Mapping[str, Mapping[str, object]]] = field(default_factory=dict)
    dead_letters: Mapping[str, object] | None = None
    findings: int = 0


class Writer:
    """Writes commits into one home; its caller holds the lock and rolls back what fails."""

    def __init__(
        self, home: Path, engine: Engine, logs: DeltaLogs, signer: Signer, reach: Reach
    ) -> None:
        self._home = home
        self._engine = engine
        self._logs = logs
        self._signer = signer
        self._reach = reach

    def write(self, commit: Commit, findings: pl.DataFrame, now: datetime) -> int:
        """Carry a checked commit through all steps; `findings` are those not stored before."""
        number = self.declare(now)
        lake = self._write_events(commit, number)
        self._write_findings(findings, number, lake)
        states = self._write_states(commit, number)
        letters = self._write_dead_letters(commit.dead_letters, number)
        versions, logs = self.enter_logs(lake, number)
        files = Files(lake, logs, versions, states, letters, findings.height)
        self._reach(Step.RECORDS)
        with self._engine.begin() as connection:
            self._enter(connection, commit, number, files, now)
            self._reach(Step.RECORDS_WRITTEN)
        self._reach(Step.DONE)
        return number

    def declare(self, now: datetime) -> int:
        """Write the intent; the commit's number."""
        self._reach(Step.INTENT)
        with self._engine.begin() as connection:
            last = connection.execute(select(func.max(tables.commits.c.number))).scalar()
            number = (last or 0) + 1
            connection.execute(
                insert(tables.intents).values(number=number, started=tables.to_micros(now))
            )
        return number

    def _write_events(self, commit: Commit, number: int) -> list[LakeFile]:
        written: list[LakeFile] = []
        for event_class in sorted(commit.tables):
            frame = commit.tables[event_class]
            if not frame.height:
                continue
            full = conform(frame, event_class)
            for day, part in by_day(full):
                self._reach(Step.LAKE_FILE)
                name = file_name(number, len(written))
                rows = part.with_columns(pl.lit(number, pl.Int64).alias(COMMIT))
                written.append(
                    write_file(self._home, event_class.table, day, name, rows, (number, number))
                )
        return written

    def _write_findings(self, findings: pl.DataFrame, number: int, written: list[LakeFile]) -> None:
        if not findings.height:
            return
        self._reach(Step.LAKE_FILE)
        # Ordered by uid, so that a look-up by uid reads one row group of each file.
        rows = findings.sort("uid").with_columns(pl.lit(number, pl.Int64).alias(COMMIT))
        name = file_name(number, len(written))
        written.append(
            write_file(
                self._home,
                FINDINGS,
                "",
                name,
                rows.select(stored_schema(FINDINGS).names()),
                (number, number),
            )
        )

    def _write_states(self, commit: Commit, number: int) -> dict[str, dict[str, dict[str, object]]]:
        written: dict[str, dict[str, dict[str, object]]] = {}
        folder = self._home / STATES / f"{number:010d}"
        ordinal = 0
        for detector, frames in sorted(commit.states.items()):
            written[detector] = {}
            for name, frame in sorted(frames.items()):
                self._reach(Step.STATE_FILE)
                make_folder(folder, self._home)
                path = folder / f"{ordinal:05d}.arrow"
                ordinal += 1
                frame.write_ipc(path, compression="zstd")
                path.chmod(0o600)
                written[detector][name] = {
                    "path": path.relative_to(self._home).as_posix(),
                    "sha256": seal(path)[0],
                    "rows": frame.height,
                }
        if ordinal:
            sync_folder(folder)
        return written

    def _write_dead_letters(
        self, letters: Sequence[DeadLetter], number: int
    ) -> dict[str, object] | None:
        if not letters:
            return None
        self._reach(Step.DEAD_LETTERS)
        folder = self._home / DEAD_LETTERS
        make_folder(folder, self._home)
        path = folder / f"{number:010d}.parquet"
        letters_frame(letters).write_parquet(path, compression="zstd", statistics=False)
        path.chmod(0o600)
        sync_folder(folder)
        return {
            "path": path.relative_to(self._home).as_posix(),
            "sha256": seal(path)[0],
            "rows": len(letters),
        }

    def enter_logs(
        self, added: Sequence[LakeFile], number: int, removed: Sequence[LakeFile] = ()
    ) -> tuple[dict[str, int], list[LogFile]]:
        """Enter files into the Delta logs of their tables; new versions and log files."""
        for folder in sorted({(self._home / file.path).parent for file in added}):
            sync_folder(folder)
        versions: dict[str, int] = {}
        logs: list[LogFile] = []
        for table in sorted({file.table for file in added}):
            self._reach(Step.DELTA_LOG)
            versions[table], files = self._logs.append(
                table,
                number,
                [file for file in added if file.table == table],
                [file for file in removed if file.table == table],
            )
            logs.extend(files)
        return versions, logs

    def _enter(
        self, connection: Connection, commit: Commit, number: int, files: Files, now: datetime
    ) -> None:
        enter_batches(connection, commit.batches, number, commit.dead_letters)
        enter_files(connection, files.lake, files.versions)
        if files.states:
            connection.execute(
                insert(tables.states),
                [
                    {"detector": storable(name), "number": number, "tables": as_json(state)}
                    for name, state in files.states.items()
                ],
            )
        if files.dead_letters:
            connection.execute(
                insert(tables.dead_letters).values(number=number, **files.dead_letters)
            )
        enter_incidents(connection, commit.incidents, number, replace=commit.replace_incidents)
        totals = {
            "batches": len(commit.batches),
            "records": sum(batch.records for batch in commit.batches),
            "events": sum(batch.events for batch in commit.batches),
            "aggregated": sum(batch.aggregated for batch in commit.batches),
            "rejected": sum(batch.rejected for batch in commit.batches),
            "findings": files.findings,
        }
        digests = letter_digests(commit.dead_letters)
        entries: list[Mapping[str, object]] = [
            batch_facts(batch, number, digests.get(batch.batch_id, "")) for batch in commit.batches
        ]
        entries.extend({**entry, "commit": number} for entry in commit.entries)
        entries.append(commit_entry(connection, number, totals, files, commit.facts, now))
        self.close(connection, number, totals, commit.facts, entries, now)

    def close(
        self,
        connection: Connection,
        number: int,
        totals: Mapping[str, int],
        facts: Mapping[str, object],
        entries: Sequence[Mapping[str, object]],
        now: datetime,
    ) -> None:
        """Enter the commit and its ledger entries, and take the intent away."""
        connection.execute(
            insert(tables.commits).values(
                number=number,
                time=tables.to_micros(now),
                facts=ledger.canonical(facts).decode(),
                **totals,
            )
        )
        ledger.append(connection, self._signer, [ledger.canonical(entry) for entry in entries])
        connection.execute(delete(tables.intents))


def commit_entry(
    connection: Connection,
    number: int,
    totals: Mapping[str, int],
    files: Files,
    facts: Mapping[str, object],
    now: datetime,
) -> dict[str, object]:
    """The ledger's entry of a commit: its sums, and a digest of everything that it wrote."""
    count, digest = incidents_digest(connection)
    return {
        "type": "commit",
        "commit": number,
        "time": now.isoformat(),
        **totals,
        "files": [file.facts() for file in files.lake],
        "logs": [{"path": log.path, "sha256": log.sha256} for log in files.logs],
        "states": files.states,
        "dead_letters": files.dead_letters,
        "incidents": {"count": count, "sha256": digest},
        "facts": facts,
    }


def as_json(value: object) -> str:
    """JSON as the records database keeps it: keys in order, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def letters_frame(letters: Sequence[DeadLetter]) -> pl.DataFrame:
    """Dead letters as a frame, one row a letter."""
    return pl.DataFrame(
        {
            "batch_id": [storable(letter.batch_id) for letter in letters],
            "source": [storable(letter.source) for letter in letters],
            "offset": [letter.offset for letter in letters],
            "length": [letter.length for letter in letters],
            "reason": [storable(letter.reason) for letter in letters],
            "bytes": [letter.bytes for letter in letters],
        },
        schema=DEAD_LETTER_SCHEMA,
    )


DEAD_LETTER_SCHEMA = pl.Schema(
    {
        "batch_id": pl.String(),
        "source": pl.String(),
        "offset": pl.Int64(),
        "length": pl.Int64(),
        "reason": pl.String(),
        "bytes": pl.Binary(),
    }
)


def letter_digests(letters: Sequence[DeadLetter]) -> dict[str, str]:
    """By batch, a digest of its dead letters: place, reason and digest of the bytes, in order."""
    digests: dict[str, hashlib._Hash] = {}
    for letter in letters:
        digest = digests.setdefault(letter.batch_id, hashlib.sha256())
        content = hashlib.sha256(letter.bytes).hexdigest()
        place = f"{letter.offset} {letter.length} {content} {storable(letter.reason)}\n"
        digest.update(place.encode())
    return {batch: digest.hexdigest() for batch, digest in digests.items()}


def batch_facts(batch: BatchEntry, number: int, letters: str) -> dict[str, object]:
    """A batch as the ledger names it."""
    return {
        "type": "batch",
        "commit": number,
        "batch_id": batch.batch_id,
        "source": storable(batch.source),
        "start": batch.start,
        "length": batch.length,
        "sha256": batch.sha256,
        "first_record": batch.first_record,
        "format": batch.format,
        "format_version": batch.format_version,
        "records": batch.records,
        "events": batch.events,
        "aggregated": batch.aggregated,
        "rejected": batch.rejected,
        "head_sha256": hashlib.sha256(batch.head).hexdigest(),
        "modified": None if batch.modified is None else tables.to_micros(batch.modified),
        "dead_letters": letters,
    }


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
    for digest, head in heads.items():
        known = select(tables.heads.c.sha256).where(tables.heads.c.sha256 == digest)
        if connection.execute(known).first() is None:
            data = zstandard.compress(head)
            connection.execute(insert(tables.heads).values(sha256=digest, data=data))


def enter_files(
    connection: Connection, files: Sequence[LakeFile], versions: Mapping[str, int]
) -> None:
    """Enter lake files and the versions of the tables that they belong to."""
    if not files:
        return
    rows = []
    for file in files:
        row = file.facts()
        row["table_name"] = row.pop("table")
        rows.append(row)
    connection.execute(insert(tables.files), rows)
    for table, version in versions.items():
        known = update(tables.lake_tables).where(tables.lake_tables.c.name == table)
        if connection.execute(known.values(version=version)).rowcount == 0:
            connection.execute(insert(tables.lake_tables).values(name=table, version=version))


def enter_incidents(
    connection: Connection, incidents: Sequence[StoredIncident], number: int, *, replace: bool
) -> None:
    """Enter incidents, in place of all or of those with the same uid."""
    known = delete(tables.incidents)
    if replace:
        connection.execute(known)
    for position, incident in enumerate(incidents):
        if not replace:
            connection.execute(known.where(tables.incidents.c.uid == incident.uid))
        connection.execute(
            insert(tables.incidents).values(
                uid=storable(incident.uid),
                number=number,
                position=position,
                probability=incident.probability,
                start=tables.to_micros(incident.start),
                end=tables.to_micros(incident.end),
                above_budget=incident.above_budget,
                body=ledger.canonical(incident.body).decode(),
            )
        )


def incidents_digest(connection: Connection) -> tuple[int, str]:
    """Number of incidents stored, and a digest of all their rows."""
    digest = hashlib.sha256()
    # Ordered here, because databases do not agree on the order of text.
    lines = sorted(as_json(list(row)) for row in connection.execute(select(tables.incidents)))
    for line in lines:
        digest.update(line.encode() + b"\n")
    return len(lines), digest.hexdigest()
