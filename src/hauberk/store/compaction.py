"""Merges small files of the lake without losing what vouches for them.

The ledger names which files each new file replaces and a digest over the rows. They are read from
files that have just been checked, and must read the same from the file that was written.
Merging needs no lock, for files never change: commits go on beside it, and the merged files are
moved to their places in a short commit of their own. Replaced files stay for a while, for readers
that still hold their names.
"""

import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, select

from . import tables
from .durable import make_folder
from .entering import enter_files, enter_removals
from .lake_files import LakeFile, file_name, folder_of
from .merging import Merged, merged
from .parquet import uncompressed
from .writer import Files, Reach, Step, Writer, commit_entry

SMALL = 50_000
"""Rows below which a file is worth merging."""

SMALL_BYTES = 32 << 20
"""The same in bytes, not compressed: nothing is gained by moving that much again."""

LARGEST = 200_000
"""Rows of a merged file."""

LARGEST_BYTES = 192 << 20
"""Its bytes, not compressed: merging takes some four times as much memory."""

MOST = 150_000
"""Rows that are merged at once: some seconds, for which whoever ends a watch waits."""

ASIDE = "merging"
"""Folder of a home in which merged files are made: what lies there belongs to nothing yet."""

_ASK_AT_ONCE = 500
_TOTALS = ("batches", "records", "events", "aggregated", "rejected", "findings")


def merge(home: Path, engine: Engine, least: int = 2) -> list[Merged]:
    """Merge small files into ones that lie aside; commits may go on meanwhile.

    `least` files of like size become one, of at most MOST rows in all. Raises HomeDamagedError
    where one is not what was written.
    """
    discard(home)
    chosen: list[list[LakeFile]] = []
    rows = 0
    for group in _groups(home, engine, least):
        rows += sum(old.rows for old in group)
        if chosen and rows > MOST:
            break
        chosen.append(group)
    # A process whose parent was killed may still write where it was told to.
    return merged(home, f"{ASIDE}/{secrets.token_hex(8)}", chosen) if chosen else []


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
        (home / one.aside / file.path).rename(home / path)
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


def _groups(home: Path, engine: Engine, least: int) -> Iterator[list[LakeFile]]:
    """Runs of small files of one table, day and size class, each as large as a file may be.

    Like is merged with like, so that a row is written again a few times at most, however small the
    commits are that it came among.
    """
    files = tables.files
    query = select(files).where(files.c.replaced_by.is_(None), files.c.rows < SMALL)
    with engine.connect() as connection:
        found = [LakeFile.of(row) for row in connection.execute(query).mappings()]
    group: list[LakeFile] = []
    rows = size = 0
    for file in sorted(found, key=lambda one: (*_like(one), one.first_commit, one.path)):
        own = uncompressed(home / file.path)
        if own >= SMALL_BYTES:
            continue
        rows, size = rows + file.rows, size + own
        fits = rows <= LARGEST and size <= LARGEST_BYTES
        if group and (not fits or _like(group[0]) != _like(file)):
            if len(group) >= least:
                yield group
            group, rows, size = [], file.rows, own
        group.append(file)
    if len(group) >= least:
        yield group


def _like(file: LakeFile) -> tuple[str, str, int]:
    """Table, day and size class: 1 to 7 rows, 8 to 63 ..."""
    return file.table, file.day, (file.rows.bit_length() - 1) // 3
