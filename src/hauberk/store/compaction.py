"""Merges small files of the lake without losing what vouches for them.

The ledger names which files each new file replaces and a digest over the rows, taken of the rows
as they were read from files that had just been checked, and again from the file that was written.
Replaced files stay until the next compaction, for readers that still hold their names.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from sqlalchemy import Engine, select

from hauberk.errors import HomeDamagedError

from . import tables
from .durable import digest
from .entering import enter_files, enter_removals
from .lake import read_files
from .lake_files import FINDINGS, LakeFile, file_name, write_file
from .removing import vacuum
from .writer import Files, Reach, Step, Writer, commit_entry

SMALL = 50_000
"""Rows below which a file is worth merging."""

LARGEST = 200_000
"""Rows of a merged file: bounds the memory that merging takes."""

_TOTALS = ("batches", "records", "events", "aggregated", "rejected", "findings")


def compact(home: Path, engine: Engine, writer: Writer, reach: Reach, now: datetime) -> int | None:
    """Merge small files; the commit's number, or None where there was nothing to merge."""
    vacuum(home, engine)
    groups = list(_groups(engine))
    if not groups:
        return None
    number = writer.declare(now)
    merged: list[LakeFile] = []
    replaced: list[LakeFile] = []
    facts: list[dict[str, object]] = []
    for group in groups:
        reach(Step.LAKE_FILE)
        file, content = _merge(home, group, file_name(number, len(merged)))
        merged.append(file)
        replaced.extend(group)
        facts.append(
            {
                "table": file.table,
                "day": file.day,
                "replaced": [old.path for old in group],
                "file": file.path,
                "rows": file.rows,
                "content": content,
            }
        )
    versions, logs = writer.enter_logs(merged, number, replaced)
    reach(Step.RECORDS)
    with engine.begin() as connection:
        files = Files(merged, logs, versions)
        enter_files(connection, merged, versions)
        enter_removals(connection, [old.path for old in replaced], number)
        totals = dict.fromkeys(_TOTALS, 0)
        entries = [
            {"type": "compaction", "commit": number, "merged": facts},
            commit_entry(number, totals, files, {}, now),
        ]
        writer.close(connection, number, totals, {}, entries, now)
        reach(Step.RECORDS_WRITTEN)
    reach(Step.DONE)
    return number


def _groups(engine: Engine) -> Iterator[list[LakeFile]]:
    """Runs of small files of one table and day, each of at most LARGEST rows."""
    files = tables.files
    query = (
        select(files)
        .where(files.c.replaced_by.is_(None), files.c.rows < SMALL)
        .order_by(files.c.table_name, files.c.day, files.c.first_commit, files.c.path)
    )
    group: list[LakeFile] = []
    with engine.connect() as connection:
        rows = list(connection.execute(query).mappings())
    for row in rows:
        file = LakeFile.of(row)
        same = group and (group[0].table, group[0].day) == (file.table, file.day)
        if not same or sum(old.rows for old in group) + file.rows > LARGEST:
            if len(group) > 1:
                yield group
            group = []
        group.append(file)
    if len(group) > 1:
        yield group


def check_unchanged(home: Path, file: LakeFile) -> None:
    """Whether a file is what was written, before its rows go anywhere. Raises HomeDamagedError."""
    if digest(home / file.path)[0] != file.sha256:
        raise HomeDamagedError(
            "a file of the lake is not what was written",
            where=str(home / file.path),
            hint="Run `hauberk verify` to see what else was changed",
        )


def _merge(home: Path, group: Sequence[LakeFile], name: str) -> tuple[LakeFile, str]:
    for old in group:
        check_unchanged(home, old)
    table, day = group[0].table, group[0].day
    paths = [str(home / old.path) for old in group]
    order = ["uid"] if table == FINDINGS else ["time"]
    rows = read_files(table, paths).collect().sort(order, maintain_order=True)
    commits = min(old.first_commit for old in group), max(old.last_commit for old in group)
    if rows.height != sum(old.rows for old in group):
        raise HomeDamagedError("it does not hold the rows that were entered", where=paths[0])
    return write_again(home, table, day, name, rows, commits)


def write_again(
    home: Path, table: str, day: str, name: str, rows: pl.DataFrame, commits: tuple[int, int]
) -> tuple[LakeFile, str]:
    """Write rows that were stored before; the file, read back, and a digest over all its rows."""
    file = write_file(home, table, day, name, rows, commits)
    before = content_digest(rows)
    written = read_files(table, [str(home / file.path)]).collect()
    if content_digest(written) != before:
        raise HomeDamagedError("rows read back otherwise", where=str(home / file.path))
    return file, before


def content_digest(rows: pl.DataFrame) -> str:
    """SHA-256 over all values of all columns in order, however they lie in memory or on disk."""
    hashed = hashlib.sha256(f"{rows.height}\n".encode())
    for series in rows:
        hashed.update(f"{series.name}\n".encode())
        _feed(hashed, series)
    return hashed.hexdigest()


def _feed(hashed: "hashlib._Hash", values: pl.Series) -> None:
    hashed.update(np.packbits(values.is_null().to_numpy()).tobytes())
    present = values.drop_nulls()
    if isinstance(present.dtype, pl.List):
        hashed.update(present.list.len().cast(pl.UInt64).to_numpy().tobytes())
        _feed(hashed, present.filter(present.list.len() > 0).explode())
    elif isinstance(present.dtype, pl.Struct):
        for field in present.struct.fields:
            _feed(hashed, present.struct.field(field))
    elif present.dtype in (pl.String, pl.Binary):
        data = present.cast(pl.Binary)
        hashed.update(data.bin.size().cast(pl.UInt64).to_numpy().tobytes())
        for chunk in pa.chunked_array([data.to_arrow(compat_level=pl.CompatLevel.oldest())]).chunks:
            for value in _payload(chunk):
                hashed.update(value)
    elif present.dtype == pl.Boolean:
        hashed.update(np.packbits(present.to_numpy()).tobytes())
    else:
        hashed.update(present.to_physical().to_numpy().tobytes())


def _payload(chunk: pa.LargeBinaryArray) -> Iterator[memoryview]:
    """The bytes of a binary array without nulls, end to end."""
    if len(chunk):
        _, offsets, data = chunk.buffers()
        bounds = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        if data is not None:
            yield memoryview(data)[int(bounds[0]) : int(bounds[-1])]
