"""The Delta Lake log of each table, through `deltalake`.

Only a process that holds the home's lock writes here, so a log that is longer than the records
database says is what an interrupted commit left, and is cut off again.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.transaction import AddAction, RemoveAction

from .durable import make_folder, seal, sync, sync_folders
from .lake_files import LAKE, UNKNOWN_DAY, LakeFile, is_partitioned, stored_schema

_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)

CHECKPOINT_EVERY = 25
"""Versions between Delta checkpoints: replaying 100 versions costs 50 ms a commit, 25 about 10."""

LOG = "_delta_log"
_VERSION = re.compile(r"(\d{20})\.")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of a Delta log, sealed. `path` is relative to the home."""

    path: str
    sha256: str


class DeltaLogs:
    """Appends to the Delta logs of one home, keeping the tables open between commits."""

    def __init__(self, home: Path, app_id: str) -> None:
        self._home = home
        self._app_id = app_id
        self._open: dict[str, DeltaTable] = {}

    def forget(self) -> None:
        """Drop what is known of the logs, after they were cut off."""
        self._open.clear()

    def append(
        self,
        table: str,
        commit: int,
        added: Sequence[LakeFile],
        removed: Sequence[LakeFile] = (),
        *,
        erased: bool = False,
    ) -> tuple[int, list[LogFile]]:
        """Enter files into a table's log as one version; the version and the log files written.

        `erased` where rows of the removed files are in none of those added.
        """
        folder = self._home / LAKE / table
        before = self._version(table)
        delta = self._table(table, folder)
        schema = _delta_schema(table)
        missing = {f.name for f in schema.fields} - {f.name for f in delta.schema().fields}
        if missing:  # a newer Hauberk knows more columns than the table was made with
            delta.alter.add_columns(
                [f for f in schema.fields if f.name in missing],
                post_commithook_properties=_HOOKS,
            )
            delta.update_incremental()
        delta.create_write_transaction(
            [
                *(_add(file, folder, self._home) for file in added),
                *(_remove(file, folder, self._home, erased) for file in removed),
            ],
            "append",
            schema,
            ["day"] if is_partitioned(table) else None,
            commit_properties=CommitProperties(
                app_transactions=[Transaction(self._app_id, commit)], max_commit_retries=0
            ),
            post_commithook_properties=_HOOKS,
        )
        delta.update_incremental()
        version: int = delta.version()
        if version // CHECKPOINT_EVERY > (0 if before is None else before) // CHECKPOINT_EVERY:
            delta.create_checkpoint()
            # Only a hint by Delta's protocol, and the one file of the log that changes in place.
            (folder / LOG / "_last_checkpoint").unlink(missing_ok=True)
        return version, self._seal(folder / LOG, -1 if before is None else before)

    def _version(self, table: str) -> int | None:
        known = self._open.get(table)
        if known is not None:
            version: int = known.version()
            return version
        folder = self._home / LAKE / table
        if not (folder / LOG).is_dir():
            return None
        self._open[table] = DeltaTable(folder)
        return self._version(table)

    def _table(self, table: str, folder: Path) -> DeltaTable:
        if table not in self._open:
            make_folder(folder, self._home)
            self._open[table] = DeltaTable.create(
                folder,
                _delta_schema(table),
                partition_by=["day"] if is_partitioned(table) else None,
                name=table,
                post_commithook_properties=_HOOKS,
            )
        return self._open[table]

    def _seal(self, folder: Path, before: int) -> list[LogFile]:
        folder.chmod(0o700)
        sealed = []
        for path in sorted(folder.iterdir()):
            if version_of(path.name) > before:
                path.chmod(0o600)
                sealed.append(LogFile(path.relative_to(self._home).as_posix(), seal(path)[0]))
        sync_folders(folder.iterdir(), self._home)
        return sealed


def version_of(name: str) -> int:
    """The table version that a file of a Delta log belongs to; -1 where it is none."""
    match = _VERSION.match(name)
    return int(match[1]) if match else -1


def cut_off(folder: Path, version: int) -> None:
    """Remove what a table's log holds beyond `version`."""
    for path in (folder / LOG).iterdir():
        if version_of(path.name) > version or path.name == "_last_checkpoint":
            path.unlink()
    sync(folder / LOG)


def _delta_schema(table: str) -> Schema:
    columns = dict(stored_schema(table))
    if is_partitioned(table):
        columns["day"] = pl.String()
    empty = pl.DataFrame(schema=columns)
    return Schema.from_arrow(empty.to_arrow(compat_level=pl.CompatLevel.oldest()).schema)


def _relative(file: LakeFile, folder: Path, home: Path) -> str:
    return (home / file.path).relative_to(folder).as_posix()


def _partition(file: LakeFile) -> dict[str, str | None]:
    return {"day": file.day} if is_partitioned(file.table) else {}


def _add(file: LakeFile, folder: Path, home: Path) -> AddAction:
    statistics: dict[str, object] = {"numRecords": file.rows}
    if file.min_time is not None and file.max_time is not None and file.day != UNKNOWN_DAY:
        statistics["minValues"] = {"time": _delta_time(file.min_time)}
        statistics["maxValues"] = {"time": _delta_time(file.max_time)}
    path = home / file.path
    return AddAction(
        path=_relative(file, folder, home),
        size=file.bytes,
        partition_values=_partition(file),
        modification_time=path.stat().st_mtime_ns // 1_000_000,
        data_change=True,
        stats=json.dumps(statistics),
    )


def _remove(file: LakeFile, folder: Path, home: Path, erased: bool) -> RemoveAction:
    return RemoveAction(
        path=_relative(file, folder, home),
        data_change=erased,
        deletion_timestamp=(home / file.path).stat().st_mtime_ns // 1_000_000,
        size=file.bytes,
        partition_values=_partition(file),
    )


def _delta_time(micros: int) -> str:
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
