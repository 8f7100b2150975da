"""Merges small files of the lake without losing what vouches for them.

The ledger names which files each new file replaces and a digest over the rows, taken of the rows
as they were read from files that had just been checked, and again from the file that was written.
Merging needs no lock, for files never change: commits go on beside it, and the merged files are
moved to their places in a short commit of their own. Replaced files stay for a while, for readers
that still hold their names.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from sqlalchemy import Engine, select

from hauberk.errors import HomeDamagedError

from . import tables
from .durable import digest, make_folder
from .entering import enter_files, enter_removals
from .lake import read_files
from .lake_files import FINDINGS, LakeFile, file_name, folder_of, write_file
from .writer import Files, Reach, Step, Writer, commit_entry

SMALL = 50_000
"""Rows below which a file is worth merging."""

LARGEST = 200_000
"""Rows of a merged file: bounds the memory that merging takes."""

MOST = 1_000_000
"""Rows that are merged at once: some seconds of work of the thread that judges."""

ASIDE = "merging"
"""Folder of a home in which merged files are made: what lies there belongs to nothing yet."""

_ASK_AT_ONCE = 500
_TOTALS = ("batches", "records", "events", "aggregated", "rejected", "findings")


@dataclass(frozen=True, slots=True)
class Merged:
    """Files that are one now: those that were read, what lies aside, a digest over its rows."""

    replaced: Sequence[LakeFile]
    file: LakeFile
    content: str


def merge(home: Path, engine: Engine, least: int = 2) -> list[Merged]:
    """Merge small files into ones that lie aside; commits may go on meanwhile.

    `least` files of like size are merged, of at most MOST rows in all. Raises HomeDamagedError
    where one is not what was written.
    """
    aside = home / ASIDE
    discard(home)
    merged: list[Merged] = []
    rows = 0
    for group in _groups(engine, least):
        if merged and rows + sum(old.rows for old in group) > MOST:
            break
        make_folder(aside, home)
        merged.append(_merge(home, group, f"{len(merged):05d}.parquet"))
        rows += merged[-1].file.rows
    return merged


def discard(home: Path) -> None:
    """Delete what lies aside."""
    shutil.rmtree(home / ASIDE, ignore_errors=True)


def enter(
    home: Path,
    engine: Engine,
    writer: Writer,
    reach: Reach,
    now: datetime,
    merged: Sequence[Merged],
) -> int | None:
    """Put merged files in the place of what they replace; the commit's number.

    Files that somebody else took out meanwhile are replaced by nothing; None where that is all.
    """
    live = _live(engine, [old.path for one in merged for old in one.replaced])
    merged = [one for one in merged if all(old.path in live for old in one.replaced)]
    if not merged:
        return None
    number = writer.declare(now)
    facts: list[dict[str, object]] = []
    added: list[LakeFile] = []
    for ordinal, one in enumerate(merged):
        reach(Step.LAKE_FILE)
        file = one.file
        folder = folder_of(file.table, file.day)
        path = f"{folder}/{file_name(number, ordinal)}"
        make_folder(home / folder, home)
        (home / ASIDE / file.path).rename(home / path)
        added.append(replace(file, path=path))
        facts.append(
            {
                "table": file.table,
                "day": file.day,
                "replaced": [old.path for old in one.replaced],
                "file": path,
                "rows": file.rows,
                "content": one.content,
            }
        )
    replaced = [old for one in merged for old in one.replaced]
    versions, logs = writer.enter_logs(added, number, replaced)
    reach(Step.RECORDS)
    with engine.begin() as connection:
        files = Files(added, logs, versions)
        enter_files(connection, added, versions)
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


def _live(engine: Engine, paths: Sequence[str]) -> set[str]:
    """Those of the files that are in the lake."""
    files = tables.files.c
    found: set[str] = set()
    with engine.connect() as connection:
        for at in range(0, len(paths), _ASK_AT_ONCE):
            chosen = files.path.in_(paths[at : at + _ASK_AT_ONCE]) & files.replaced_by.is_(None)
            found.update(connection.execute(select(files.path).where(chosen)).scalars())
    return found


def _groups(engine: Engine, least: int) -> Iterator[list[LakeFile]]:
    """Runs of small files of one table, day and size class, each of at most LARGEST rows.

    Like is merged with like, so that a row is written again a few times at most, however small the
    commits are that it came among.
    """
    files = tables.files
    query = select(files).where(files.c.replaced_by.is_(None), files.c.rows < SMALL)
    with engine.connect() as connection:
        found = [LakeFile.of(row) for row in connection.execute(query).mappings()]
    group: list[LakeFile] = []
    for file in sorted(found, key=lambda one: (*_like(one), one.first_commit, one.path)):
        same = group and _like(group[0]) == _like(file)
        if not same or sum(old.rows for old in group) + file.rows > LARGEST:
            if len(group) >= least:
                yield group
            group = []
        group.append(file)
    if len(group) >= least:
        yield group


def _like(file: LakeFile) -> tuple[str, str, int]:
    """Table, day and size class: 1 to 7 rows, 8 to 63 ..."""
    return file.table, file.day, (file.rows.bit_length() - 1) // 3


def check_unchanged(home: Path, file: LakeFile) -> None:
    """Whether a file is what was written, before its rows go anywhere. Raises HomeDamagedError."""
    if digest(home / file.path)[0] != file.sha256:
        raise HomeDamagedError(
            "a file of the lake is not what was written",
            where=str(home / file.path),
            hint="Run `hauberk verify` to see what else was changed",
        )


def _merge(home: Path, group: Sequence[LakeFile], name: str) -> Merged:
    for old in group:
        check_unchanged(home, old)
    table, day = group[0].table, group[0].day
    paths = [str(home / old.path) for old in group]
    order = ["uid"] if table == FINDINGS else ["time"]
    rows = read_files(table, paths).collect().sort(order, maintain_order=True)
    commits = min(old.first_commit for old in group), max(old.last_commit for old in group)
    if rows.height != sum(old.rows for old in group):
        raise HomeDamagedError("it does not hold the rows that were entered", where=paths[0])
    return Merged(group, *write_again(home / ASIDE, table, day, name, rows, commits))


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
