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

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import polars as pl
from sqlalchemy import Connection, Engine, delete, func, insert, select

from hauberk.events import conform

from . import ledger, tables
from .commit import Commit, DeadLetter, storable
from .delta_log import DeltaLogs, LogFile
from .durable import FLUSHES, make_folder, seal, sync_folders
from .entering import enter_batches, enter_files, enter_incidents
from .lake_files import (
    COMMIT,
    FINDINGS,
    LakeFile,
    by_day,
    file_name,
    stored_schema,
    write_file,
)
from .rows import as_json, batch_facts, incident_rows, letter_digests, letters_frame, row_digest
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
    incidents: Mapping[str, object] | None = None


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
        rows = incident_rows(commit.incidents, number)
        incidents = _incident_facts(commit, rows)
        files = Files(lake, logs, versions, states, letters, findings.height, incidents)
        self._reach(Step.RECORDS)
        with self._engine.begin() as connection:
            self._enter(connection, commit, number, files, now)
            enter_incidents(connection, rows, commit.gone_incidents)
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
        writing: list[Future[LakeFile]] = []
        # One file is flushed while another is compressed.
        with ThreadPoolExecutor(FLUSHES, thread_name_prefix="lake") as pool:
            for event_class in sorted(commit.tables):
                frame = commit.tables[event_class]
                if not frame.height:
                    continue
                for day, part in by_day(conform(frame, event_class)):
                    self._reach(Step.LAKE_FILE)
                    name = file_name(number, len(writing))
                    rows = part.with_columns(pl.lit(number, pl.Int64).alias(COMMIT))
                    place = (self._home, event_class.table, day, name)
                    writing.append(pool.submit(write_file, *place, rows, (number, number)))
        return [file.result() for file in writing]

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
        writing: dict[str, dict[str, Future[dict[str, object]]]] = {}
        folder = self._home / STATES / f"{number:010d}"
        ordinal = 0
        with ThreadPoolExecutor(FLUSHES, thread_name_prefix="states") as pool:
            for detector, frames in sorted(commit.states.items()):
                writing[detector] = {}
                for name, frame in sorted(frames.items()):
                    self._reach(Step.STATE_FILE)
                    make_folder(folder, self._home)
                    path = folder / f"{ordinal:05d}.arrow"
                    ordinal += 1
                    writing[detector][name] = pool.submit(self._write_state, path, frame)
        written = {
            detector: {name: one.result() for name, one in files.items()}
            for detector, files in writing.items()
        }
        if ordinal:
            sync_folders(folder.iterdir(), self._home)
        return written

    def _write_state(self, path: Path, frame: pl.DataFrame) -> dict[str, object]:
        frame.write_ipc(path, compression="zstd")
        path.chmod(0o600)
        return {
            "path": path.relative_to(self._home).as_posix(),
            "sha256": seal(path)[0],
            "rows": frame.height,
        }

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
        sync_folders([path], self._home)
        return {
            "path": path.relative_to(self._home).as_posix(),
            "sha256": seal(path)[0],
            "rows": len(letters),
        }

    def enter_logs(
        self,
        added: Sequence[LakeFile],
        number: int,
        removed: Sequence[LakeFile] = (),
        *,
        erased: bool = False,
    ) -> tuple[dict[str, int], list[LogFile]]:
        """Enter files into the Delta logs of their tables; new versions and log files.

        `erased` where rows of the removed files are in none of those added.
        """
        sync_folders([self._home / file.path for file in added], self._home)
        versions: dict[str, int] = {}
        logs: list[LogFile] = []
        for table in sorted({file.table for file in (*added, *removed)}):
            self._reach(Step.DELTA_LOG)
            versions[table], files = self._logs.append(
                table,
                number,
                [file for file in added if file.table == table],
                [file for file in removed if file.table == table],
                erased=erased,
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
        entries.append(commit_entry(number, totals, files, commit.facts, now))
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


def _incident_facts(
    commit: Commit, rows: Sequence[Mapping[str, object]]
) -> Mapping[str, object] | None:
    """What the ledger says of a commit's incidents; None where it changes none."""
    if not (rows or commit.gone_incidents):
        return None
    digests = {str(row["uid"]): row_digest(row) for row in rows}
    return {"rows": digests, "gone": sorted(commit.gone_incidents)}


def commit_entry(
    number: int,
    totals: Mapping[str, int],
    files: Files,
    facts: Mapping[str, object],
    now: datetime,
) -> dict[str, object]:
    """The ledger's entry of a commit: its sums, and a digest of everything that it wrote."""
    return {
        "type": "commit",
        "commit": number,
        "time": now.isoformat(),
        **totals,
        "files": [file.facts() for file in files.lake],
        "logs": [{"path": log.path, "sha256": log.sha256} for log in files.logs],
        "states": files.states,
        "dead_letters": files.dead_letters,
        "incidents": files.incidents,
        "facts": facts,
    }
